"""Command `gas`: what each action costs now."""

from __future__ import annotations

from typing import Annotated

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import pairs, table
from zkdescent.cli.stages import HERE
from zkdescent.core.config import load_project


def gas(
    directory: Directory = HERE,
    gas_price: Annotated[
        float | None,
        typer.Option("--gas-price", min=0.0, help="Gwei per gas. Default: the chain's price now."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Carry out every block proof, not only the first.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say what each action on the chain costs, in gas and in ether; sends nothing.

    Actions are carried out on a chain in memory; what the project's node can estimate now comes
    from it. An action over the 16,777,216 gas that a transaction may use is refused.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.pricing import price_project

    project = load_project(directory)
    with output.reporter() as report:
        bill = price_project(project, report, gas_price_gwei=gas_price, full=full)
    rows = [
        (i.action, i.times, i.gas, i.gas * i.times, bill.ether(i.gas * i.times), i.source)
        for i in bill.items
    ]
    whole = "what is measured" if bill.unmeasured else "the whole run"
    summary: list[tuple[str, object]] = [
        ("gas price", f"{bill.gas_price_gwei:g} gwei"),
        (
            whole,
            f"{bill.gas:,} gas, {bill.ether(bill.gas)} ether",
        ),
        ("per update step", f"{bill.gas_per_step:,} gas, {bill.ether(bill.gas_per_step)} ether"),
    ]
    if bill.unmeasured:
        summary.append(("not measured", ", ".join(bill.unmeasured)))
    columns = ("action", "times", "gas each", "gas", "ether", "source")
    output.result(
        bill.to_json(), table(f"Gas on {bill.chain}", columns, rows), pairs("Total", summary),
        *bill.notes,
    )  # fmt: skip
