"""Commands that prove a run: prove, and run, which does the whole job."""

from __future__ import annotations

from typing import Any

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import pairs, short
from zkdescent.cli.scale import (
    Events,
    Jobs,
    MemoryGb,
    MetricsFile,
    MetricsPort,
    RayAddress,
    Threads,
    limits_of,
    reporting,
)
from zkdescent.cli.stages import HERE
from zkdescent.core.config import load_project


def prove(
    directory: Directory = HERE,
    jobs: Jobs = "auto",
    threads: Threads = None,
    memory_gb: MemoryGb = None,
    ray: RayAddress = None,
    events: Events = None,
    metrics: MetricsFile = None,
    metrics_port: MetricsPort = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Prove every block of update steps, several at once; resumes after an interruption."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.proving import prove_project

    project = load_project(directory)
    limits = limits_of(jobs, threads, memory_gb, ray)
    with reporting(output, events, metrics, metrics_port) as report:
        result = prove_project(project, report, limits=limits)
    payload = {
        "made": result.made,
        "kept": result.kept,
        "seconds": round(result.seconds, 2),
        "peak_memory_mb": round(result.peak_memory_mb, 1),
        "retried": result.retried,
        "final": result.final,
    }
    rows = [
        ("proofs made now", result.made),
        ("proofs kept", result.kept),
        ("seconds proving", result.seconds),
        ("peak memory of a proof, MB", result.peak_memory_mb),
        ("tries that failed", result.retried),
        ("final state", short(result.final)),
    ]
    output.result(payload, pairs("Proofs", rows))


def run(
    directory: Directory = HERE,
    jobs: Jobs = "auto",
    threads: Threads = None,
    memory_gb: MemoryGb = None,
    ray: RayAddress = None,
    events: Events = None,
    metrics: MetricsFile = None,
    metrics_port: MetricsPort = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Train, compile, prove, verify, deploy and submit, in order; resumes."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.running import run_project

    project = load_project(directory)
    limits = limits_of(jobs, threads, memory_gb, ray)
    with reporting(output, events, metrics, metrics_port) as report:
        summary = run_project(project, report, limits=limits)
    output.result(summary.to_json(), *run_tables(summary))


def run_tables(summary: Any) -> list[Any]:
    """The closing tables of a run."""
    metric = summary.metric
    rows = [
        ("update steps proven", summary.steps),
        ("block proofs", summary.block_proofs),
        ("range proofs", summary.range_proofs),
        ("proofs made now", summary.made),
        ("seconds proving", summary.proving_seconds),
        ("gas per block proof", summary.gas_per_proof),
        ("gas per update step", summary.gas_per_step),
        (f"float {metric}, {summary.part}", summary.float_metric),
        (f"proven {metric}, {summary.part}", summary.proven_metric),
        ("batch order", f"{summary.seed_source} seed"),
        ("chain", f"{summary.chain} ({summary.chain_id})"),
        ("model", summary.model_id),
        ("curves", summary.curves),
    ]
    if summary.inference is not None:
        rows.insert(8, ("gas of the inference", summary.inference_gas))
        rows.append(("inference", summary.inference))
    notes = [
        "Proven under a locally made reference string, which is for tests: "
        "whoever made it can forge."
    ]
    return [pairs(f"{summary.project}: trained, proven, verified, minted", rows), *notes]


COMMANDS = (prove, run)
