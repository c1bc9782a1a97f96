"""What a circuit demands of a prover, and what that costs: the border to a prover's cost model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from zkdescent.circuits.program import Program


@dataclass(frozen=True, slots=True)
class Demand:
    """What one circuit asks of a circuit size.

    Attributes:
        rows: in the unit of `ProofSystem.cost`.
        tensors: committed tensors, (name, elements), in the order of the proof.
        tables: different functions that are looked up.
        public_values: field elements that the verifier is given.
        obstacle: why no circuit of this size holds it; empty if nothing is too wide.
    """

    rows: float
    tensors: tuple[tuple[str, int], ...]
    tables: int
    public_values: int = 0
    obstacle: str = ""

    def repeated(self, twice: Demand, steps: int) -> Demand:
        """Demand of `steps` update steps, from those of one (self) and of two: it is linear."""
        tensors = tuple(
            (name, one + (steps - 1) * (two - one))
            for (name, one), (_, two) in zip(self.tensors, twice.tensors, strict=True)
        )
        rows = self.rows + (steps - 1) * (twice.rows - self.rows)
        return replace(self, rows=rows, tensors=tensors)


@dataclass(frozen=True, slots=True)
class CircuitCost:
    """What one circuit costs.

    Attributes:
        blocks: blocks of columns.
        seconds: witness and proof, on the reference machine.
        setup_seconds: compiling and making keys, once.
        peak_memory_mb: of the proving process, mebibytes.
        proving_key_mb: on disk, megabytes (10**6 bytes).
        gas: a transaction that verifies one proof with the verifier for all circuits.
        logrows: log2 of its rows.
    """

    blocks: int
    seconds: float
    setup_seconds: float
    peak_memory_mb: float
    proving_key_mb: float
    proof_bytes: int
    gas: int
    logrows: int = 0


class CostModel(Protocol):
    """A prover's figures, before any setup."""

    def demand(self, program: Program, size: int, *, public_output: bool = False) -> Demand:
        """What a program asks of a circuit of this size."""

    def obstacle(self, demand: Demand, size: int) -> str | None:
        """Why a circuit of this size can't hold the demand; None if it can."""

    def cost(self, demand: Demand, size: int) -> CircuitCost:
        """What a circuit that can be held costs."""
