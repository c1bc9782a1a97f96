"""zkdescent on Barretenberg: circuits that just fill a power of two of rows, built and measured."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.barretenberg import srs
from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.barretenberg.cost import estimate
from zkdescent.circuits.barretenberg.toolchain import count_gates
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.errors import ProverError
from zkdescent.pipeline.benchmark._cases import FASTEST, LEAST_GAS, Case
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark._gas import GasMeter
from zkdescent.pipeline.benchmark._ours import (
    CONTEXT,
    OwnCircuit,
    TracedCase,
    build_step,
    real_parameters,
    trace_case,
)
from zkdescent.pipeline.benchmark._timing import Timed, worst
from zkdescent.pipeline.benchmark.results import OURS, Measurement

BACKEND = "barretenberg"

CELLS_PER_GATE = 4
"""Wires of a gate of UltraHonk."""

_BUILDS = 3
_GATES_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Filling:
    """So many steps in a circuit of 2**level rows.

    Attributes:
        gates: by the estimate.
    """

    level: int
    steps: int
    gates: float

    @property
    def gates_per_step(self) -> float:
        """What a step pays for: rows that are left over cost next to nothing."""
        return self.gates / self.steps


@dataclass(frozen=True, slots=True)
class HonkCircuit:
    """A circuit of Barretenberg with keys.

    Attributes:
        gates: as bb counts them.
        circuit_seconds: to trace, lower and emit one step.
    """

    label: str
    traced: TracedCase
    circuit: OwnCircuit
    gates: int
    circuit_seconds: float


def fill(traced: TracedCase, level: int) -> Filling | None:
    """The most steps that 2**level rows hold by the estimate; None if they hold none."""
    steps = range(1, int((1 << level) / _gates_per_step(traced)) + 2)
    most = bisect_left(steps, True, key=lambda k: not _holds(level, _estimated(traced, k)))
    return Filling(level, most, _estimated(traced, most)) if most else None


def choose(traced: TracedCase) -> list[tuple[str, Filling]]:
    """For seconds the level with the fewest gates per step, for gas the largest; one if they agree.

    Raises:
        ProverError: the largest level does not hold a step.
    """
    levels = traced.case.levels
    fillings = [filling for level in levels if (filling := fill(traced, level)) is not None]
    if not fillings:
        raise ProverError(
            f"no step of {traced.case.name} fits 2^{levels[-1]} rows",
            expected=f"at most {1 << levels[-1]:,} gates",
            got=round(_estimated(traced, 1)),
            hint="use a larger level",
        )
    fastest, cheapest = min(fillings, key=lambda f: f.gates_per_step), fillings[-1]
    if fastest == cheapest:
        return [("", fastest)]
    return [(FASTEST, fastest), (LEAST_GAS, cheapest)]


def build_honk(
    case: Case, directory: Path, *, quick: bool, zero_knowledge: bool = True
) -> list[HonkCircuit]:
    """Build the circuits of a case, the fastest first.

    Args:
        quick: the first alone.
        zero_knowledge: whether proofs hide all but their public inputs.

    Raises:
        ProverError: no circuit holds a step, or bb failed.
    """
    started = time.perf_counter()
    traced = trace_case(case, make_backend(BACKEND, zero_knowledge=zero_knowledge), 0)
    emit(traced.step_request(1).program, case.arithmetic, public_output=False)
    circuit_seconds = time.perf_counter() - started
    chosen = choose(traced)[: 1 if quick else None]
    built = []
    for number, (name, filling) in enumerate(chosen):
        circuit, gates = _built(traced, filling, directory / str(number))
        label = f"{OURS} on {BACKEND}, {name}" if name else f"{OURS} on {BACKEND}"
        label += "" if zero_knowledge else ", no zero knowledge"
        built.append(HonkCircuit(label, traced, circuit, gates, circuit_seconds))
    return built


def measured_honk(
    built: HonkCircuit, proofs: Sequence[Timed[Proof]], meter: GasMeter
) -> Measurement:
    """Figures of proofs that were made, the best of which is verified on the chain."""
    best = min((t.proof for t in proofs), key=lambda p: p.seconds)
    case, circuit = built.traced.case, built.circuit
    steps = circuit.record.steps_per_proof
    parameters, seconds = built.traced.layout.parameter_size, best.seconds / steps
    gas = meter.generated(circuit.record, circuit.locate, CONTEXT, best)
    rows = built.gates / steps
    return Measurement(
        case=case.name,
        system=built.label,
        seconds_per_step=seconds,
        cpu_seconds_per_step=min(t.cpu_seconds for t in proofs) / steps,
        gas_per_step=gas.verifier / steps,
        gas_per_step_dedicated=gas.verifier / steps,
        gas_per_step_gateway=gas.gateway / steps,
        key_mb=circuit.key_bytes / 1e6,
        peak_memory_mb=max(t.proof.peak_memory_mb for t in proofs),
        proof_bytes=len(best.proof),
        rows_per_step=rows,
        rows_per_parameter=rows / parameters,
        cells_per_parameter=CELLS_PER_GATE * rows / parameters,
        parameters=parameters,
        samples_per_second_x_parameters=case.batch_size / seconds * parameters,
        setup_seconds=circuit.setup_seconds,
        steps_per_proof=steps,
        logrows=circuit.record.logrows,
        verify_seconds=best.verify_seconds,
        worst_error=worst(
            real_parameters(circuit), train_float(case.module(), case.batches(steps))
        ),
        backend=BACKEND,
        checks_ranges=True,
        circuit_seconds=built.circuit_seconds,
    )


def _built(traced: TracedCase, filling: Filling, directory: Path) -> tuple[OwnCircuit, int]:
    """Build with the estimate's steps, and again with fewer or more if bb counts otherwise."""
    srs.select(1 << filling.level)  # not counted in setup: users of any system download theirs
    steps, best = filling.steps, None
    too_many: int | None = None
    for number in range(_BUILDS):
        folder = directory / str(number)
        folder.mkdir(parents=True)
        circuit = build_step(traced, steps, folder)
        gates = count_gates(
            circuit.locate(circuit.record.objects["circuit"]), timeout=_GATES_TIMEOUT_S
        )
        if circuit.record.logrows > filling.level:
            too_many = steps
        else:
            best = circuit, gates
        # The estimate errs by a factor; gates grow by the same number with each step.
        per_step = _gates_per_step(traced) * gates / _estimated(traced, steps)
        wanted = steps + math.floor(((1 << filling.level) - gates - 1) / per_step)
        if too_many is not None:
            wanted = min(wanted, too_many - 1)
        if wanted < 1 or wanted == steps or (best is not None and wanted <= steps):
            break
        steps = wanted
    if best is None:
        raise ProverError(
            f"the steps of {traced.case.name} do not fit the circuit that was chosen for them",
            expected=f"2^{filling.level} rows",
            got=f"2^{circuit.record.logrows}",
            hint="the estimate of gates is wrong for this model; please report this",
        )
    return best


def _estimated(traced: TracedCase, steps: int) -> float:
    return estimate(traced.step_request(steps).program, traced.case.arithmetic)


def _gates_per_step(traced: TracedCase) -> float:
    """What a further step adds; the first one also pays for tables."""
    return _estimated(traced, 2) - _estimated(traced, 1)


def _holds(level: int, gates: float) -> bool:
    return srs.points_for(math.ceil(gates)) <= 1 << level
