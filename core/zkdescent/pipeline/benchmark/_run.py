"""One run over all cases: what is compared with what, and under which assumptions."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zkdescent.core.errors import ToolMissing
from zkdescent.pipeline.benchmark.results import BenchmarkResult, Measurement, Ratio, ratios_of
from zkdescent.pipeline.reporting import Reporter

EPOCHS = (5, 1)
"""Assumed passes over the data: a batch block's one range proof is shared by all of them."""

JSON, PNG = "bench.json", "bench.png"


def run_benchmark(report: Reporter, *, quick: bool, out: Path | None) -> BenchmarkResult:
    """Measure ezkl as documented and zkdescent on the same steps, on this machine, in this run.

    Args:
        quick: the linear step only, one proof of each circuit.
        out: directory for `bench.json` and `bench.png`; made if absent.

    Raises:
        ToolMissing: torch, the prover or (with `out`) matplotlib is not installed.
        ProverError, ContractRejected: a system failed; nothing is reported then.
    """
    from zkdescent.verifier import Chain

    try:
        from zkdescent.pipeline.benchmark import _plot
        from zkdescent.pipeline.benchmark._cases import CASES
        from zkdescent.pipeline.benchmark._gas import GasMeter
        from zkdescent.pipeline.benchmark._measure import STAGES, Findings, measure
    except ImportError as error:
        raise ToolMissing(
            f"{error.name} is not installed", hint="pip install 'zkdescent[all]'"
        ) from error
    machine = _machine()
    found: list[Findings] = []
    with Chain.tester() as chain:
        meter = GasMeter(chain)
        for case in CASES[:1] if quick else CASES:
            progress = _Progress(report, case.name, STAGES)
            found.append(measure(case, meter, progress, quick=quick))
    result = _result(found, machine, meter.has_compiler)
    if out is not None:
        picture = _plot.plot_benchmark(result)
        out.mkdir(parents=True, exist_ok=True)
        (out / JSON).write_text(json.dumps(result.to_json(), indent=2) + "\n")
        (out / PNG).write_bytes(picture)
    for note in result.notes:
        report.note(note)
    return result


class _Progress:
    """Counts what a case has finished."""

    def __init__(self, report: Reporter, task: str, total: int) -> None:
        self._report, self._task, self._done = report, task, 0
        report.start(task, total)

    def __call__(self, detail: str) -> None:
        self._done += 1
        self._report.advance(self._task, self._done, detail)


def _result(found: list[Any], machine: dict[str, Any], has_compiler: bool) -> BenchmarkResult:
    from zkdescent.pipeline.benchmark._measure import with_range_proof

    measurements: list[Measurement] = []
    ratios: list[Ratio] = []
    for case in found:
        checked = [with_range_proof(case.ours, case.range, epochs) for epochs in EPOCHS]
        measurements += [case.peer, case.ours, *checked]
        ratios += ratios_of(case.peer, case.ours)
        for epochs, ours in zip(EPOCHS, checked, strict=True):
            plural = "s" if epochs > 1 else ""
            ratios += ratios_of(case.peer, ours, f", range proof over {epochs} epoch{plural}")
    return BenchmarkResult(
        measurements=tuple(measurements),
        ratios=tuple(ratios),
        range_proofs=tuple(case.range for case in found),
        tried=tuple(trial for case in found for trial in case.tried),
        machine=machine,
        notes=_notes(found, has_compiler),
    )


def _machine() -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine or its user."""
    return {
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "load_average_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("ezkl", "torch", "py-evm", "zkdescent")},
    }


def _notes(found: list[Any], has_compiler: bool) -> tuple[str, ...]:
    ranges = ", ".join(f"{c.range.seconds_per_step:.2f} s ({c.range.case})" for c in found)
    tried = ", ".join(
        f"{t.steps_per_proof}: {t.seconds_per_step:.3f} s/step ({t.case})"
        for c in found
        for t in c.tried
    )
    dedicated = (
        "and with the dedicated verifiers that ezkl generates, hardened, where they fit EIP-170"
        if has_compiler
        else "no Solidity compiler was found, so dedicated verifiers were not measured"
    )
    return (
        "Peer: ezkl's default run arguments, inputs and outputs public, calibrated for resources, "
        "one step per proof. But Freivalds checks are off: they are unsound, and slower too.",
        "zkdescent: parameters and data committed, bound to a context; by default as many steps "
        f"per proof as fill one block of columns. Tried, steps per proof: {tried}.",
        "Seconds are wall-clock, witness and proof without setup, the best of equally many "
        "proofs of both made in turn.",
        "Gas is what the receipt of one verifying transaction on an in-process chain (Prague) "
        f"says, with the reusable verifier for both; {dedicated}.",
        f"A range proof of one batch block took {ranges}. The peer checks ranges in each step: "
        "compare it with the rows that include range proofs. How many epochs share one is an "
        f"assumption: {' or '.join(map(str, EPOCHS))}.",
    )
