"""What a run consists of: block proofs, and aggregates that stand for several of them.

At each position an aggregate is taken if there is one that begins there, else the block proof.
The ledger and the auditor both read a run in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from zkdescent.core.errors import ChainOfProofsBroken
from zkdescent.core.records import CircuitRecord, ProofRecord, Role
from zkdescent.verifier.twins.layout import layout_of

LoadProof = Callable[[Role, int], ProofRecord | None]
"""Returns proof number ``index`` of a role, None if there is none; may raise ArtefactError.

The number of an aggregate is that of the first block proof it covers."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Aggregates to submit in the place of block proofs.

    ``load_proof`` gives the aggregate that begins at a position, None if none does.
    """

    circuit: CircuitRecord
    load_proof: Callable[[int], ProofRecord | None]


@dataclass(frozen=True, slots=True)
class BlockClaim:
    """What a piece says of one block of steps: three slots of the proof."""

    context: bytes
    batch: bytes
    state_out: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A proof of the blocks of steps ``first`` to ``stop - 1``."""

    first: int
    circuit: CircuitRecord
    proof: ProofRecord

    @property
    def name(self) -> str:
        """How errors call it."""
        kind = "block proof" if self.circuit.role == "step" else "aggregate"
        return f"{kind} {self.first}"

    @property
    def stop(self) -> int:
        """The position after the last that it covers."""
        return self.first + max(1, self.circuit.blocks)

    def claims(self) -> tuple[bytes, tuple[BlockClaim, ...]]:
        """Return the state in, and what is said of each block, in order.

        Raises:
            ProofRejected: the proof is shorter than its commitments.
        """
        layout = layout_of(self.circuit.backend, self.circuit.role, self.circuit.blocks)
        slots = layout.split(self.proof.proof)
        blocks = (
            BlockClaim(slots[b.context], slots[b.batch], slots[b.state_out]) for b in layout.blocks
        )
        return slots[layout.state_in], tuple(blocks)


def pieces(
    step: CircuitRecord, aggregate: CircuitRecord | None, load_proof: LoadProof, total: int
) -> Iterator[Piece]:
    """Return the pieces that cover the positions 0 to ``total - 1``, in order.

    Raises:
        ChainOfProofsBroken: a proof is missing, or an aggregate reaches past the end.
    """
    position = 0
    while position < total:
        piece = _piece(step, aggregate, load_proof, position)
        if piece.stop > total:
            raise ChainOfProofsBroken(
                "an aggregate reaches past the end of the run",
                expected=total,
                got=piece.stop,
                path=piece.name,
            )
        yield piece
        position = piece.stop


def submitted_pieces(
    circuit: CircuitRecord,
    load_proof: Callable[[int], ProofRecord],
    aggregates: Aggregates | None,
    total: int,
) -> Iterator[Piece]:
    """Return the pieces of a run as a client has them: block proofs, and aggregates if any."""

    def load(role: Role, index: int) -> ProofRecord | None:
        if role == "step":
            return load_proof(index)
        return None if aggregates is None else aggregates.load_proof(index)

    return pieces(circuit, None if aggregates is None else aggregates.circuit, load, total)


def grouped(run: Iterable[Piece], per_transaction: int) -> Iterator[list[Piece]]:
    """Return what shares a transaction: one aggregate, or up to that many block proofs in a row."""
    group: list[Piece] = []
    for piece in run:
        if group and (piece.circuit.role == "aggregate" or len(group) == per_transaction):
            yield group
            group = []
        group.append(piece)
        if piece.circuit.role == "aggregate":
            yield group
            group = []
    if group:
        yield group


def _piece(
    step: CircuitRecord, aggregate: CircuitRecord | None, load_proof: LoadProof, position: int
) -> Piece:
    if aggregate is not None:
        several = load_proof("aggregate", position)
        if several is not None:
            return Piece(position, aggregate, several)
    block = load_proof("step", position)
    if block is None:
        raise ChainOfProofsBroken(
            "a proof is missing",
            path=f"block proof {position}",
            hint="publish the whole run, or prove the missing part",
        )
    return Piece(position, step, block)
