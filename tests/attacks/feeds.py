"""A gas feed of a real model with real proofs, on the in-process chain.

The model is the tiny project's: linear, three features, which is a window of two blocks. It knows
nothing about gas: what is shown here holds for any weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

WINDOW = 2
HORIZON, GRACE, CADENCE = 3, 2, 4


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


def reach(chain: Chain, feed: GasFeedClient, round_: int) -> GasWindow:
    """Mine until a round's window is complete, and read it.

    A transaction in the last block of every second window makes its features others than before.
    """
    end = feed.schedule.window_end(round_)
    if round_ % 2 == 0:
        chain.wait_for_block(end - 1)
        chain.send_data("0x" + "0b" * 20, b"", action="a payment")
    chain.wait_for_block(end + 1)
    return feed.window(round_)
