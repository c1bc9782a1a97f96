"""Command `setup barretenberg`: fetch the tools of the second prover."""

from __future__ import annotations

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import pairs

app = typer.Typer(help="Fetch tools that pip does not bring.", no_args_is_help=True)


@app.callback()
def setup() -> None:
    """Fetch tools that pip does not bring."""


@app.command()
def barretenberg(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Fetch the prover bb and the Solidity compiler, once, with npm; checked by hash."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.installing import install_barretenberg

    with output.reporter() as report:
        tools = install_barretenberg(report)
    payload = {"prover": tools.prover, "version": tools.version, "compiler": tools.compiler}
    rows = [
        ("prover", tools.prover),
        ("version", tools.version),
        ("Solidity compiler", " ".join(tools.compiler)),
    ]
    output.result(payload, pairs("Barretenberg", rows))
