"""Commands around projects: init, doctor, demo, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import table
from zkdescent.cli.proving import run_tables

Backend = Annotated[
    Literal["ezkl", "barretenberg"] | None,
    typer.Option("--backend", help="The prover, if not the one the example names."),
]


def init(
    directory: Annotated[Path, typer.Argument(help="Where to make the project.")],
    example: Annotated[str, typer.Option(help="Which example to start from.")] = "mlp-csv",
    backend: Backend = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Make a project directory: project file, model file and data, ready to run and to edit."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.examples import create_project

    files = create_project(directory, example, backend=backend)
    payload = {"directory": directory, "example": example, "files": files}
    following = f"Next: edit the files, then `zkdescent run -C {directory}`"
    output.result(payload, table("Created", ("file",), [(f,) for f in files]), following)


def doctor(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Say what is installed, what is missing, and what to do about it."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.diagnosis import diagnose

    findings = diagnose()
    payload = {
        "ok": all(f.ok or not f.required for f in findings),
        "findings": [f.to_json() for f in findings],
    }
    rows = [
        (f.name, f.version or ("present" if f.ok else "missing"), f.needed_for, f.advice)
        for f in findings
    ]
    output.result(payload, table("Doctor", ("what", "found", "needed for", "to do"), rows))
    if not payload["ok"]:
        raise typer.Exit(1)


def demo(
    directory: Annotated[Path, typer.Option("--directory", "-C", help="Where to make it.")] = Path(
        "demo"
    ),
    backend: Backend = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The main job from nothing: breast-cancer diagnosis, 64 proven steps, on an embedded chain."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.demonstration import run_demo

    with output.reporter() as report:
        summary = run_demo(directory, report, backend=backend)
    output.result(summary.to_json(), *run_tables(summary))


def bench(
    out: Annotated[Path | None, typer.Option(help="Also write plots and JSON here.")] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="The linear step and the smallest points of growth."),
    ] = False,
    backends: Annotated[
        str, typer.Option("--backends", help="Provers to measure, separated by commas.")
    ] = "ezkl,barretenberg",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure proving against ezkl as its documentation runs it, in one run, and print ratios."""
    output = choose_output(as_json, verbose)
    from zkdescent.cli.benchmark_tables import benchmark_tables
    from zkdescent.pipeline.benchmark import run_benchmark

    with output.reporter() as report:
        names = tuple(name.strip() for name in backends.split(",") if name.strip())
        result = run_benchmark(report, quick=quick, out=out, backends=names)
    output.result(result.to_json(), *benchmark_tables(result))


COMMANDS = (init, doctor, demo, bench)
