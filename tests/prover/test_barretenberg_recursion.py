"""Aggregates of real proofs: what the generated contract accepts, and what it does not.

The child is the smallest circuit with a step's public inputs: state out = state in * batch +
context, batch below 2**20. One recursive verification is 0.7 million gates: a quarter of a minute
and a gigabyte for a single child. What needs more than two such proofs is `slow`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.circuits.barretenberg import acir, srs, toolchain
from zkdescent.circuits.barretenberg.children import check_child, prove_child
from zkdescent.circuits.barretenberg.recursion import (
    CHILD_TARGET,
    PROOF_FIELDS,
    Aggregate,
    ChildKey,
    ChildProof,
)
from zkdescent.circuits.barretenberg.solidity import compile_verifier, verifier_source
from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import FIELD_MODULUS
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier._reverts import Reverted

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

SELECTOR = keccak(b"verify(bytes,bytes32[])")[:4]
SUMCHECK_FAILED, SHPLEMINI_FAILED = "9fc3a218", "a5d82e8a"
PAIRING_BYTES = 8 * 32
# A claimed evaluation in a proof: only the opening of its commitment, so the pairing, tells.
EVALUATION = 428
MINUTES = 600


def step(*, factor: int = 1) -> bytes:
    """Context, state in, batch, state out; the factor makes other circuits of the same form."""
    opcodes = [
        acir.assert_zero([(factor, 1, 2)], [(1, 0), (-1, 3)], 0),
        acir.range_check(2, 20),
    ]
    return acir.program_file(opcodes, 4, 4)


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit with its key for the contract."""

    program: Path
    vk: Path
    string: srs.ReferenceString
    factor: int = 1

    @property
    def key(self) -> ChildKey:
        return ChildKey.of(self.vk.read_bytes())

    def child(self, witness: bytes) -> ChildProof:
        """A proof for an aggregate, checked by itself."""
        file = self.program.with_name("witness.gz")
        file.write_bytes(witness)
        return prove_child(self.program, file, self.key, self.string, timeout=MINUTES)

    def step(self, context: int, state: int, batch: int) -> ChildProof:
        """An honest step."""
        out = (self.factor * state * batch + context) % FIELD_MODULUS
        return self.child(acir.witness_file([context, state, batch, out]))


def build(folder: Path, program: bytes) -> Circuit:
    folder.mkdir()
    path = folder / "program.json"
    path.write_bytes(program)
    gates = toolchain.count_gates(path, timeout=MINUTES)
    directory = srs.unsafe_srs(srs.points_for(gates))
    command: list[str | Path] = ["write_vk", "-b", path, "-o", folder, "-t", "evm", "-c", directory]
    toolchain.run(command, timeout=MINUTES)
    string = srs.ReferenceString(directory, "unsafe-local", srs.UNSAFE_G2_WORDS)
    return Circuit(path, folder / "vk", string)


class Contract:
    """An aggregate's circuit and its verifier in a private EVM."""

    def __init__(self, folder: Path, aggregate: Aggregate) -> None:
        self.aggregate = aggregate
        self.folder = folder
        self.circuit = build(folder, aggregate.circuit())
        source = verifier_source(self.circuit.vk, self.circuit.string)
        code = bytes.fromhex(compile_verifier(source)["bytecode"][2:])
        self.sandbox = Sandbox()
        self.address = self.sandbox.deploy(code)

    def prove(self, witness: bytes) -> tuple[bytes, bytes]:
        """Proof and public inputs for the contract."""
        file = self.folder / "witness.gz"
        file.write_bytes(witness)
        command: list[str | Path] = ["prove", "-b", self.circuit.program, "-w", file]
        command += ["-k", self.circuit.vk, "-o", self.folder, "-t", "evm"]
        toolchain.run([*command, "-c", self.circuit.string.directory], timeout=MINUTES)
        return (self.folder / "proof").read_bytes(), (self.folder / "public_inputs").read_bytes()

    def call(self, proof: bytes, inputs: bytes) -> tuple[bytes, int]:
        words = [inputs[at : at + 32] for at in range(0, len(inputs), 32)]
        data = SELECTOR + encode(["bytes", "bytes32[]"], [proof, words])
        result = self.sandbox.send(self.address, data)
        return result.output, result.gas_used

    def accepts(self, proof: bytes, inputs: bytes) -> int:
        """Gas of an accepted proof."""
        output, gas = self.call(proof, inputs)
        assert output == (1).to_bytes(32, "big")
        return gas

    def refused(self, proof: bytes, inputs: bytes) -> str:
        """The selector that the verifier reverts with; fails if it does not."""
        with pytest.raises(Reverted) as caught:
            self.call(proof, inputs)
        return caught.value.data.hex()[:8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aggregates")


@pytest.fixture(scope="module")
def child(folder: Path) -> Circuit:
    return build(folder / "step", step())


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Circuit:
    """Another circuit with the same public inputs."""
    return replace(build(folder / "stranger", step(factor=2)), factor=2)


@pytest.fixture(scope="module")
def single(folder: Path, child: Circuit) -> Contract:
    return Contract(folder / "single", Aggregate(child.key, 1))


@pytest.fixture(scope="module")
def pair(folder: Path, child: Circuit) -> Contract:
    return Contract(folder / "pair", Aggregate(child.key, 2))


def words_of(inputs: bytes) -> list[int]:
    return [int.from_bytes(inputs[at : at + 32], "big") for at in range(0, len(inputs), 32)]


def changed(proof: ChildProof, field: int) -> ChildProof:
    fields = list(proof.fields)
    fields[field] ^= 1
    return replace(proof, fields=tuple(fields))


# --- children by themselves ---------------------------------------------------------------------


def test_the_key_for_the_contract_is_the_key_for_recursion(child: Circuit, tmp_path: Path) -> None:
    command: list[str | Path] = ["write_vk", "-b", child.program, "-o", tmp_path]
    command += ["-t", CHILD_TARGET, "-c", child.string.directory]
    toolchain.run(command, timeout=MINUTES)
    assert child.key.file() == (tmp_path / "vk").read_bytes()
    assert child.key.digest == int.from_bytes((tmp_path / "vk_hash").read_bytes(), "big")


def test_honest_children_pass_and_false_ones_are_found(child: Circuit, stranger: Circuit) -> None:
    honest = child.step(7, 3, 5)
    assert honest.words == (7, 3, 5, 22)
    check_child(honest, child.key, child.string)
    with pytest.raises(ProofRejected, match="false"):
        child.child(acir.witness_file([7, 3, 5, 23]))
    false = [
        replace(honest, words=(7, 3, 5, 23)),
        replace(honest, words=(22, 5, 3, 7)),
        *(changed(honest, field) for field in (0, 7, 8, 60, 200)),
    ]
    for proof in false:
        with pytest.raises(ProofRejected, match="false"):
            check_child(proof, child.key, child.string)
    with pytest.raises(ProofRejected, match="false"):
        check_child(honest, stranger.key, child.string)
    check_child(stranger.step(7, 3, 5), stranger.key, child.string)


def test_under_the_ceremonys_string_the_pairing_counts(child: Circuit) -> None:
    """The same proof, were it said to be under the string that bb itself verifies with."""
    string = replace(child.string, source="ceremony", g2_words=srs.CEREMONY_G2_WORDS)
    with pytest.raises(ProofRejected, match="false"):
        check_child(child.step(7, 3, 5), child.key, string)


def test_an_aggregate_takes_the_gates_it_took_before(child: Circuit, tmp_path: Path) -> None:
    """An upgrade of the prover changes every aggregate: register circuits and verifiers again."""
    counted = {}
    for children in (1, 2):
        path = tmp_path / f"{children}.json"
        path.write_bytes(Aggregate(child.key, children).circuit())
        counted[str(children)] = toolchain.count_gates(path, timeout=MINUTES)
    golden = Path(__file__).parent / "golden" / "barretenberg_aggregate.json"
    assert {"prover": toolchain.BUILD, "gates": counted} == json.loads(golden.read_text())


# --- one child ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_honest_aggregate_is_accepted_and_each_part_of_it_counts(
    single: Contract, child: Circuit
) -> None:
    proof, inputs = single.prove(single.aggregate.witness([child.step(7, 3, 5)]))
    assert words_of(inputs) == [3, 7, 5, 22]
    assert single.accepts(proof, inputs) < 900_000
    for byte in range(31, len(inputs), 32):
        other = bytearray(inputs)
        other[byte] ^= 1
        assert single.refused(proof, bytes(other)) == SUMCHECK_FAILED
    # The open pairing can't be left out, nor be another than the circuit's.
    assert single.refused(bytes(PAIRING_BYTES) + proof[PAIRING_BYTES:], inputs) == SUMCHECK_FAILED
    for byte in range(31, PAIRING_BYTES, 32):
        moved = bytearray(proof)
        moved[byte] ^= 1
        assert single.refused(bytes(moved), inputs) == SUMCHECK_FAILED


@pytest.mark.slow
def test_an_aggregate_of_a_false_child_is_rejected(single: Contract, child: Circuit) -> None:
    claimed = replace(child.step(7, 3, 5), words=(7, 3, 5, 23))
    proof, inputs = single.prove(single.aggregate.witness([claimed]))
    assert words_of(inputs) == [3, 7, 5, 23]
    assert single.refused(proof, inputs) == SUMCHECK_FAILED


@pytest.mark.slow
def test_an_opening_that_only_the_pairing_tells_is_rejected(
    single: Contract, child: Circuit
) -> None:
    """The aggregate itself is satisfied: the contract's pairing is what checks the child's."""
    false = changed(child.step(7, 3, 5), EVALUATION)
    check_child(false, child.key, child.string)  # bb can't tell under the unsafe string
    proof, inputs = single.prove(single.aggregate.witness([false]))
    assert single.refused(proof, inputs) == SHPLEMINI_FAILED


@pytest.mark.slow
def test_proofs_of_another_circuit_are_rejected(
    single: Contract, child: Circuit, stranger: Circuit
) -> None:
    """With its own key beside it, which the circuit does not take; or under the child's."""
    foreign = stranger.step(7, 3, 5)
    for aggregate in (Aggregate(stranger.key, 1), single.aggregate):
        proof, inputs = single.prove(aggregate.witness([foreign]))
        assert single.refused(proof, inputs) == SUMCHECK_FAILED


# --- two children, and a tree -------------------------------------------------------------------


@pytest.mark.slow
def test_two_blocks_are_accepted_and_must_chain(pair: Contract, child: Circuit) -> None:
    first, second = child.step(7, 3, 5), child.step(8, 22, 4)
    proof, inputs = pair.prove(pair.aggregate.witness([first, second]))
    assert words_of(inputs) == [3, 7, 5, 22, 8, 4, 96]
    assert pair.accepts(proof, inputs) < 900_000
    # A step from elsewhere, said to start where the first one ends.
    elsewhere = child.step(8, 23, 4)
    moved = replace(elsewhere, words=(8, 22, 4, 100))
    proof, inputs = pair.prove(pair.aggregate.witness([first, moved]))
    assert words_of(inputs) == [3, 7, 5, 22, 8, 4, 100]
    assert pair.refused(proof, inputs) == SUMCHECK_FAILED


@pytest.mark.slow
def test_an_aggregate_of_aggregates(folder: Path, pair: Contract, child: Circuit) -> None:
    steps = [child.step(7, 3, 5), child.step(8, 22, 4), child.step(9, 96, 2), child.step(1, 201, 1)]
    halves = [pair.circuit.child(pair.aggregate.witness(steps[at : at + 2])) for at in (0, 2)]
    assert all(len(half.fields) == PROOF_FIELDS for half in halves)
    tree = Contract(folder / "tree", Aggregate(pair.circuit.key, 2, child_blocks=2))
    proof, inputs = tree.prove(tree.aggregate.witness(halves))
    assert words_of(inputs) == [3, 7, 5, 22, 8, 4, 96, 9, 2, 201, 1, 1, 202]
    tree.accepts(proof, inputs)
    # A false step far below: its half's pairing fails, in the tree's contract.
    false = pair.aggregate.witness([steps[0], changed(steps[1], EVALUATION)])
    proof, inputs = tree.prove(tree.aggregate.witness([pair.circuit.child(false), halves[1]]))
    assert tree.refused(proof, inputs) == SHPLEMINI_FAILED
