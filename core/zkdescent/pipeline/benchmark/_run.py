"""One run over all cases: what is compared with what, and what is written."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zkdescent.core.errors import ConfigError, ToolMissing
from zkdescent.pipeline.benchmark.results import (
    HEADLINE_EPOCHS,
    BenchmarkResult,
    Measurement,
    Ratio,
)
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark._measure import Findings
    from zkdescent.pipeline.benchmark.circom import CircomMeasurement

EPOCHS = (HEADLINE_EPOCHS, 1)
"""Assumed passes over the data: a batch block's one range proof is shared by all of them."""

CIRCOM_STEPS = 16
"""Steps per proof of the circom circuit."""

BACKENDS = ("ezkl", "barretenberg")
"""Provers of zkdescent's side; the peer is measured in every run."""

JSON, PNG, GROWTH_PNG, HONK_PNG = "bench.json", "bench.png", "growth.png", "growth-barretenberg.png"


def run_benchmark(
    report: Reporter, *, quick: bool, out: Path | None, backends: Sequence[str] = BACKENDS
) -> BenchmarkResult:
    """Measure ezkl as documented and zkdescent on the same steps, on this machine, in this run.

    Args:
        quick: the linear step only, one proof of each circuit, the smallest points of growth.
        out: directory for `bench.json`, `bench.png`, `growth.png` and `growth-barretenberg.png`;
            made if absent.
        backends: provers of zkdescent's side.

    Raises:
        ConfigError: there is no such prover, or none is named.
        ToolMissing: torch, a prover or (with `out`) matplotlib is not installed.
        ProverError, ContractRejected: a system failed; nothing is reported then.
    """
    from zkdescent.verifier import Chain

    if not backends or not set(backends) <= set(BACKENDS):
        raise ConfigError(
            "the benchmark has no such prover", expected=list(BACKENDS), got=list(backends)
        )
    try:
        from zkdescent.pipeline.benchmark._cases import CASES, LARGE
        from zkdescent.pipeline.benchmark._gas import GasMeter
        from zkdescent.pipeline.benchmark._growth import measure_growth, planned
        from zkdescent.pipeline.benchmark._honk_growth import measure_honk_growth, planned_honk
        from zkdescent.pipeline.benchmark._measure import measure, measure_large, stages
        from zkdescent.pipeline.benchmark._notes import notes
        from zkdescent.pipeline.benchmark._whole_run import STEPS, measure_whole_run
    except ImportError as error:
        raise ToolMissing(
            f"{error.name} is not installed", hint="pip install 'zkdescent[all]'"
        ) from error
    if "barretenberg" in backends:
        require_barretenberg()
    machine = _machine()
    found: list[Findings] = []
    with Chain.tester() as chain:
        meter = GasMeter(chain)
        for case in CASES[:1] if quick else CASES:
            progress = _Progress(report, case.name, stages(case, quick, backends))
            found.append(measure(case, meter, progress, quick=quick, backends=backends))
        if "barretenberg" in backends and not quick:
            found.append(measure_large(LARGE, meter, _Progress(report, LARGE.name, 3)))
        circom, why_no_circom = _circom(report, quick=quick)
        points = planned() if "ezkl" in backends and not quick else []
        growth = measure_growth(meter, _Progress(report, "growth", len(points)), points)
    ours = planned_honk(quick=quick) if "barretenberg" in backends else []
    progress = _Progress(report, "growth on barretenberg", len(ours))
    honk_growth = measure_honk_growth(progress, ours)
    lengths = STEPS if "barretenberg" in backends and not quick else ()
    progress = _Progress(report, "whole runs", 2 * len(lengths))
    whole_runs = tuple(measure_whole_run(steps, progress) for steps in lengths)
    if "barretenberg" in backends:
        machine["packages"]["bb"] = _bb_version()
    machine["load_average_after"] = _load()
    measurements, ratios = compare(found, circom)
    result = BenchmarkResult(
        measurements=measurements,
        ratios=ratios,
        range_proofs=tuple(pair.range for case in found for pair in case.ours),
        growth=growth,
        honk_growth=honk_growth,
        whole_runs=whole_runs,
        circom=circom,
        machine=machine,
        notes=notes(
            found,
            growth,
            honk_growth,
            circom,
            machine=machine,
            epochs=EPOCHS,
            has_compiler=meter.has_compiler,
            why_no_circom=why_no_circom,
        ),
    )
    if out is not None:
        _write(result, out)
    for note in result.notes:
        report.note(note)
    return result


def compare(
    found: list[Findings], circom: CircomMeasurement | None
) -> tuple[tuple[Measurement, ...], tuple[Ratio, ...]]:
    """All measurements, with range proofs shared in and not, and their ratios."""
    from zkdescent.pipeline.benchmark._measure import with_range_proof
    from zkdescent.pipeline.benchmark._ratios import circom_ratios, headlines, ratios_of

    measurements: list[Measurement] = []
    first: list[Ratio] = []
    rest: list[Ratio] = []
    for case in found:
        ours = [
            one
            for pair in case.ours
            for one in (
                pair.step,
                *(with_range_proof(pair.step, pair.range, epochs) for epochs in EPOCHS),
            )
        ]
        ours += case.honk
        if case.peer is not None:
            measurements.append(case.peer)
            first += headlines(case.peer, ours)
            rest += [ratio for one in ours for ratio in ratios_of(case.peer, one)]
        measurements += ours
        if circom is not None:
            rest += circom_ratios(circom, ours)
    return tuple(measurements), (*first, *rest)


def require_barretenberg() -> None:
    """Find bb and the compiler of its verifiers before anything is measured.

    Raises:
        ToolMissing: one of them is not installed, or another version.
    """
    from zkdescent.circuits.barretenberg import toolchain
    from zkdescent.circuits.solc import find_compiler

    try:
        toolchain.find()
        find_compiler()
    except ToolMissing as error:
        raise ToolMissing(
            f"the benchmark measures barretenberg too: {error.message}",
            expected=error.expected,
            got=error.got,
            path=error.path,
            hint=f"{error.hint}; or measure without it: `zkdescent bench --backends ezkl`",
        ) from error


class _Progress:
    """Counts what a case has finished."""

    def __init__(self, report: Reporter, task: str, total: int) -> None:
        self._report, self._task, self._done = report, task, 0
        if total:
            report.start(task, total)

    def __call__(self, detail: str) -> None:
        self._done += 1
        self._report.advance(self._task, self._done, detail)


def _circom(report: Reporter, *, quick: bool) -> tuple[CircomMeasurement | None, str | None]:
    """Its figures, or why there are none: Node.js is not among what a user must have."""
    from zkdescent.pipeline.benchmark.circom import measure_circom

    progress = _Progress(report, "circom", 1)
    try:
        measured = measure_circom(CIRCOM_STEPS, proofs=1 if quick else 2)
    except ToolMissing as error:
        progress("not installed")
        return None, str(error)
    progress("proofs")
    return measured, None


def _write(result: BenchmarkResult, out: Path) -> None:
    from zkdescent.pipeline.benchmark._plot import plot_benchmark
    from zkdescent.pipeline.benchmark._plot_growth import plot_growth, plot_honk_growth

    pictures = {PNG: plot_benchmark(result)}
    if result.growth:
        pictures[GROWTH_PNG] = plot_growth(result.growth)
    if result.honk_growth:
        pictures[HONK_PNG] = plot_honk_growth(result.honk_growth)
    out.mkdir(parents=True, exist_ok=True)
    (out / JSON).write_text(json.dumps(result.to_json(), indent=2) + "\n")
    for name, picture in pictures.items():
        (out / name).write_bytes(picture)


def _machine() -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine or its user."""
    return {
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "load_average_before": _load(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("ezkl", "torch", "py-evm", "zkdescent")},
    }


def _bb_version() -> str:
    from zkdescent.circuits.barretenberg import toolchain

    return toolchain.BUILD


def _load() -> list[float] | None:
    """Jobs that wanted a processor, over 1, 5 and 15 minutes."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None
