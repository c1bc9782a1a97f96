"""Commands `task create`, `seal`, `status`, `abort`, `reclaim` and `withdraw`."""

from __future__ import annotations

from typing import Any

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import pairs
from zkdescent.cli.stages import HERE, show_chain_result
from zkdescent.core.amounts import format_ether
from zkdescent.core.config import load_project

app = typer.Typer(help="The training task on the chain.", no_args_is_help=True)


@app.command()
def create(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Publish the task: everything that the batch order can interact with, fixed before its seed.

    Deploys and registers what is missing first. Draws no seed: with a beacon, `task seal` does.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.tasks import create_task

    project = load_project(directory)
    with output.reporter() as report:
        result = create_task(project, report)
    show_chain_result(output, result)


@app.command()
def seal(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Draw the batch order's seed from the header of the task's seed block; waits for the block.

    If the block has left the 256 that a contract can see, another one is armed, which the ledger
    counts. A task with a declared seed has nothing to draw.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.tasks import seal_task

    project = load_project(directory)
    with output.reporter() as report:
        result = seal_task(project, report)
    show_chain_result(output, result)


@app.command()
def status(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Say how the task, its run and its model stand on the chain; sends nothing."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.tasks import task_status

    found = task_status(load_project(directory))
    title = f"Task on {found.chain} ({found.chain_id})"
    output.result(found.to_json(), pairs(title, _rows(found)), _next(found))


@app.command()
def abort(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Close the project's open run for good: it can never become a model.

    The payee may at any time; the sponsor after the task's deadline, unless every step is proven.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.closing import abort_run

    project = load_project(directory)
    with output.reporter() as report:
        result = abort_run(project, report)
    show_chain_result(output, result)


@app.command()
def reclaim(directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Credit the sponsor with a reward that nobody earned by the deadline; `task withdraw` pays it.

    Anybody may send it. Not while a run with every step proven waits to be finalised.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.closing import reclaim_reward

    project = load_project(directory)
    with output.reporter() as report:
        payment = reclaim_reward(project, report)
    show_chain_result(output, payment.result, payment)


@app.command()
def withdraw(
    directory: Directory = HERE, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """Pay the acting account all that the ledger owes it, from every task: rewards and refunds."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.closing import withdraw_credit

    project = load_project(directory)
    with output.reporter() as report:
        payment = withdraw_credit(project, report)
    show_chain_result(output, payment.result, payment)


def _rows(found: Any) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("task", found.task_id),
        ("state", found.state),
        ("sponsor", found.sponsor or "-"),
        ("batch order", f"{found.seed_source} seed"),
    ]
    if found.seed_block is not None:
        rows.append(("seed block", f"{found.seed_block:,} (now {found.block_number:,})"))
    if found.blocks_left is not None:
        what = "blocks until it" if found.state == "waiting" else "blocks to seal it in"
        rows.append((what, found.blocks_left))
    rows += [("seed", found.seed or "-"), ("seed blocks unused", found.rearms)]
    if found.to_admit:
        rows.append(("batch blocks admitted", f"{found.admitted:,} of {found.to_admit:,}"))
    rows += [
        ("run", f"{found.run_id} ({found.run})"),
        ("block proofs", f"{found.proofs:,} of {found.total_proofs:,}"),
        ("head", found.head or "-"),
        ("model minted", found.minted),
    ]
    if found.reward_wei:
        rows.append(("reward", f"{format_ether(found.reward_wei)}, {_fate(found)}"))
    if found.deadline is not None:
        rows.append(("deadline", found.deadline))
    if found.credit_wei:
        rows.append(("owed to you", format_ether(found.credit_wei)))
    if found.missing:
        rows.append(("contracts that are gone", ", ".join(found.missing)))
    return rows


def _fate(found: Any) -> str:
    if found.state in ("not deployed", "not created"):
        return "to be escrowed"
    return "in escrow" if found.escrow_wei else "paid out or taken back"


def _next(found: Any) -> str:
    if found.credit_wei and found.run in ("finalised", "aborted"):
        return "Next: zkdescent task withdraw"
    if found.state in ("not deployed", "not created"):
        return "Next: zkdescent task create"
    if found.state != "sealed":
        return "Next: zkdescent task seal"
    if found.run == "aborted":
        return "The run was aborted: it stays as it is."
    return "Nothing is left to do." if found.minted else "Next: zkdescent prove, zkdescent submit"
