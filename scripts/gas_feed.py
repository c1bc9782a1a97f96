"""A gas feed from nothing: train, prove, mint, deploy, and lead rounds under a changing load.

    python scripts/gas_feed.py                       # in-process chain, twelve rounds
    python scripts/gas_feed.py --rpc anvil --rounds 50
    python scripts/gas_feed.py --rpc http://127.0.0.1:8545 --key-env KEY --load-key-env LOAD_KEY

Ends in a table and a PNG. A contract, PatientPayments, acts on the feed: it pays now, or waits
while the feed says that gas gets cheaper. On another chain than a development one the load costs
ether.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import tomlkit
from eth_abi.abi import encode
from rich.console import Console
from rich.table import Table

from zkdescent.cli.output import Output
from zkdescent.core.config import Project, load_callable, load_project
from zkdescent.core.errors import ChainError, ZkDescentError
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.feeding.config import FeedConfig, FeedFile, FeedTable, TermsTable
from zkdescent.pipeline.feeding.deploying import deploy_feed
from zkdescent.pipeline.feeding.load import Load, blocks_on_demand, deploy_burner
from zkdescent.pipeline.feeding.picture import plot_rounds
from zkdescent.pipeline.feeding.rounds import Round, RoundMaker
from zkdescent.pipeline.planning import open_chain
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.running import run_project
from zkdescent.verifier import Chain, deploy_code, development_account
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier._keys import account_from_environment
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.twins.header import read_header

CADENCE, HORIZON, GRACE, WINDOW = 6, 5, 5, 8
SUBMISSION_GAS = 2_000_000
# A transaction on the in-process chain may use as much as any may; a node is told an estimate.
RESERVE_GAS = {"tester": 17_000_000}
LONGEST_WAIT_S = 600
ACT_EVERY = 3  # rounds
PATIENCE_S, GAIN_PPM = 60, 20_000  # a payment waits this long at most, and for 2 % at least
GWEI = 1e9
QUEUE = "queue(address)"


@dataclass
class Payments:
    """What the contract that acts on the feed did, round by round."""

    address: str
    waited: int = 0
    paid: list[int] = field(default_factory=list)

    def act(self, chain: Chain, fill_block: Callable[[], object]) -> bool:
        """One payment comes in; those that wait are paid, unless the feed says better not.

        Returns:
            Whether it paid. If not, it sent nothing, and the block that was filled is to be mined.
        """
        contract = chain.contract("PatientPayments", self.address)
        fill_block()
        chain.send(contract.functions.queue(chain.address), action="queue a payment", value=1)
        fill_block()
        try:
            receipt = chain.send(contract.functions.flush(100), action="pay")
        except ZkDescentError as error:
            if getattr(error, "error_name", "") != "BetterWait":
                raise
            self.waited += 1
            return False
        self.paid.append(receipt.block_number)
        return True


def main() -> None:
    """Parse, do it, print."""
    options = parse()
    console = Console()
    started = time.monotonic()
    with ExitStack() as stack:
        project = make_project(options)
        report = stack.enter_context(Output().reporter())
        chain = stack.enter_context(open_(options, project, report))
        summary = run_project(project, report, chain=chain)
        console.print(f"model {summary.model_id[:18]}… minted: {summary.steps} steps proven")
        rounds, payments = lead(options, project, chain, report)
        fees = base_fees(chain, rounds)
    picture = options.directory / f"gas-feed-{chain.name}.png"
    title = f"Gas feed on {chain.name}: {stored(rounds)} answers, each with a verified proof"
    picture.write_bytes(plot_rounds(rounds, fees, title=title))
    elapsed = time.monotonic() - started
    show(console, options, rounds, payments, fees, elapsed)
    console.print(f"picture: {picture}")
    if len(rounds) < options.rounds:
        sys.exit(f"{options.rounds - len(rounds)} rounds were missed")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rpc", default="tester", help="tester, anvil or a node's URL")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, help="update steps, a multiple of 64; the example's")
    parser.add_argument("--directory", type=Path, default=Path("build/gas-feed"))
    parser.add_argument("--key-env", help="variable with the key that trains and submits")
    parser.add_argument("--load-key-env", help="variable with the key that makes the load")
    parser.add_argument("--json", action="store_true", help="the rounds as JSON on stdout as well")
    return parser.parse_args()


def make_project(options: argparse.Namespace) -> Project:
    """The example project, copied; for a node by URL with its address and key in the file."""
    directory = options.directory / options.rpc.partition(":")[0]
    file = directory / "zkdescent.toml"
    if not file.is_file():
        create_project(directory, "gas-feed")
    document = tomlkit.parse(file.read_text())
    if options.steps is not None:
        document.setdefault("train", {})["steps"] = options.steps
    if options.rpc not in ("tester", "anvil"):
        document["chain"] = {"rpc": options.rpc, "key_env": options.key_env or "KEY"}
    file.write_text(tomlkit.dumps(document))
    return load_project(directory)


def open_(
    options: argparse.Namespace, project: Project, report: Reporter
) -> AbstractContextManager[Chain]:
    """The chain; in-process ones begin anew each time."""
    if options.rpc == "tester":
        return Chain.tester()
    if options.rpc == "anvil":
        return Chain.anvil()
    return open_chain(project, report)


def lead(
    options: argparse.Namespace, project: Project, chain: Chain, report: Reporter
) -> tuple[list[Round], Payments]:
    """Deploy the feed, the load and the consumer; make the rounds."""
    name = options.load_key_env
    account = account_from_environment(name) if name else development_account(1)
    demand = load_callable("data.py:Demand", project.directory, key="data.py")
    wanted = demand(seed=7, usual_fee=chain.next_base_fee()).gas_used
    load = Load(chain.acting_as(account), deploy_burner(chain), wanted)

    terms = TermsTable(
        first_block=chain.block_number + WINDOW + 8,
        cadence=CADENCE,
        horizon=HORIZON,
        grace=GRACE,
        window_blocks=WINDOW,
    )
    config = FeedConfig(feed=FeedTable(project=str(project.directory)), terms=terms)
    deployed = deploy_feed(FeedFile(project.file, config, project), report, chain=chain)
    maker = RoundMaker(project, chain, deployed.address)
    code = load_artifact("PatientPayments").creation_code + encode(
        ["address", "uint256", "uint256", "uint256"],
        [deployed.address, PATIENCE_S, GAIN_PPM, 600],
    )
    deploy_code(chain, code, action="deploy PatientPayments")
    payments = Payments(predict_address(code))
    report.start("rounds", options.rounds)
    if chain.is_local:
        with blocks_on_demand(chain):
            return by_hand(options, chain, maker, load, payments, report), payments
    return by_the_clock(options, chain, maker, load, payments, report), payments


def by_hand(
    options: argparse.Namespace,
    chain: Chain,
    maker: RoundMaker,
    load: Load,
    payments: Payments,
    report: Reporter,
) -> list[Round]:
    """Blocks are made here: load in each, and the submission among it."""
    made: list[Round] = []
    reserve = RESERVE_GAS.get(chain.name, SUBMISSION_GAS)
    first = maker.feed.schedule.newest_round(chain.block_number) + 1
    for number in range(first, first + options.rounds):
        while chain.block_number <= maker.feed.schedule.window_end(number):
            load.queue()
            chain.mine(1)
        load.queue(reserve=reserve)
        made.append(maker.make(number))
        if len(made) % ACT_EVERY == 0:
            paid = payments.act(chain, lambda: load.queue(reserve=reserve))
            if not paid:
                chain.mine(1)
        report.advance("rounds", len(made))
    for _ in range(HORIZON):
        load.queue()
        chain.mine(1)
    return made


def by_the_clock(
    options: argparse.Namespace,
    chain: Chain,
    maker: RoundMaker,
    load: Load,
    payments: Payments,
    report: Reporter,
) -> list[Round]:
    """Blocks come by themselves: one thread makes the load, this one does what a keeper does."""
    made: list[Round] = []
    done = threading.Event()

    def push() -> None:
        seen = 0
        while not done.is_set():
            if (head := chain.block_number) > seen:
                seen = head
                load.queue(reserve=SUBMISSION_GAS)
            time.sleep(0.05)

    loader = threading.Thread(target=push, daemon=True)
    loader.start()
    try:
        while len(made) < options.rounds:
            due = maker.feed.due_round()
            if due is None:
                time.sleep(0.2)
                continue
            made.append(maker.make(due))
            report.advance("rounds", len(made), f"round {due}")
            if len(made) % ACT_EVERY == 0:
                payments.act(chain, lambda: None)
        last = made[-1].window_end + HORIZON
        wait(chain, last)
    finally:
        done.set()
        loader.join()
    return made


def wait(chain: Chain, block: int) -> None:
    """Until a block is there; without mining it, so that it has its load."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while chain.block_number < block:
        if time.monotonic() > deadline:
            raise ChainError("the chain stands still", expected=block, got=chain.block_number)
        time.sleep(0.1)


def base_fees(chain: Chain, rounds: list[Round]) -> dict[int, int]:
    """Base fee by block, from the first round's window to the last one's horizon."""
    first, last = rounds[0].window_end - WINDOW + 1, rounds[-1].window_end + HORIZON
    headers = {n: read_header(chain.header_rlp(n)) for n in range(first, last + 1)}
    return {number: header.base_fee_wei for number, header in headers.items()}


def stored(rounds: list[Round]) -> int:
    """How many rounds' proven answers are what the feed says."""
    return sum(r.stored == r.forecast for r in rounds)


def show(
    console: Console,
    options: argparse.Namespace,
    rounds: list[Round],
    payments: Payments,
    fees: dict[int, int],
    elapsed: float,
) -> None:
    """The closing table."""
    true = [fees[r.window_end + r.horizon] for r in rounds]
    numbers = [r.round for r in rounds]
    missed = numbers[-1] - numbers[0] + 1 - len(numbers)

    def error(answers: list[int]) -> str:
        total = sum(abs(a - t) for a, t in zip(answers, true, strict=True))
        return f"{total / len(true) / GWEI:.4f} gwei"

    table = Table(title="Gas feed", show_header=False, title_justify="left")
    low, high = min(fees.values()) / GWEI, max(fees.values()) / GWEI
    sent = sum(r.sent for r in rounds)
    for name, value in (
        ("rounds answered, each with a verified proof", f"{stored(rounds)} of {options.rounds}"),
        ("rounds missed", str(missed)),
        ("base fee moved between", f"{low:.4f} and {high:.4f} gwei"),
        (f"mean absolute error {HORIZON} blocks ahead: feed", error([r.forecast for r in rounds])),
        ("  EIP-1559's rule", error([r.rule for r in rounds])),
        ("  last value", error([r.base_fee for r in rounds])),
        ("gas for each round", f"{sum(r.gas for r in rounds) // max(1, sent):,}"),
        ("seconds of proving, mean", f"{sum(r.proving_s for r in rounds) / len(rounds):.2f}"),
        ("consumer: paid, and waited because the feed said so", f"{len(payments.paid)}, "
         f"{payments.waited}"),
        ("seconds in all", f"{elapsed:.0f}"),
    ):  # fmt: skip
        table.add_row(name, value)
    console.print(table)
    if options.json:
        print(json.dumps([r.to_json() for r in rounds]))


if __name__ == "__main__":
    main()
