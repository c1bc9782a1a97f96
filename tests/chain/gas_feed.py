"""A proven gas feed on an anvil node with a clock and a load, for the tests of keepers."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from zkdescent.circuits.executor import execute
from zkdescent.core.config import Project, load_callable, load_project
from zkdescent.core.errors import ChainError
from zkdescent.pipeline.artefacts import load_trajectory
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.examples import create_project
from zkdescent.pipeline.feeding.config import FeedConfig, FeedFile, FeedTable, TermsTable
from zkdescent.pipeline.feeding.deploying import deploy_feed
from zkdescent.pipeline.feeding.load import Load, deploy_burner
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain, GasFeedClient, SendPolicy, development_account
from zkdescent.verifier.twins.gas_features import gas_answer

RESERVE = 3_000_000
KEEPER = 2  # of the development accounts: 0 trains and owns, 1 makes the load


def proven_project(directory: Path) -> Project:
    """The example with one block proof in the place of eight.

    ``ZKDESCENT_PROVEN_FEED`` may name one that an earlier run has proven, to save the minute.
    """
    if known := os.environ.get("ZKDESCENT_PROVEN_FEED"):
        shutil.copytree(known, directory)
        return load_project(directory)
    create_project(directory, "gas-feed")
    file = directory / "zkdescent.toml"
    document = tomlkit.parse(file.read_text())
    document["train"]["steps"] = 64
    file.write_text(tomlkit.dumps(document))
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    prove_project(project, report, blueprint=blueprint)
    return project


@dataclass
class Scene:
    """A node by the clock, with load on it, and a deployed feed."""

    node: Chain
    project: Project
    client: GasFeedClient
    busy: threading.Event = field(default_factory=threading.Event)
    load_errors: list[str] = field(default_factory=list)

    def rpc(self, method: str, *parameters: object) -> Any:
        return self.node._node.rpc(method, *parameters)  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        return str(self.node._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]

    def feed_file(self, folder: Path, url: str, **keeper: object) -> Path:
        """A keeper's own copy of the project, and its file; the key is in KEEPER_KEY."""
        shutil.copytree(self.project.directory, folder / "project")
        file = folder / "project" / "zkdescent.toml"
        document = tomlkit.parse(file.read_text())
        document["chain"] = {"rpc": url, "key_env": "KEEPER_KEY", "seed": "declared"}
        file.write_text(tomlkit.dumps(document))
        path = folder / "feed.toml"
        settings = {"port": 0, "poll_s": 1.0, "settle_blocks": 6, **keeper}
        feed = {"project": "project", "address": self.client.address}
        path.write_text(tomlkit.dumps({"feed": feed, "keeper": settings}))
        return path

    def answers(self) -> dict[int, tuple[int, int]]:
        """Answer and block of each answered round; a round twice fails."""
        event = self.client.contract.events.RoundAnswered
        found: dict[int, tuple[int, int]] = {}
        for log in self.node.logs(event, 0, self.node.block_number):
            assert log.args.round not in found
            found[log.args.round] = (log.args.answer, log.blockNumber)
        return found

    def transactions(self, account: int = KEEPER) -> list[dict[str, Any]]:
        """What an account sent to the feed, as mined, with `status`."""
        sent, who = [], development_account(account).address.lower()
        for number in range(1, self.node.block_number + 1):
            for found in self.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if found["from"].lower() == who and (found["to"] or "").lower() == (
                    self.client.address.lower()
                ):
                    receipt = self.rpc("eth_getTransactionReceipt", found["hash"])
                    sent.append({**found, "status": int(receipt["status"], 16)})
        return sent

    def true_answer(self, blueprint: Blueprint, state: Any, round_: int) -> int:
        """What the model says of a round's blocks as they are on the chain now."""
        window = self.client.window(round_)
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": state,
            "x": np.array(window.features, dtype=object),
        }
        output = execute(blueprint.inference, inputs, blueprint.fixed)[len(window.features)]
        return gas_answer(window.base_fee_wei, int(output), self.client.fraction_bits)

    def check_answers(self) -> None:
        """Every stored answer is the proven model's, of the blocks that are on the chain."""
        blueprint = make_blueprint(self.project)
        state = load_trajectory(self.project.open_store())[-1]
        for round_, (answer, _) in self.answers().items():
            assert answer == self.true_answer(blueprint, state, round_), round_


@contextmanager
def scene(project: Project, *, block_time_s: float, cadence: int, grace: int) -> Iterator[Scene]:
    """Start a node, mint the model, deploy the feed, and keep load on the node."""
    # Blocks come with transactions until all is deployed, and by the clock from then on.
    with Chain.anvil(policy=SendPolicy(poll_s=0.05)) as node:
        burner = deploy_burner(node)
        terms = TermsTable(
            first_block=node.block_number + 60,
            cadence=cadence,
            horizon=5,
            grace=grace,
            deviation=50.0,
        )
        config = FeedConfig(feed=FeedTable(project=str(project.directory)), terms=terms)
        deployed = deploy_feed(FeedFile(project.file, config, project), Reporter(), chain=node)
        made = Scene(node, project, GasFeedClient(node, deployed.address))
        demand = load_callable("data.py:Demand", project.directory, key="data.py")
        load = Load(
            node.acting_as(development_account(1)),
            burner,
            demand(seed=5, usual_fee=node.next_base_fee()).gas_used,
        )
        node._node.rpc("evm_setIntervalMining", block_time_s)  # type: ignore[attr-defined]
        stop = threading.Event()

        def push() -> None:
            seen = 0
            while not stop.is_set():
                try:
                    head = node.block_number
                    if head != seen:
                        seen = head
                        load.queue(reserve=RESERVE)
                except ChainError as error:  # a reorganisation under it
                    made.load_errors.append(str(error))
                time.sleep(0.05)

        thread = threading.Thread(target=push, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join()
