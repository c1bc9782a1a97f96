"""A contract that acts on a proven model, from nothing: train, prove, mint, deploy, decide.

    python scripts/defi.py price-volatility       # a margin follows a forecast of volatility
    python scripts/defi.py anomaly-autoencoder    # unusual payments are held
    python scripts/defi.py credit-score           # a credit limit is a score
    python scripts/defi.py credit-score --rpc anvil
    python scripts/defi.py credit-score --rpc http://127.0.0.1:8545 --key-env KEY

Ends in a table and a PNG. One account plays all parts; on a chain of value each has its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zkdescent.cli.output import Output
from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.defi.picture import draw_story
from zkdescent.pipeline.defi.story import Story
from zkdescent.pipeline.defi.telling import STORIES, make_story_project, tell_story
from zkdescent.verifier import Chain, SendPolicy


def main() -> int:
    """Parse, do it, print; return the exit code."""
    options = parse()
    console, started = Console(stderr=options.json), time.monotonic()
    folder = options.directory / options.example
    try:
        project = make_story_project(
            folder / "project", options.example, rpc=options.rpc, key_env=options.key_env
        )
        with open_(options) as chain, Output().reporter() as report:
            story = tell_story(project, options.example, chain, report, decisions=options.decisions)
        picture = folder / f"{options.example}.png"
        picture.write_bytes(draw_story(story))
    except ZkDescentError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_code
    (folder / "story.json").write_text(json.dumps(story.to_json(), indent=1), encoding="utf-8")
    show(console, story, time.monotonic() - started)
    console.print(f"picture: {picture}")
    if options.json:
        print(json.dumps(story.to_json()))
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("example", choices=STORIES)
    parser.add_argument("--rpc", default="tester", help="tester, anvil or a node's URL")
    parser.add_argument("--key-env", help="variable with the signing key, for a node by URL")
    parser.add_argument("--decisions", type=int, default=12)
    parser.add_argument("--directory", type=Path, default=Path("build/defi"), help="of results")
    parser.add_argument("--json", action="store_true", help="the story as JSON on stdout as well")
    return parser.parse_args()


def open_(options: argparse.Namespace) -> Chain:
    """The chain; in-process ones begin anew each time."""
    if options.rpc == "tester":
        return Chain.tester()
    if options.rpc == "anvil":
        return Chain.anvil()
    return Chain.connect(options.rpc, key_env=options.key_env, policy=SendPolicy(poll_s=0.1))


def show(console: Console, story: Story, elapsed: float) -> None:
    """The closing tables."""
    decisions = Table(title=f"{story.example}: decisions", title_justify="left")
    for name in ("", "proven", "turned out", "the contract", "gas", "seconds"):
        decisions.add_column(name, justify="right")
    for d in story.decisions:
        decisions.add_row(
            str(d.number), f"{d.answer:.3f}", f"{d.truth:.3g}", d.outcome, f"{d.gas:,}",
            f"{d.proving_s:.2f}",
        )  # fmt: skip
    lies = Table(title="what must be refused, and the error that did", title_justify="left")
    for name in ("attempt", "refused by"):
        lies.add_column(name)
    for refusal in story.refusals:
        lies.add_row(refusal.attempt, refusal.refused_by)
    sums = Table(show_header=False)
    for name, value in (
        ("model, of so many proven steps", f"{story.model_id[:18]}…, {story.steps}"),
        *story.findings,
        ("gas for each decision", f"{story.gas:,}"),
        ("seconds of proving, mean", f"{story.proving_s:.2f}"),
        ("seconds in all", f"{elapsed:.0f}"),
    ):
        sums.add_row(name, value)
    for table in (decisions, lies, sums):
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
