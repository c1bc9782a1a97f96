"""What circuits cost with Barretenberg, before any setup: fitted to measured proofs.

Seconds and memory grow with the gates, whatever power of two holds them; gas with its logarithm.
Figures are of two idle cores of the reference machine (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

from zkdescent.circuits.barretenberg.cost import LARGEST, estimate
from zkdescent.circuits.program import Program
from zkdescent.circuits.tuner.costs import CircuitCost, Demand
from zkdescent.verifier.twins.layout import honk_proof_bytes

_SPARE = 5  # rows that bb adds to the gates
_SECONDS, _SECONDS_PER_GATE = 0.25, 2.05e-5
_SETUP, _SETUP_PER_GATE = 5.0, 1.6e-5
_MEMORY, _MEMORY_PER_GATE = 14.0, 1.43e-3
_OPEN_SECONDS = 0.89  # without zero knowledge, of the time with it
_GAS, _GAS_PER_LEVEL, _GAS_PER_INPUT = 480_000, 24_500, 800
_HIDING_GAS = 85_000
_WORDS = 4


@dataclass(frozen=True, slots=True)
class HonkModel:
    """Implements `tuner.costs.CostModel`; every circuit has the size it needs."""

    zero_knowledge: bool = True

    def demand(self, program: Program, size: int, *, public_output: bool = False) -> Demand:
        """Gates; a program without context is the range circuit, which this prover has not."""
        if "context" not in program.inputs:
            return Demand(rows=0, tensors=(), tables=0)
        values = program.nodes[program.output].size if public_output else 0
        return Demand(rows=estimate(program), tensors=(), tables=0, public_values=values)

    def obstacle(self, demand: Demand, size: int) -> str | None:
        """More rows than are offered."""
        if demand.rows + _SPARE <= 1 << LARGEST:
            return None
        return f"{demand.rows:,.0f} gates, at most {1 << LARGEST:,} are offered"

    def cost(self, demand: Demand, size: int) -> CircuitCost:
        """Figures by the number of rows; nothing for the circuit that is not there."""
        if demand.rows == 0:
            return CircuitCost(1, 0.0, 0.0, 0.0, 0.0, 0, 0)
        level = max(12, ceil(log2(demand.rows + _SPARE)))
        inputs = _WORDS + demand.public_values
        return CircuitCost(
            blocks=1,
            seconds=(1.0 if self.zero_knowledge else _OPEN_SECONDS)
            * (_SECONDS + _SECONDS_PER_GATE * demand.rows),
            setup_seconds=_SETUP + _SETUP_PER_GATE * demand.rows,
            peak_memory_mb=_MEMORY + _MEMORY_PER_GATE * demand.rows,
            proving_key_mb=0.0,
            proof_bytes=32 * inputs + honk_proof_bytes(level, self.zero_knowledge),
            gas=_GAS
            + _GAS_PER_LEVEL * level
            + _GAS_PER_INPUT * inputs
            - (0 if self.zero_knowledge else _HIDING_GAS),
            logrows=level,
        )
