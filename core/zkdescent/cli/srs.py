"""Commands `srs status`, `srs fetch`, `srs verify`: reference strings of both provers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import pairs, table

app = typer.Typer(help="Reference strings: which are here, and whose.", no_args_is_help=True)

Prover = Annotated[Literal["barretenberg", "ezkl"], typer.Argument(help="Whose string.")]
Sha256 = Annotated[
    str | None, typer.Option("--sha256", help="What the file's sha256 must be, in hex.")
]


@app.command()
def status(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the reference strings on this machine, checked; unsafe ones under their own name."""
    output = choose_output(as_json, verbose)
    from zkdescent.circuits.ceremonies import known_strings

    found = known_strings()
    rows = [
        (s.prover, s.source, s.logrows, s.bytes, s.used, s.problem or "ok", s.path) for s in found
    ]
    columns = ("prover", "whose", "log2 rows", "bytes", "used now", "check", "path")
    payload = {"strings": [asdict(s) for s in found]}
    output.result(payload, table("Reference strings", columns, rows))


@app.command()
def fetch(
    prover: Prover,
    logrows: Annotated[
        int, typer.Option("--logrows", help="log2 of the rows of the largest circuit.")
    ],
    url: Annotated[str | None, typer.Option("--url", help="Where from, if not the usual.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Take this file instead of fetching.")
    ] = None,
    sha256: Sha256 = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Bring a ceremony's string into the cache, once it has been checked."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.strings import fetch_with_progress

    with output.reporter() as report:
        fetched = fetch_with_progress(prover, logrows, report, url=url, file=file, sha256=sha256)
    rows = [("file", fetched.path), ("sha256", fetched.sha256), ("to use it", fetched.use)]
    output.result(asdict(fetched), pairs("Fetched and checked", rows))


@app.command()
def verify(
    prover: Prover,
    file: Annotated[Path, typer.Argument(help="The file to check.")],
    sha256: Sha256 = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Check that a file is the ceremony's string, and not another one."""
    output = choose_output(as_json, verbose)
    from zkdescent.circuits.ceremonies import check_string

    digest = check_string(prover, file, sha256=sha256)
    payload = {"ceremony": True, "prover": prover, "file": file, "sha256": digest}
    output.result(payload, pairs("A ceremony's string", [("file", file), ("sha256", digest)]))
