"""Measure what a gas feed's round costs on anvil with real proofs: the figures of docs/gas.md.

``python scripts/measure_feed_gas.py FOLDER [--window N] [--rounds N]`` trains and proves a linear
model over windows of N blocks in FOLDER, deploys its feed on a fresh anvil node and answers rounds.

Each transaction is split in three: headers, which is their call data and the frame of
ChainHistory.record; proof, which is the call data of the evidence and the frame of the registry's
check; and the rest, which is 21,000, the feed's own reads, its two storage slots and its events.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zkdescent.core.config import load_project
from zkdescent.core.records import InferenceRecord, ProofRecord
from zkdescent.pipeline.artefacts import load_proof
from zkdescent.pipeline.blueprint import make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.proving import load_trajectory, prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.verifiers import project_verifiers
from zkdescent.verifier import (
    Chain,
    FeedTerms,
    GasFeedClient,
    GasFeedPlan,
    GasWindow,
    Schedule,
    TrainingClient,
    plan_from,
)

PROJECT = """
[project]
name = "feed"
[model]
factory = "model.py:build"
[data]
source = "csv"
path = "rows.csv"
target = "y"
validation = 0.0
[train]
loss = "mse"
learning_rate = 0.1
batch_size = 4
steps = 2
[circuit]
steps_per_proof = 2
logrows = "auto"
backend = "barretenberg"
"""
CADENCE = 10


@dataclass(frozen=True)
class Measured:
    """One round: gas in all, and of which headers and proof."""

    round: int
    gas: int
    headers: int
    proof: int
    verifier: int

    @property
    def rest(self) -> int:
        """What is neither headers nor proof."""
        return self.gas - self.headers - self.proof


class Model:
    """A proven model of a gas feed."""

    def __init__(self, folder: Path, window: int) -> None:
        features = 2 * window - 1
        directory = folder / f"feed-{window}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "zkdescent.toml").write_text(PROJECT)
        (directory / "model.py").write_text(
            f"from torch import nn\n\n\ndef build(n={features}):\n    return nn.Linear(n, 1)\n"
        )
        draw, lines = random.Random(0), [",".join([*(f"x{k}" for k in range(features)), "y"])]
        lines += [
            ",".join(f"{draw.gauss(0, 0.1):.4f}" for _ in range(features + 1)) for _ in range(8)
        ]
        (directory / "rows.csv").write_text("\n".join(lines) + "\n")
        project = load_project(directory)
        self.blueprint = make_blueprint(project)
        compile_project(project, Reporter(), blueprint=self.blueprint)
        prove_project(project, Reporter(), blueprint=self.blueprint)
        self.project, self.store = project, project.open_store()
        self.manifest = self.store.read_manifest()
        self.plan = plan_from(self.manifest)
        self.state = load_trajectory(self.store)[-1]

    def mint_on(self, chain: Chain) -> TrainingClient:
        """Lead the run to a model on a chain."""
        client, circuits = TrainingClient(chain), self.manifest.circuits
        client.ensure_deployed()
        verifiers = project_verifiers(self.project, circuits)
        verifiers.deploy(chain)
        client.register_circuits(circuits, verifiers.specs)
        client.create_task(self.plan)
        client.open_run(self.plan)

        def load(index: int) -> Any:
            return load_proof(self.store, "step", index)

        client.submit(self.plan, circuits.step, self.manifest.dataset, load)
        client.finalise(self.plan)
        client.mint(self.plan)
        return client

    def prove(self, feed: GasFeedClient, window: GasWindow) -> InferenceRecord:
        """The proof of a round."""
        circuit, round_ = self.manifest.circuits.inference, window.round
        context = self.plan.inference_context(feed.address, round_)
        tensors = [
            np.asarray(values, dtype=object).reshape(-1)
            for values in ([context], self.state, window.features)
        ]
        made = self.blueprint.backend.prove(circuit, self.store.path_of, tensors)
        proof = ProofRecord(
            role="inference",
            index=round_,
            circuit=circuit.vk_sha256,
            context=context,
            proof=made.proof,
            public_values=made.public_values,
        )
        return InferenceRecord(
            chain_id=self.plan.chain_id,
            registry=self.plan.addresses.registry,
            model_id=self.plan.model_id,
            requester=feed.address,
            nonce=round_,
            proof=proof,
        )


def calldata_gas(data: bytes) -> int:
    """Price of call data (EIP-2028): 4 for each zero byte, 16 for each other."""
    return 16 * len(data) - 12 * data.count(0)


def frames(frame: dict[str, Any], to: str) -> int:
    """Gas of the outermost calls to an address."""
    if str(frame.get("to", "")).lower() == to.lower():
        return int(frame["gasUsed"], 16)
    return sum(frames(call, to) for call in frame.get("calls", ()))


def measure(model: Model, window_blocks: int, rounds: int) -> list[Measured]:
    """Answer rounds on a fresh node, and split what each costs."""
    with Chain.anvil() as chain:
        client = model.mint_on(chain)
        minted = client.model(model.plan.model_id)
        assert minted is not None
        terms = FeedTerms(
            model_id=minted.model_id,
            commitment_hash=minted.commitment_hash,
            owner=chain.address,
            schedule=Schedule(
                first_block=chain.block_number + 10, cadence=CADENCE, horizon=5, grace=5
            ),
            min_answer=-(10**15),
            max_answer=10**15,
            deviation_floor=10**15,
            description="gas of a gas feed",
        )
        plan = GasFeedPlan(terms=terms, window_blocks=window_blocks)
        feed, actions = GasFeedClient.deploy(chain, plan)
        for action in actions:
            print(f"{action.name:24} {action.gas:10,}")
        verifier = model.manifest.circuits.inference
        return [_round(model, chain, feed, round_, verifier) for round_ in range(1, rounds + 1)]


def _round(model: Model, chain: Chain, feed: GasFeedClient, round_: int, circuit: Any) -> Measured:
    chain.wait_for_block(feed.schedule.window_end(round_))
    window = feed.window(round_)
    record = model.prove(feed, window)
    action = feed.submit(round_, circuit, record, window=window)
    provider: Any = chain._node.w3.provider
    answer = provider.make_request(
        "debug_traceTransaction", [action.transaction, {"tracer": "callTracer"}]
    )["result"]
    spec = project_verifiers(model.project, model.manifest.circuits).specs.inference
    values = b"".join(value.to_bytes(32, "big") for value in record.proof.public_values)
    return Measured(
        round=round_,
        gas=action.gas,
        headers=sum(map(calldata_gas, window.headers))
        + sum(
            int(call["gasUsed"], 16)
            for call in answer["calls"]
            if str(call["to"]).lower() == feed.history.address.lower() and call["type"] == "CALL"
        ),
        proof=calldata_gas(record.proof.proof + values)
        + frames(answer, model.plan.addresses.registry),
        verifier=frames(answer, spec.verifier),
    )


def main() -> int:
    """Measure, print a table and write FOLDER/feed-gas.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--window", type=int, default=8, help="blocks in a window")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = Model(arguments.folder, arguments.window)
    measured = measure(model, arguments.window, arguments.rounds)
    print("round, gas, of which headers, proof (of which the verifier), rest")
    for m in measured:
        print(f"{m.round:5} {m.gas:10,} {m.headers:9,} {m.proof:9,} ({m.verifier:,}) {m.rest:8,}")
    result = [vars(m) | {"rest": m.rest} for m in measured]
    (arguments.folder / "feed-gas.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
