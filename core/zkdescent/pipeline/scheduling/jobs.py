"""One proof to make, as it goes to a worker, and what comes back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.errors import ZkDescentError
from zkdescent.core.records import CircuitRecord


@dataclass(frozen=True, eq=False)
class ProofJob:
    """A proof whose statement is known before it is made.

    Attributes:
        index: as in `ProofRecord`.
        context: the proof's own, 0 for range proofs and aggregates.
        expected: commitments at the front of the proof; None: not compared, or the context.
        inputs: of each block of steps, in the order of the program's inputs; one block but for
            aggregates.
        output: what the reference executor says; None: not compared.
        step: the circuit of an aggregate's blocks.
    """

    circuit: CircuitRecord
    index: int
    context: int
    expected: tuple[bytes | None, ...]
    inputs: tuple[tuple[IntegerArray, ...], ...]
    output: IntegerArray | None = None
    step: CircuitRecord | None = None

    @property
    def title(self) -> str:
        """How people call it: "block proof 7"."""
        role = self.circuit.role
        return f"{'block' if role == 'step' else role} proof {self.index}"

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of all objects that proving it may read, sorted."""
        circuits = (self.circuit,) if self.step is None else (self.circuit, self.step)
        return tuple(sorted({digest for c in circuits for digest in c.objects.values()}))


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know besides the job.

    Attributes:
        salt: the project's secret; goes to the workers and nowhere else.
        threads: how many a proof may use; None: as many as there are cores.
        objects: folder of the keys and circuits, each under its sha256.
    """

    backend: str
    zero_knowledge: bool
    salt: int = field(repr=False)
    threads: int | None
    objects: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A proof, already verified by whoever made it, or why there is none.

    Attributes:
        digest: sha256 of the proof, taken where it was verified; see `intact`.
        worker: host and process.
        resident_mb: peak resident memory of the worker itself, without the prover's.
        seconds: wall-clock time in the worker, everything included.
    """

    proof: Proof | None
    error: ZkDescentError | None
    digest: str
    worker: str
    resident_mb: float
    seconds: float

    @property
    def intact(self) -> bool:
        """Whether these are the bytes that were verified where they were made."""
        return self.proof is not None and digest_of(self.proof) == self.digest


def digest_of(proof: Proof) -> str:
    """sha256 of a proof with its public values, 64 hex digits."""
    digest = hashlib.sha256(proof.proof)
    for value in proof.public_values:
        digest.update(value.to_bytes(32, "big"))
    return digest.hexdigest()
