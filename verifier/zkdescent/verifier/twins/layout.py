"""Where the committed tensors stand at the front of a proof (twin of the contracts' layouts).

An ezkl proof begins with one G1 point per committed tensor, 64 bytes each, inputs first, then
outputs. A proof of barretenberg is stored as 32-byte words and then bb's own proof: the words are
the proof's first public inputs. :func:`layout_of` says which tensor is where.

Aggregate of n block proofs: state in, then n times (context, batch block, state out).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import Role

POINT_BYTES = 64
WORD_BYTES = 32


class StepSlot(IntEnum):
    """The committed tensors at the front of a step proof, in order (enum StepSlot).

    Hints are the quotients and digits that the prover supplies and the circuit checks; nobody
    reads their slot.
    """

    CONTEXT = 0
    STATE_IN = 1
    BATCH = 2
    HINTS = 3
    STATE_OUT = 4


class RangeSlot(IntEnum):
    """The same for a range proof (enum RangeSlot); only the first two are read."""

    STATE = 0
    BATCH = 1
    HINTS = 2
    OUT = 3


class InferenceSlot(IntEnum):
    """The same for an inference proof (enum InferenceSlot); only the first two are read."""

    CONTEXT = 0
    STATE = 1
    FEATURES = 2
    HINTS = 3


class StepWord(IntEnum):
    """The words at the front of an UltraHonk step proof, in order (enum StepWord)."""

    CONTEXT = 0
    STATE_IN = 1
    BATCH = 2
    STATE_OUT = 3


class InferenceWord(IntEnum):
    """The same for an UltraHonk inference proof (enum InferenceWord)."""

    CONTEXT = 0
    STATE = 1


class AggregateWord(IntEnum):
    """The same for an aggregate of n block proofs: state in, then n times the rest."""

    STATE_IN = 0
    CONTEXT = 1
    BATCH = 2
    STATE_OUT = 3


Slot = StepSlot | RangeSlot | InferenceSlot | StepWord | InferenceWord
_WORDS_PER_BLOCK = len(AggregateWord) - 1


@dataclass(frozen=True, slots=True)
class BlockSlots:
    """Where a proof holds the context, the batch block and the state out of one block of steps."""

    context: int
    batch: int
    state_out: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the committed tensors of a proof stand; slots are numbered from its first byte.

    Attributes:
        size: bytes of a slot, 64 for ezkl's points and 32 for words.
        slots: how many there are.
        state_in: slot of the state the proof starts from (of a range proof, the genesis).
        context: slot of the one context; None in range proofs and aggregates.
        batch: slot of the one batch block, of step and range proofs.
        blocks: the blocks of steps proven, in order: one in a step proof, n in an aggregate.
    """

    size: int
    slots: int
    state_in: int
    context: int | None = None
    batch: int | None = None
    blocks: tuple[BlockSlots, ...] = ()

    def split(self, proof: bytes) -> tuple[bytes, ...]:
        """Return the committed tensors of a proof, ``size`` bytes each.

        Raises:
            ProofRejected: the proof is shorter than its commitments.
        """
        return split_proof(proof, self.slots, size=self.size)

    def read(self, proof: bytes, slot: int) -> bytes:
        """Return one committed tensor of a proof; raises as :meth:`split`."""
        return self.split(proof)[slot]

    @property
    def front(self) -> int:
        """Bytes of a proof before the prover's own."""
        return self.size * self.slots


_POINTS: dict[Role, Layout] = {
    "step": Layout(
        size=POINT_BYTES,
        slots=len(StepSlot),
        state_in=StepSlot.STATE_IN,
        context=StepSlot.CONTEXT,
        batch=StepSlot.BATCH,
        blocks=(BlockSlots(StepSlot.CONTEXT, StepSlot.BATCH, StepSlot.STATE_OUT),),
    ),
    "range": Layout(
        size=POINT_BYTES, slots=len(RangeSlot), state_in=RangeSlot.STATE, batch=RangeSlot.BATCH
    ),
    "inference": Layout(
        size=POINT_BYTES,
        slots=len(InferenceSlot),
        state_in=InferenceSlot.STATE,
        context=InferenceSlot.CONTEXT,
    ),
}
_WORDS: dict[Role, Layout] = {
    "step": Layout(
        size=WORD_BYTES,
        slots=len(StepWord),
        state_in=StepWord.STATE_IN,
        context=StepWord.CONTEXT,
        batch=StepWord.BATCH,
        blocks=(BlockSlots(StepWord.CONTEXT, StepWord.BATCH, StepWord.STATE_OUT),),
    ),
    "inference": Layout(
        size=WORD_BYTES,
        slots=len(InferenceWord),
        state_in=InferenceWord.STATE,
        context=InferenceWord.CONTEXT,
    ),
}
_FAMILIES = {
    "ezkl": _POINTS,
    "ezkl-reusable": _POINTS,
    "ezkl-dedicated": _POINTS,
    "barretenberg": _WORDS,
    "ultra-honk": _WORDS,
}


def layout_of(prover: str, role: Role, blocks: int = 0) -> Layout:
    """Return where the proofs of a circuit hold their committed tensors.

    Args:
        prover: a circuit's backend (``ezkl``, ``barretenberg``) or a registration's prover.
        role: the circuit's role.
        blocks: how many block proofs an aggregate covers.

    Raises:
        ProofRejected: the prover has no circuits of this role.
    """
    family = _FAMILIES.get(prover)
    if family is _WORDS and role == "aggregate" and blocks > 0:
        return Layout(
            size=WORD_BYTES,
            slots=1 + _WORDS_PER_BLOCK * blocks,
            state_in=AggregateWord.STATE_IN,
            blocks=tuple(
                BlockSlots(
                    AggregateWord.CONTEXT + start,
                    AggregateWord.BATCH + start,
                    AggregateWord.STATE_OUT + start,
                )
                for start in range(0, _WORDS_PER_BLOCK * blocks, _WORDS_PER_BLOCK)
            ),
        )
    if family is None or role not in family:
        raise ProofRejected(
            "no proofs of this kind are known",
            expected={name: sorted(roles) for name, roles in _FAMILIES.items()},
            got=(prover, role, blocks),
        )
    return family[role]


def honk_proof_bytes(level: int, zero_knowledge: bool) -> int:
    """Length of what bb made of a proof, without its words, for a circuit of 2**level rows."""
    return WORD_BYTES * (82 + 12 * level if zero_knowledge else 67 + 11 * level)


def split_proof(proof: bytes, slots: int, *, size: int = POINT_BYTES) -> tuple[bytes, ...]:
    """Return the first ``slots`` commitments of a proof, ``size`` bytes each.

    Raises:
        ProofRejected: the proof is shorter than its commitments.
    """
    if len(proof) < slots * size:
        raise ProofRejected(
            "proof is shorter than its commitments",
            expected=f">= {slots * size} bytes",
            got=len(proof),
        )
    return tuple(proof[i * size : (i + 1) * size] for i in range(slots))


def read_slot(proof: bytes, slot: Slot) -> bytes:
    """Return one commitment of a proof of the slot's prover and role.

    Raises:
        ProofRejected: the proof is shorter than the commitments of its role, also where the
            slot itself would be there.
    """
    size = WORD_BYTES if isinstance(slot, StepWord | InferenceWord) else POINT_BYTES
    return split_proof(proof, len(type(slot)), size=size)[slot]
