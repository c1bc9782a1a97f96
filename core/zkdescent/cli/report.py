"""Commands that show a run to people: report, explore."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import pairs
from zkdescent.cli.stages import HERE, Engine
from zkdescent.core.config import load_project


def report(
    directory: Directory = HERE,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file; report.html in the project if not given."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Audit the run now, as `verify` does.")
    ] = True,
    engine: Annotated[
        Engine, typer.Option(help="evm: the contract's bytecode in-process; native: the prover.")
    ] = Engine.evm,
    on_chain: Annotated[
        bool, typer.Option("--chain", help="Compare with the project's chain as well.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write one self-contained HTML page on the run, verified when it is made.

    It loads nothing from anywhere. A run that is unfinished has a report, too, which says what is
    missing; so has one that does not verify, and then the exit code is 3.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.planning import open_chain
    from zkdescent.pipeline.report import write_report

    project = load_project(directory)
    node = open_chain(project, read_only=True) if on_chain else nullcontext()
    with output.reporter() as progress, node as chain:
        written = write_report(
            project, progress, out=out, verify=verify, engine=engine.value, chain=chain
        )
    verdict, data = written.data.verdict, written.data
    rows: list[tuple[str, object]] = [
        ("file", written.path),
        ("run", data.stage),
        ("verification", verdict.state),
        *([("because", verdict.error)] if verdict.error else []),
        ("not shown", ", ".join(gap.what for gap in data.gaps) or "nothing is missing"),
    ]
    output.result({"out": written.path, **data.to_json()}, pairs("Report", rows))
    if verdict.state == "rejected":
        raise typer.Exit(3)


def explore(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the projects are.")
    ] = HERE,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 shows it to the network.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8817,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name it may be asked by; repeat for more."),
    ] = None,
    rpc: Annotated[
        str | None, typer.Option("--rpc", help="A node's URL: show the models of its chain too.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Audit finished runs in the background.")
    ] = True,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Serve the reports of a folder's runs, as they are now, and a chain's models; read-only.

    Ends with Ctrl-C. Without --host it answers this machine alone.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.explorer import open_explorer

    with open_explorer(
        folder, host=host, port=port, names=names or (), rpc=rpc, verify=verify
    ) as server:
        payload = {"url": server.url, "folder": folder.resolve(), "rpc": rpc is not None}
        output.result(payload, f"Serving {folder.resolve()} at {server.url} (end with Ctrl-C)")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            server.serve_forever()


COMMANDS = (report, explore)
