"""What the tuner compares: candidates with the cost of a whole run, and why others were refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from zkdescent.circuits.tuner.costs import CircuitCost

Objective = Literal["seconds", "gas", "memory"]
OBJECTIVES: tuple[Objective, ...] = ("seconds", "gas", "memory")


@dataclass(frozen=True, slots=True)
class Job:
    """What has to be proven: `steps` update steps on `rows` rows in batches of `batch_size`."""

    steps: int
    batch_size: int
    rows: int

    @property
    def most_steps(self) -> int:
        """Steps that one batch block can hold before it repeats rows; at least 1."""
        return max(1, self.rows // self.batch_size)

    def range_proofs(self, steps_per_proof: int) -> int:
        """Batch blocks of an epoch, each of which needs one range proof for the whole run."""
        return -(-self.rows // (self.batch_size * steps_per_proof))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine and the contracts bear.

    Attributes:
        memory_mb: memory that a proving process may take, mebibytes.
        gas: most gas that one verifying transaction may take.
    """

    memory_mb: float
    gas: int


@dataclass(frozen=True, slots=True)
class Overheads:
    """Gas on top of verifying: per submitted block proof, per admitted batch block, once a run."""

    submit: int
    admit: int
    run: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One size and one number of steps per proof, with what the whole run then costs."""

    size: int
    steps_per_proof: int
    block_proofs: int
    range_proofs: int
    step: CircuitCost
    range: CircuitCost
    inference: CircuitCost
    rows: float
    overheads: Overheads

    @property
    def circuits(self) -> tuple[CircuitCost, CircuitCost, CircuitCost]:
        """Step, range and inference."""
        return self.step, self.range, self.inference

    @property
    def proving_seconds(self) -> float:
        """All block and range proofs."""
        return self.block_proofs * self.step.seconds + self.range_proofs * self.range.seconds

    @property
    def setup_seconds(self) -> float:
        """Compiling and keys of the three circuits."""
        return sum(circuit.setup_seconds for circuit in self.circuits)

    @property
    def seconds(self) -> float:
        """The whole run, from no keys to the last proof."""
        return self.setup_seconds + self.proving_seconds

    @property
    def gas(self) -> int:
        """The whole run on chain, contracts being there."""
        blocks = self.block_proofs * (self.step.gas + self.overheads.submit)
        admit = self.overheads.admit if self.range.gas else 0
        admitted = self.range_proofs * (self.range.gas + admit)
        return blocks + admitted + self.overheads.run

    @property
    def memory_mb(self) -> float:
        """Largest of the three proving processes, which run one after another."""
        return max(circuit.peak_memory_mb for circuit in self.circuits)

    @property
    def key_mb(self) -> float:
        """Proving keys on disk."""
        return sum(circuit.proving_key_mb for circuit in self.circuits)

    @property
    def steps(self) -> int:
        """Update steps of the run."""
        return self.block_proofs * self.steps_per_proof

    def value(self, objective: Objective) -> float:
        """The figure that an objective makes small."""
        values = {"seconds": self.seconds, "gas": float(self.gas), "memory": self.memory_mb}
        return values[objective]


class Reason(StrEnum):
    """Why a candidate was refused."""

    TOO_WIDE = "a value is too wide"
    COLUMN = "a tensor exceeds a column"
    DATA = "the data is too small"
    MEMORY = "too little memory"
    GAS = "too much gas for one transaction"
    NEEDLESS = "larger than needed"
    BACKEND = "the prover refuses it"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused candidate; `steps_per_proof` is None if the size is refused for any number."""

    size: int
    steps_per_proof: int | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """The outcome of a search.

    Attributes:
        choice: what to build.
        runners_up: all other candidates that could be built, the best first.
        rejected: all candidates that could not, with the reason.
        better: a candidate for another number of steps near the asked one, markedly cheaper per
            step; None if there is none.
    """

    objective: Objective
    choice: Candidate
    runners_up: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    better: Candidate | None
