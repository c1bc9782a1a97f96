"""Command `model show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.tree import Tree

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.stages import HERE
from zkdescent.core.config import load_project

app = typer.Typer(help="Models on the chain.", no_args_is_help=True)


@app.callback()
def model() -> None:
    """Models on the chain."""


@app.command()
def show(
    model_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="The model: 0x and hex digits, or a number. Default: the project's."
        ),
    ] = None,
    directory: Directory = HERE,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show where a model comes from, as the ledger proved it, back to its first ancestor."""
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.models import show_model

    lineage = show_model(load_project(directory), model_id)
    output.result(lineage.to_json(), _tree(lineage))


def _tree(lineage: Any) -> Tree:
    root: Tree | None = None
    branch: Tree | None = None
    for ancestor in lineage.ancestors:
        title = f"[bold]{'model' if root is None else 'parent'} {_hex(ancestor.model_id)}[/bold]"
        branch = Tree(title, highlight=False) if branch is None else branch.add(title)
        root = root or branch
        for name, facts in _facts(ancestor):
            twig = branch.add(f"[bold]{name}[/bold]")
            for fact, value in facts:
                twig.add(f"{fact}: {value}")
    assert root is not None
    return root


def _facts(ancestor: Any) -> list[tuple[str, list[tuple[str, object]]]]:
    origin, minted = ancestor.provenance, ancestor.model
    steps = origin.total_proofs * origin.steps_per_proof
    as_model: list[tuple[str, object]] = [("weights", _hex(origin.final_state))]
    if minted is None:
        as_model.append(("minted", "no: a finalised run"))
    else:
        as_model += [
            ("owner", minted.owner),
            ("deprecated", "yes" if minted.deprecated else "no"),
            ("proof system", _hex(minted.proof_system)),
            ("commitment to pin", _hex(minted.commitment_hash)),
            *([("uri", minted.uri)] if minted.uri else []),
        ]
    circuits = [
        (role, _hex(getattr(origin, f"{role}_circuit")))
        for role in ("step", "range", "inference", "aggregate")
        if any(getattr(origin, f"{role}_circuit"))
    ]
    return [
        ("model", as_model),
        ("run", [
            ("id", _hex(origin.run_id)),
            ("payee", origin.payee),
            ("steps", f"{steps:,} in {origin.total_proofs:,} block proofs"),
            ("transcript", _hex(origin.transcript)),
        ]),
        ("task", [
            ("id", _hex(origin.task_id)),
            ("sponsor", origin.sponsor),
            ("genesis", _hex(origin.genesis)),
            ("dataset root", _hex(origin.dataset_root)),
            ("hyperparameters", _hex(origin.hyperparameters)),
            ("seed", _hex(origin.seed)),
            ("seed blocks that went by unused", origin.rearms),
        ]),
        ("circuits", circuits),
    ]  # fmt: skip


def _hex(value: bytes | int) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else f"0x{value:064x}"
