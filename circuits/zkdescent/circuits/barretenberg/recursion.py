"""Aggregation: one circuit that verifies several proofs of another one, block after block.

The child is a step circuit, or an aggregate itself, so that aggregates form a tree. Its verifying
key is part of the aggregate's circuit. Public inputs, whatever the child: state in, then context,
batch and state out of every block; each proof starts from the state that its predecessor ends in,
because both are the same witness.

What a proof of the aggregate leaves open is one pairing for all children: two points, which bb
makes public inputs of their own. The generated contract adds them, by a random combination, to the
pairing of the aggregate's proof; an aggregate of aggregates combines its children's points in the
circuit. So a false child proof makes a proof of the aggregate that fails: in sumcheck, or in that
pairing.

Children are proven with bb's target `noir-recursive` (Poseidon2 transcript, zero knowledge). They
have the same circuit and the same key as for the target `evm`, in another encoding: from the key
that a verifier contract holds anybody can make the aggregate's circuit again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zkdescent.circuits.barretenberg import acir
from zkdescent.circuits.barretenberg.poseidon2 import sponge
from zkdescent.core.errors import ChainOfProofsBroken, ConfigError, ProverError
from zkdescent.core.records import FIELD_MODULUS
from zkdescent.verifier.twins.layout import Layout, layout_of

CHILD_TARGET: Final = "noir-recursive"
PROOF_FIELDS: Final = 458
"""Field elements of a proof for `CHILD_TARGET`; the same for circuits of every size."""

_BACKEND: Final = "barretenberg"
_WORD: Final = 32
_HONK_ZK: Final = 6  # bb's number for the kind of proof that `CHILD_TARGET` makes
_HEADER: Final = 3  # of a key: log2 of the size, number of public inputs, index of the first
_POINTS: Final = 28
_LIMB_BITS: Final = 136  # a coordinate is two field elements: its low bits, the others
_PAIRING_LIMBS: Final = 8  # public inputs that bb adds to every circuit


@dataclass(frozen=True, slots=True)
class ChildKey:
    """Verifying key of the circuit whose proofs an aggregate verifies.

    Attributes:
        fields: the key as bb hashes it: three numbers, then four limbs for each point.
        digest: Poseidon2 of them.
        words: number of the circuit's public inputs.
    """

    fields: tuple[int, ...]
    digest: int
    words: int

    @classmethod
    def of(cls, vk: bytes) -> ChildKey:
        """Read a key as `bb write_vk -t evm` writes it: three words, then 28 points.

        Raises:
            ProverError: it is not such a key.
        """
        expected = _HEADER + 2 * _POINTS
        if len(vk) != expected * _WORD:
            raise ProverError(
                "not a verifying key of bb", expected=f"{expected} words", got=f"{len(vk)} bytes"
            )
        words = _integers(vk)
        fields = words[:_HEADER]
        for coordinate in words[_HEADER:]:
            fields += [coordinate & ((1 << _LIMB_BITS) - 1), coordinate >> _LIMB_BITS]
        digest = sponge(len(fields) << 64, fields)
        return cls(tuple(fields), digest, words[1] - _PAIRING_LIMBS)

    def file(self) -> bytes:
        """Return the key as `bb write_vk -t noir-recursive` would write it."""
        return _words(self.fields)


@dataclass(frozen=True, slots=True)
class ChildProof:
    """A child's public inputs and its proof for `CHILD_TARGET`, as field elements."""

    words: tuple[int, ...]
    fields: tuple[int, ...]

    @classmethod
    def of(cls, public_inputs: bytes, proof: bytes) -> ChildProof:
        """Read the two files that `bb prove -t noir-recursive` writes.

        Raises:
            ProverError: they are not of this form.
        """
        words, fields = _integers(public_inputs), _integers(proof)
        whole = len(proof) == PROOF_FIELDS * _WORD and len(public_inputs) % _WORD == 0
        if not whole or max(words + fields) >= FIELD_MODULUS:
            raise ProverError(
                f"not a proof for the target {CHILD_TARGET}",
                expected=f"{PROOF_FIELDS} field elements, and words of {_WORD} bytes",
                got=f"{len(proof)} and {len(public_inputs)} bytes",
            )
        return cls(tuple(words), tuple(fields))

    def file(self) -> bytes:
        """Return the proof as bb reads it."""
        return _words(self.fields)

    def public_inputs(self) -> bytes:
        """Return the public inputs as bb reads them."""
        return _words(self.words)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The circuit that verifies `children` proofs of one child.

    Attributes:
        key: of the child.
        children: how many proofs of it.
        child_blocks: blocks of steps that a child's proof covers: 1 for a step circuit, two or more
            for an aggregate.

    Raises:
        ConfigError: the child has not the public inputs of such a circuit.
    """

    key: ChildKey
    children: int
    child_blocks: int = 1

    def __post_init__(self) -> None:
        if self.children < 1 or self.child_blocks < 1:
            raise ConfigError(
                "an aggregate covers at least one block of one proof",
                got=(self.children, self.child_blocks),
            )
        if self.key.words != self.child_layout.slots:
            raise ConfigError(
                "the child is no circuit of this many blocks",
                expected=f"{self.child_layout.slots} public inputs",
                got=self.key.words,
            )

    @property
    def blocks(self) -> int:
        """Blocks of steps that the aggregate covers."""
        return self.children * self.child_blocks

    @property
    def child_layout(self) -> Layout:
        """Where a child's public inputs stand."""
        if self.child_blocks == 1:
            return layout_of(_BACKEND, "step")
        return layout_of(_BACKEND, "aggregate", self.child_blocks)

    @property
    def layout(self) -> Layout:
        """Where the aggregate's own stand."""
        return layout_of(_BACKEND, "aggregate", self.blocks)

    def child_words(self, child: int) -> list[int]:
        """Return the aggregate's public inputs that are a child's, in the child's order."""
        inner, outer = self.child_layout, self.layout
        first = child * self.child_blocks
        words = [0] * inner.slots
        words[inner.state_in] = int(outer.blocks[first - 1].state_out if child else outer.state_in)
        for own, shared in zip(
            inner.blocks, outer.blocks[first : first + self.child_blocks], strict=True
        ):
            words[own.context] = int(shared.context)
            words[own.batch] = int(shared.batch)
            words[own.state_out] = int(shared.state_out)
        return words

    def circuit(self) -> bytes:
        """Return the circuit as the JSON file of Noir's compiler; one child has one circuit."""
        return acir.program_file(*self._parts())

    def bytecode(self) -> bytes:
        """Return the circuit as bb reads it."""
        return acir.bytecode(*self._parts())

    def _parts(self) -> tuple[list[acir.Opcode], int, int]:
        public = self.layout.slots
        constants = [*self.key.fields, self.key.digest]
        key = list(range(public, public + len(constants)))
        opcodes = [
            acir.assert_zero([], [(1, witness)], -value)
            for witness, value in zip(key, constants, strict=True)
        ]
        count = public + len(constants)
        for child in range(self.children):
            proof = range(count, count + PROOF_FIELDS)
            opcodes.append(_verification(key[:-1], proof, self.child_words(child), key[-1]))
            count += PROOF_FIELDS
        return opcodes, count, public

    def words(self, proofs: Sequence[ChildProof]) -> list[int]:
        """Return the aggregate's public inputs for these proofs.

        Raises:
            ChainOfProofsBroken: a proof starts from another state than the one before it ends in.
            ProverError: another number of proofs, or of their public inputs.
        """
        if len(proofs) != self.children:
            raise ProverError(
                "another number of proofs than the aggregate verifies",
                expected=self.children,
                got=len(proofs),
            )
        words: list[int | None] = [None] * self.layout.slots
        for child, proof in enumerate(proofs):
            places = self.child_words(child)
            if len(proof.words) != len(places):
                raise ProverError(
                    f"proof {child} is not the child's",
                    expected=f"{len(places)} public inputs",
                    got=len(proof.words),
                )
            for place, word in zip(places, proof.words, strict=True):
                if words[place] not in (None, word):
                    raise ChainOfProofsBroken(
                        f"proof {child} starts from another state than its predecessor ends in",
                        expected=words[place],
                        got=word,
                    )
                words[place] = word
        return [word for word in words if word is not None]

    def witness(self, proofs: Sequence[ChildProof]) -> bytes:
        """Return the witness as bb reads it; raises as `words`.

        Whether the proofs are true is not looked at: a false one makes a false proof.
        """
        values = [*self.words(proofs), *self.key.fields, self.key.digest]
        for proof in proofs:
            values += proof.fields
        return acir.witness_file(values)


def _verification(
    key: Sequence[int], proof: Sequence[int], words: Sequence[int], digest: int
) -> acir.Opcode:
    """A proof holds for a key; bb takes no constants here, but for the predicate, always true."""
    arguments = [
        _witnesses(key),
        _witnesses(proof),
        _witnesses(words),
        {"Witness": digest},
        _HONK_ZK,
        {"Constant": acir.field_bytes(1)},
    ]
    return {"BlackBoxFuncCall": {"RecursiveAggregation": arguments}}


def _witnesses(indices: Sequence[int]) -> list[dict[str, int]]:
    return [{"Witness": index} for index in indices]


def _words(integers: Sequence[int]) -> bytes:
    return b"".join(acir.field_bytes(integer) for integer in integers)


def _integers(words: bytes) -> list[int]:
    return [int.from_bytes(words[i : i + _WORD], "big") for i in range(0, len(words), _WORD)]
