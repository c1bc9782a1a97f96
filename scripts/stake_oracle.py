"""A proof-of-stake chain whose parameters follow a proven model, against the same chain without.

    python scripts/stake_oracle.py                  # in-process chain, three arms of 200 epochs
    python scripts/stake_oracle.py --rpc anvil
    python scripts/stake_oracle.py --rpc http://127.0.0.1:8545   # a development node of yours

Trains, proves and mints the model, then plays three chains of 64 validators block by block: with
the parameters that are best on a calm day and stay; with the controller; and with the controller
and a fifth of the validators in league to push it.

Ends in a table and a PNG.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from zkdescent.cli.output import Output
from zkdescent.core.config import Project, load_callable, load_project
from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.staking.arms import Arm, ArmResult, play_arm
from zkdescent.pipeline.staking.judging import Verdict, judge
from zkdescent.pipeline.staking.picture import plot_arms
from zkdescent.pipeline.training import train_project
from zkdescent.verifier import Chain, SendPolicy, development_account
from zkdescent.verifier._http import HttpNode
from zkdescent.verifier.stake import StakeParameters

ARMS = ("fixed", "controlled", "controlled, a fifth in league")


def main() -> int:
    """Parse, do it, print; 1 if a margin was missed."""
    options = parse()
    console, started = Console(stderr=options.json), time.monotonic()
    try:
        verdict, results, project = run(options)
    except ZkDescentError as error:
        print(error.diagnostics(), file=sys.stderr)
        return error.exit_code
    picture = options.directory / "stake-oracle.png"
    picture.write_bytes(plot_arms(results, load(project, "loss")))
    show(console, verdict, results, time.monotonic() - started)
    console.print(f"picture: {picture}")
    if options.json:
        print(json.dumps(verdict.to_json(), indent=1))
    return 0 if verdict.holds else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rpc", default="tester", help="tester, anvil or a development node's URL")
    parser.add_argument("--epochs", type=int, default=200, help="multiple of 10")
    # Of the ten seeds of stake_margin.py the one in the middle: see docs/stake-oracle.md.
    parser.add_argument("--seed", type=int, default=2004, help="decides validators and world")
    parser.add_argument("--directory", type=Path, default=Path("build/stake-oracle"))
    parser.add_argument("--json", action="store_true", help="the verdict as JSON on stdout as well")
    return parser.parse_args()


def run(options: argparse.Namespace) -> tuple[Verdict, list[ArmResult], Project]:
    """The model from nothing, then the arms: each in a process, with a chain of its own.

    On a node by URL there is one chain, and the arms come one after the other.
    """
    directory = options.directory / "project"
    if not (directory / "zkdescent.toml").is_file():
        create_project(directory, "stake-oracle")
    project = load_project(directory)
    with ExitStack() as stack:
        report = stack.enter_context(Output().reporter())
        train_project(project, report)
        compile_project(project, report)
        prove_project(project, report)
        tasks = [(number, options) for number in range(len(ARMS))]
        if options.rpc in ("tester", "anvil"):
            # A process for each, on two cores, too: two at a time would leave one core idle.
            spawning = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(len(ARMS), mp_context=spawning))
            report.start("arms", len(ARMS))
            results = []
            for result in pool.map(play, tasks):
                results.append(result)
                report.advance("arms", len(results), result.name)
        else:
            results = [play(task) for task in tasks]
    return judge(results, load(project, "loss")), results, project


def play(task: tuple[int, argparse.Namespace]) -> ArmResult:
    """One arm: a copy of the proven project, its run on a chain, and the epochs."""
    number, options = task
    directory = options.directory / f"arm-{number}"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(options.directory / "project", directory)
    project, report = load_project(directory), Reporter()
    arm = arms(project, options.seed)[number]
    with open_(options.rpc) as chain:
        if arm.controlled:  # every step's proof is verified by this chain's contracts
            submit_project(project, report, chain=chain)
        return play_arm(chain, project, arm, options.epochs, report)


def open_(rpc: str) -> Chain:
    """A chain whose blocks we make."""
    if rpc == "tester":
        return Chain.tester()
    if rpc == "anvil":
        return Chain.anvil(policy=SendPolicy(poll_s=0.05))
    # The accounts of a development node are everybody's: none of them holds anything.
    return Chain._over(HttpNode(rpc), development_account(0), SendPolicy(poll_s=0.05))


def arms(project: Project, seed: int) -> list[Arm]:
    """The same validators three times."""
    people = load(project, "population")(seed)
    league = load(project, "with_adversaries")(people)
    crowd, rails = load(project, "Crowd"), load(project, "rails")()
    calm = StakeParameters(*load(project, "calm")(people))
    return [
        Arm(ARMS[0], crowd(people), calm, rails, controlled=False),
        Arm(ARMS[1], crowd(people), calm, rails, controlled=True),
        Arm(ARMS[2], crowd(league), calm, rails, controlled=True),
    ]


def load(project: Project, name: str) -> Any:
    """A function of the example's validators.py."""
    return load_callable(f"validators.py:{name}", project.directory, key="validators.py")


def show(console: Console, verdict: Verdict, results: list[ArmResult], elapsed: float) -> None:
    """The closing table."""
    table = Table(title="Stake oracle: means over all epochs")
    for column in ("", *(result.name for result in results)):
        table.add_column(column, justify="left" if not column else "right")
    for name, values in verdict.rows():
        table.add_row(name, *values)
    console.print(table)
    for line in verdict.lines():
        console.print(line)
    console.print(f"{elapsed:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
