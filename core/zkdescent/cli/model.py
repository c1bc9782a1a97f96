"""Command `model show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.tree import Tree

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.stages import HERE
from zkdescent.core.config import load_project
from zkdescent.pipeline.models import ancestor_facts, hexadecimal

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
        title = (
            f"[bold]{'model' if root is None else 'parent'} {hexadecimal(ancestor.model_id)}[/bold]"
        )
        branch = Tree(title, highlight=False) if branch is None else branch.add(title)
        root = root or branch
        for name, facts in ancestor_facts(ancestor):
            twig = branch.add(f"[bold]{name}[/bold]")
            for fact, value in facts:
                twig.add(f"{fact}: {value}")
    assert root is not None
    return root
