"""The margin of the stake oracle over many chains, played off the chain.

    python scripts/stake_margin.py                          # the ten seeds of the claim
    python scripts/stake_margin.py --seeds 0 1 2 3          # others

Trains the model of examples/stake-oracle in float, plays each seed's validators three times, and
ends in a table and a line for each claim; 1 if one of them does not hold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from zkdescent.core.config import load_project
from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.artefacts import MODEL
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.staking.margin import Margin
from zkdescent.pipeline.training import train_project

SEEDS = tuple(range(2000, 2010))


def main() -> int:
    """Parse, train, play, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--directory", type=Path, default=Path("build/stake-margin"))
    parser.add_argument("--json", action="store_true", help="the seeds as JSON on stdout as well")
    options = parser.parse_args()
    console = Console(stderr=options.json)
    try:
        margin = Margin(tuple(measure(options.directory, options.seeds)))
    except ZkDescentError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_code
    show(console, margin)
    if options.json:
        print(json.dumps(margin.to_json(), indent=1))
    return 0 if margin.holds else 1


def measure(directory: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """Train in a copy of the example, and play the seeds."""
    if not (directory / "zkdescent.toml").is_file():
        create_project(directory, "stake-oracle")
    project = load_project(directory)
    train_project(project, Reporter())
    graph = onnx.load(str(project.store_directory / MODEL)).graph
    arrays = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    weight = next(array for array in arrays if array.ndim == 2)
    bias = next(array for array in arrays if array.ndim == 1)
    if weight.shape[0] != bias.shape[0]:
        weight = weight.T
    path = directory / "weights.json"
    said = {"weight": weight.tolist(), "bias": bias.tolist()}
    path.write_text(json.dumps(said), encoding="utf-8")
    # The example's files are its own: they run as a developer runs them.
    command = [sys.executable, "simulate.py", path.name, *map(str, seeds)]
    done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(console: Console, margin: Margin) -> None:
    """The closing table."""
    # Narrow enough for a log of 80 columns.
    table = Table(title="Stake oracle: 200 epochs of each seed, fixed to controlled", box=SIMPLE)
    columns = ("seed", "attesting, %", "cost", "%", "pushed", "league, duty")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for values in margin.rows():
        table.add_row(*values)
    table.caption = (
        "pushed: mean reward without a league and with one; "
        "league, duty: what its members earn by pushing, and by doing their duty"
    )
    console.print(table)
    for line in margin.lines():
        console.print(line)


if __name__ == "__main__":
    sys.exit(main())
