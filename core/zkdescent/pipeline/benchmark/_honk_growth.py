"""How a step on Barretenberg grows with parameters and batch, with Freivalds' check and without.

Every circuit is emitted, which gives its gates. Those of up to 2**LARGEST_PROVEN rows are proven;
the seconds and memory of the rest are the cost model's, its seconds scaled to this machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zkdescent.circuits.barretenberg import srs, toolchain
from zkdescent.circuits.barretenberg.backend import BarretenbergBackend
from zkdescent.circuits.barretenberg.circuits import EmittedCircuit, emit
from zkdescent.circuits.barretenberg.cost import FIXED_GATES
from zkdescent.circuits.barretenberg.model import HonkModel
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.proof_system import Proof
from zkdescent.circuits.tuner.costs import Demand
from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.benchmark._cases import Case, mlp_case
from zkdescent.pipeline.benchmark._growth import speed
from zkdescent.pipeline.benchmark._ours import (
    TracedCase,
    digest_of,
    step_inputs,
    trace_case,
)
from zkdescent.pipeline.benchmark.results import HonkPoint

PARAMETERS, BATCH = "parameters", "batch size"

WIDTHS = (9, 16, 31, 54, 99, 172)
"""Features and hidden units of an MLP w-w-1: w * (w + 2) + 1 parameters, 100 to 29,929."""

BATCHES = (1, 4, 16, 64, 256)
BATCH_WIDTH = 31
"""1,024 parameters."""

LARGEST_PROVEN = 20
"""log2 of rows up to which circuits are proven: tens of seconds."""

_PROOFS = 2
_LONG = 18
"""log2 of rows from which on a point is proven once: ten seconds and more hide small jolts."""
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class PlannedHonk:
    """A point to be found: `axis` is what grows."""

    axis: str
    case: Case
    freivalds: bool


def planned_honk(*, quick: bool) -> list[PlannedHonk]:
    """All points, those of a family in ascending order; `quick`: the first of each family."""
    widths, batches = (WIDTHS[:1], BATCHES[:1]) if quick else (WIDTHS, BATCHES)
    return [
        PlannedHonk(axis, case, freivalds)
        for axis, cases in (
            (PARAMETERS, [mlp_case(width, width) for width in widths]),
            (BATCH, [mlp_case(BATCH_WIDTH, BATCH_WIDTH, size) for size in batches]),
        )
        for freivalds in (True, False)
        for case in cases
    ]


def measure_honk_growth(
    progress: Callable[[str], None],
    points: Sequence[PlannedHonk],
    *,
    largest_proven: int = LARGEST_PROVEN,
) -> tuple[HonkPoint, ...]:
    """Emit all circuits, prove those that are small enough, estimate the rest.

    Args:
        progress: told of each point.

    Raises:
        ProverError: a proof could not be made or does not verify.
    """
    found = []
    backend = BarretenbergBackend(int)
    for point in points:
        found.append(_point(point, backend, largest_proven))
        progress(f"{found[-1].family}, {found[-1].x:,}")
    factor = speed(found)
    return tuple(
        replace(
            p,
            seconds_per_step=p.seconds_per_step if p.measured else p.seconds_per_step * factor,
            model_seconds_per_step=p.model_seconds_per_step * factor,
        )
        for p in found
    )


def _point(point: PlannedHonk, backend: BarretenbergBackend, largest_proven: int) -> HonkPoint:
    traced = trace_case(point.case, backend, 0)
    program = traced.step_request(1).program
    started = time.perf_counter()
    emitted = emit(program, point.case.arithmetic, public_output=False, freivalds=point.freivalds)
    emission_seconds = time.perf_counter() - started
    gates = emitted.system.gates + FIXED_GATES
    cost = HonkModel().cost(Demand(rows=gates, tensors=(), tables=0), 0)
    how = "with" if point.freivalds else "without"
    parameters = traced.layout.parameter_size
    estimated = HonkPoint(
        family=f"{point.axis}: {how} Freivalds' check",
        x=parameters if point.axis == PARAMETERS else point.case.batch_size,
        parameters=parameters,
        batch_size=point.case.batch_size,
        freivalds=point.freivalds,
        level=srs.points_for(round(gates)).bit_length() - 1,
        gates=gates,
        measured=False,
        seconds_per_step=cost.seconds,
        model_seconds_per_step=cost.seconds,
        peak_memory_mb=cost.peak_memory_mb,
        emission_seconds=emission_seconds,
    )
    if estimated.level > largest_proven:
        return estimated
    return _proven(estimated, traced, emitted, backend)


def _proven(
    estimated: HonkPoint, traced: TracedCase, emitted: EmittedCircuit, backend: BarretenbergBackend
) -> HonkPoint:
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        circuit = Path(scratch) / "circuit"
        circuit.write_bytes(emitted.system.bytecode())
        gates = toolchain.count_gates(circuit, timeout=_TIMEOUT_S)
        points = srs.points_for(gates)
        arguments: list[str | Path] = [
            "write_vk", "-b", circuit, "-o", scratch, "-t", "evm",
            "-c", srs.select(points).directory,
        ]  # fmt: skip
        toolchain.run(arguments, timeout=_TIMEOUT_S)
        objects = {"circuit": circuit, "vk": Path(scratch) / "vk"}
        names = {name: digest_of(path) for name, path in objects.items()}
        files = {names[name]: path for name, path in objects.items()}
        record = _record(points.bit_length() - 1, names)
        inputs = step_inputs(traced, 1)
        runs: list[tuple[float, Proof]] = []
        for _ in range(_PROOFS if record.logrows < _LONG else 1):
            started = time.perf_counter()
            witness = emitted.witness(inputs, 0)
            seconds = time.perf_counter() - started
            proof = backend.prove_witness(record, files.__getitem__, witness)
            runs.append((seconds + proof.seconds, proof))
    return replace(
        estimated,
        level=record.logrows,
        gates=float(gates),
        measured=True,
        seconds_per_step=min(seconds for seconds, _ in runs),
        peak_memory_mb=max(proof.peak_memory_mb for _, proof in runs),
    )


def _record(level: int, objects: dict[str, str]) -> CircuitRecord:
    """What proving needs to know of a circuit that nobody verifies on a chain."""
    return CircuitRecord(
        role="step",
        backend=BarretenbergBackend.name,
        vk_sha256=bytes(32),
        vka=(),
        vka_digest=b"",
        proof_length=0,
        public_values=0,
        features=0,
        outputs=0,
        fraction_bits=FixedPoint().fraction_bits,
        steps_per_proof=1,
        logrows=level,
        opening=(0, 0, 0, 0),
        srs="unsafe-local",
        objects=objects,
    )
