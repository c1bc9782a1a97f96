"""Command `tune`: search hyperparameters before anything is proven."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from zkdescent.cli.context import AsJson, Directory, Verbose, choose_output
from zkdescent.cli.output import pairs, table
from zkdescent.cli.stages import HERE
from zkdescent.core.config import load_project


def tune(
    directory: Directory = HERE,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Settings to try, with those of earlier calls.")
    ] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the search.")] = 0,
    cost: Annotated[
        Literal["seconds", "gas"], typer.Option("--cost", help="What proving should save.")
    ] = "seconds",
    apply: Annotated[
        int | None,
        typer.Option(
            "--apply", min=0, help="Try nothing; write this setting into the project file."
        ),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Search settings that learn as well and prove cheaper; proves nothing.

    Tries learning rate, batch size, optimizer, regularisation and fraction bits. A search that was
    interrupted goes on when it is run again.
    """
    output = choose_output(as_json, verbose)
    from zkdescent.pipeline.hyperparameters import (
        apply_setting,
        snippet,
        stored_search,
        tune_project,
    )

    project = load_project(directory)
    if apply is not None:
        result = stored_search(project, seed=seed, cost=cost)
        backup = apply_setting(project, result, apply)
        payload = {"applied": apply, "file": project.file, "backup": backup}
        output.result(payload, pairs("Applied", list(payload.items())))
        return
    with output.reporter() as report:
        result = tune_project(project, report, trials=trials, seed=seed, cost=cost)
    chosen = next((s for s in result.settings if s.number == result.chosen), None)
    text = None if chosen is None else snippet(chosen)
    payload = {**result.to_json(), "gain": result.gain, "snippet": text}
    output.result(payload, *_tables(result), *([text] if text else []))


def _tables(result: Any) -> list[Any]:
    columns = (
        "setting", "optimizer", "rate", "batch", "l1", "l2", "bits",
        result.metric, "seconds", "gas", "proofs",
    )  # fmt: skip
    shown = {s.number: s for s in (result.default, *result.on_front)}.values()
    rows = [
        (
            str(s.number) + (" chosen" if s.number == result.chosen else "")
            + (" default" if s.number == 0 else ""),
            s.optimizer, f"{s.learning_rate:g}", s.batch_size, f"{s.l1:g}", f"{s.l2:g}",
            s.fraction_bits, f"{s.metric:.4f}" if s.metric is not None else "-",
            f"{s.seconds:.1f}" if s.seconds is not None else "-",
            "-" if s.gas is None else f"{s.gas / 1e6:.1f} M",
            s.block_proofs or "-",
        )
        for s in shown
    ]  # fmt: skip
    failed = sum(s.metric is None for s in result.settings)
    summary: list[tuple[str, object]] = [
        ("settings tried", len(result.settings)),
        ("not provable", failed),
        (
            "chosen",
            "none is cheaper and as good" if result.chosen is None
            else f"{result.chosen}: {result.gain:.1f} times cheaper; "
            f"`zkdescent tune --apply {result.chosen}` writes it",
        ),
    ]  # fmt: skip
    return [table(f"Front, {result.part} data", columns, rows), pairs("Search", summary)]
