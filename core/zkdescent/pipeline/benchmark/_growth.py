"""How a step's cost grows with parameters, batch size and steps per proof.

Small circuits are proven; for the rest the backend's cost model says what they would cost. Where
both exist the model's error is known, and its seconds are scaled to this machine by them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.ezkl_backend.model import EzklModel
from zkdescent.circuits.proof_system import ProofSystem
from zkdescent.core.errors import ProverError, RangeOverflow
from zkdescent.pipeline.benchmark._cases import Case, linear_case, mlp_case
from zkdescent.pipeline.benchmark._gas import EvmProof, GasMeter
from zkdescent.pipeline.benchmark._ours import TracedCase, build_step, trace_case
from zkdescent.pipeline.benchmark.results import GrowthPoint

PARAMETERS, BATCH, STEPS = "parameters", "batch size", "steps per proof"

LARGEST_PROVEN = 14
"""logrows up to which points marked so are proven: seconds each, not minutes."""

PROOFS = 2
"""Proofs of each proven circuit, of which the fastest counts."""


class Modelled(Protocol):
    """A point of growth, on any prover."""

    @property
    def measured(self) -> bool:
        """Whether it was proven."""
        ...

    @property
    def seconds_per_step(self) -> float:
        """Of the proof, if there is one."""
        ...

    @property
    def model_seconds_per_step(self) -> float:
        """Of the cost model."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A point to be found.

    Attributes:
        axis: what grows: `PARAMETERS`, `BATCH` or `STEPS`.
        size: logrows; None for the smallest circuit that holds a step.
        steps: per proof; None for what fills one block of columns.
        proven: whether to make the circuit, if it is small enough.
    """

    model: str
    axis: str
    case: Case
    size: int | None = None
    steps: int | None = None
    proven: bool = False


def planned() -> list[Planned]:
    """All points, those of a family in ascending order."""
    points = [
        Planned("linear", PARAMETERS, linear_case(width), proven=width < 300)
        for width in (8, 99, 299, 999, 2999)
    ]
    points += [
        Planned("MLP 8-h-1", PARAMETERS, mlp_case(8, hidden), proven=hidden < 11)
        for hidden in (4, 10, 30, 100, 300)
    ]
    sizes = (1, 2, 4, 8, 16, 32, 64, 128)
    points += [
        Planned("linear 8-1", BATCH, linear_case(8, size), proven=size in (1, 128))
        for size in sizes
    ]
    points += [Planned("MLP 8-8-1", BATCH, mlp_case(8, 8, size)) for size in sizes]
    for logrows, counts in ((12, (1, 3, 6, 9, 14)), (15, (1, 2, 5, 10, 20, 40, 75, 113))):
        points += [
            Planned(
                f"linear 8-1, logrows {logrows}",
                STEPS,
                linear_case(8),
                size=logrows,
                steps=steps,
                proven=logrows == 12,
            )
            for steps in counts
        ]
    return points


def measure_growth(
    meter: GasMeter, progress: Callable[[str], None], points: Sequence[Planned]
) -> tuple[GrowthPoint, ...]:
    """Prove what is small enough and estimate the rest, with seconds scaled to this machine.

    Args:
        progress: told of each point.

    Raises:
        ProverError, ContractRejected: a proof could not be made or is not accepted.
    """
    backend, found = make_backend("ezkl"), []
    for point in points:
        found.append(_point(point, backend, meter))
        progress(f"{point.model}, {point.axis}")
    return scaled(found)


def scaled(points: Sequence[GrowthPoint]) -> tuple[GrowthPoint, ...]:
    """Scale the model's seconds by `speed`; measured figures stay."""
    factor = speed(points)
    return tuple(
        replace(
            p,
            seconds_per_step=p.seconds_per_step if p.measured else p.seconds_per_step * factor,
            model_seconds_per_step=p.model_seconds_per_step * factor,
        )
        for p in points
    )


def speed(points: Sequence[Modelled]) -> float:
    """Geometric mean of measured by modelled seconds; 1 if nothing was measured."""
    logs = [math.log(p.seconds_per_step / p.model_seconds_per_step) for p in points if p.measured]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0


def worst_seconds(points: Sequence[Modelled]) -> float:
    """Largest relative error of the (scaled) model's seconds where there is a proof."""
    proven = [p for p in points if p.measured]
    return max(
        (abs(p.model_seconds_per_step / p.seconds_per_step - 1) for p in proven), default=0.0
    )


def worst_errors(points: Sequence[GrowthPoint]) -> tuple[float, float]:
    """Largest relative errors of the (scaled) model where there is a proof: seconds, gas."""
    proven = [p for p in points if p.measured]
    return (
        worst_seconds(points),
        max((abs(p.model_gas_per_step / p.gas_per_step - 1) for p in proven), default=0.0),
    )


def _point(point: Planned, backend: ProofSystem, meter: GasMeter) -> GrowthPoint:
    traced = _traced(point, backend)
    steps = traced.steps() if point.steps is None else point.steps
    program, model = traced.step_request(steps).program, EzklModel()
    demand = model.demand(program, traced.size)
    obstacle = model.obstacle(demand, traced.size)
    if obstacle is not None:
        raise ProverError(f"no circuit for {point.case.name}, {steps} steps", got=obstacle)
    cost = model.cost(demand, traced.size)
    axes = {PARAMETERS: traced.layout.size, BATCH: point.case.batch_size, STEPS: steps}
    estimated = GrowthPoint(
        family=f"{point.axis}: {point.model}",
        x=axes[point.axis],
        parameters=traced.layout.size,
        batch_size=point.case.batch_size,
        logrows=traced.size,
        blocks=cost.blocks,
        steps_per_proof=steps,
        rows_per_step=demand.rows / steps,
        measured=False,
        seconds_per_step=cost.seconds / steps,
        gas_per_step=cost.gas / steps,
        model_seconds_per_step=cost.seconds / steps,
        model_gas_per_step=cost.gas / steps,
        key_mb=cost.proving_key_mb,
        peak_memory_mb=cost.peak_memory_mb,
    )
    if point.proven and traced.size <= LARGEST_PROVEN:
        return _proven(estimated, traced, meter)
    return estimated


def _traced(point: Planned, backend: ProofSystem) -> TracedCase:
    """Trace at the given size, or at the smallest that holds a step in one block."""
    if point.size is not None:
        return trace_case(point.case, backend, point.size)
    for size in backend.sizes():
        try:
            traced = trace_case(point.case, backend, size)
            traced.steps()
        except (RangeOverflow, ProverError):
            continue
        return traced
    raise ProverError(
        f"no circuit holds a step of {point.case.name}", hint="use fewer parameters or rows"
    )


def _proven(estimated: GrowthPoint, traced: TracedCase, meter: GasMeter) -> GrowthPoint:
    steps = estimated.steps_per_proof
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        circuit = build_step(traced, steps, Path(scratch))
        proofs = [circuit.prove() for _ in range(PROOFS)]
    best = min(proofs, key=lambda p: p.seconds)
    evm = EvmProof(best.proof, best.public_values, circuit.record.vka, circuit.verifier_source)
    return replace(
        estimated,
        measured=True,
        seconds_per_step=best.seconds / steps,
        gas_per_step=meter.reusable(evm) / steps,
        key_mb=circuit.key_bytes / 1e6,
        peak_memory_mb=max(p.peak_memory_mb for p in proofs),
    )
