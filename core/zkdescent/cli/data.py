"""Commands about data: `data fees`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zkdescent.cli.context import AsJson, Verbose, choose_output
from zkdescent.cli.output import pairs

app = typer.Typer(help="Data to train on.", no_args_is_help=True)


@app.command()
def fees(
    rpc: Annotated[str, typer.Option("--rpc", help="The node, http(s)://...")],
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="How many blocks.")],
    out: Annotated[Path, typer.Option("--out", help="The CSV file of blocks.")] = Path("fees.csv"),
    last: Annotated[
        int | None, typer.Option("--last", min=0, help="The last block. Default: the newest now.")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option("--rows", help="Also write windows as rows to train on.")
    ] = None,
    window: Annotated[int, typer.Option("--window", min=2, help="Blocks in a window.")] = 8,
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Blocks ahead.")] = 5,
    fraction_bits: Annotated[
        int, typer.Option("--fraction-bits", min=8, max=16, help="Of the circuit.")
    ] = 14,
    patience_s: Annotated[
        float, typer.Option("--patience-s", min=0.0, help="Seconds to repeat a question for.")
    ] = 60.0,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Collect base fees and gas of a node's blocks; goes on where it was stopped."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.fees.collecting import Rows, collect_fees

    wanted = None if rows is None else Rows(rows, window, horizon, fraction_bits)
    with output.reporter() as report:
        found = collect_fees(
            rpc, out, count=blocks, report=report, last=last, rows=wanted, patience_s=patience_s
        )
    payload = {**asdict(found), "blocks": found.blocks}
    output.result(payload, pairs("Blocks", list(payload.items())))
