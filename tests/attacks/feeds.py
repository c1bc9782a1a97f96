"""A gas feed of a real model with real proofs, on the in-process chain.

The model reads windows of four blocks: linear, seven features, two update steps in one block proof.
It knows nothing about gas: what is shown here holds for any weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from zkdescent.core.records import InferenceRecord, ProofRecord
from zkdescent.verifier import (
    Chain,
    FeedTerms,
    GasFeedClient,
    GasFeedPlan,
    GasWindow,
    Model,
    Schedule,
    TrainingClient,
)

WINDOW = 4
FEATURES = 2 * WINDOW - 1
HORIZON, GRACE, CADENCE = 3, 2, 4
MODEL = f"from torch import nn\n\n\ndef build(n={FEATURES}):\n    return nn.Linear(n, 1)\n"


def rows() -> str:
    """Eight rows of seven features: one batch block."""
    draw = random.Random(0)
    lines = [",".join([*(f"x{k}" for k in range(FEATURES)), "y"])]
    lines += [",".join(f"{draw.gauss(0, 0.1):.4f}" for _ in range(FEATURES + 1)) for _ in range(8)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, eq=False)
class FeedWorld:
    """A trained model with its prover, and the chain that it is minted on."""

    run: Any  # a HonkRun of tests/prover/honk.py
    path: Path

    def terms(self, model: Model, first_block: int, description: str, **terms: Any) -> FeedTerms:
        """Terms of a feed that nothing but cadence holds back."""
        schedule = Schedule(first_block=first_block, cadence=CADENCE, horizon=HORIZON, grace=GRACE)
        usual: dict[str, Any] = {"min_answer": -(10**12), "max_answer": 10**12}
        usual |= {"deviation_ppm": 10_000_000, "deviation_floor": 10**12}
        return FeedTerms(
            model_id=model.model_id,
            commitment_hash=model.commitment_hash,
            owner="0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            schedule=schedule,
            description=description,
            **(usual | terms),
        )

    def feed(self, chain: Chain, description: str, **terms: Any) -> GasFeedClient:
        """A feed whose round 1 ends ten blocks ahead."""
        model = TrainingClient(chain).model(self.run.plan.model_id)
        assert model is not None
        planned = self.terms(model, chain.block_number + 10, description, **terms)
        return GasFeedClient.deploy(chain, GasFeedPlan(terms=planned, window_blocks=WINDOW))[0]

    @property
    def circuit(self) -> Any:
        """The inference circuit."""
        return self.run.circuit("inference")

    def prove(
        self, feed: GasFeedClient, round_: int, features: Sequence[int], *, weights: Any = None
    ) -> InferenceRecord:
        """A valid proof for a feed and a round, of any features and any weights."""
        plan = self.run.plan
        context = plan.inference_context(feed.address, round_)
        state = self.run.states[-1] if weights is None else weights
        made = self.run.prove("inference", [context], state, features)
        return InferenceRecord(
            chain_id=plan.chain_id,
            registry=plan.addresses.registry,
            model_id=plan.model_id,
            requester=feed.address,
            nonce=round_,
            proof=ProofRecord(
                role="inference",
                index=round_,
                circuit=self.circuit.vk_sha256,
                context=context,
                proof=made.proof,
                public_values=made.public_values,
            ),
        )


@cache
def feed_world(folder: Path, honk: Any, write_project: Callable[..., Path]) -> FeedWorld:
    """Train, prove, mint; once in a session."""
    run = honk.proven_run(
        write_project(
            folder / "feed" / "model", model=MODEL, rows=rows(), steps=2, logrows="auto",
            extra='backend = "barretenberg"',
        )
    )  # fmt: skip
    path = folder / "feed" / "chain"
    with Chain.tester(path) as chain:
        run.submit_to(run.open_on(chain))
    return FeedWorld(run, path)


def reach(chain: Chain, feed: GasFeedClient, round_: int) -> GasWindow:
    """Mine until a round's window is complete, and read it."""
    chain.wait_for_block(feed.schedule.window_end(round_))
    return feed.window(round_)


def for_round(record: InferenceRecord, round_: int) -> InferenceRecord:
    """The record passed off as one of another round."""
    return replace(record, nonce=round_)
