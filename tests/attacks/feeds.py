"""A gas feed of a real model with real proofs, on the in-process chain.

The model is the tiny project's: linear, three features, which is a window of two blocks. It knows
nothing about gas: what is shown here holds for any weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from zkdescent.core.errors import ContractRejected
from zkdescent.core.records import InferenceRecord, ProofRecord
from zkdescent.verifier import (
    Chain,
    ContractRefused,
    FeedTerms,
    GasFeedClient,
    GasFeedPlan,
    GasWindow,
    Model,
    Schedule,
    TrainingClient,
    deploy_code,
)
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.registry import split_values

WINDOW = 2
HORIZON, GRACE, CADENCE = 3, 2, 4


@dataclass(frozen=True, eq=False)
class FeedWorld:
    """A trained model with its prover, and the chain that it is minted on."""

    run: Any  # a HonkRun of tests/prover/honk.py
    path: Path

    def terms(
        self,
        model: Model,
        first_block: int,
        description: str,
        *,
        grace: int = GRACE,
        **terms: Any,
    ) -> FeedTerms:
        """Terms of a feed that nothing but cadence holds back."""
        schedule = Schedule(first_block=first_block, cadence=CADENCE, horizon=HORIZON, grace=grace)
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

    def feed(
        self, chain: Chain, description: str, *, first_block: int | None = None, **terms: Any
    ) -> GasFeedClient:
        """A feed whose round 1 ends ten blocks ahead, or in a block that may be there already."""
        model = TrainingClient(chain).model(self.run.plan.model_id)
        assert model is not None
        planned = self.terms(model, first_block or chain.block_number + 10, description, **terms)
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


def attempt(
    feeds: FeedWorld,
    feed: GasFeedClient,
    record: InferenceRecord,
    headers: Sequence[bytes],
    *,
    round_: int = 0,
) -> tuple[str, int, dict[str, Any]]:
    """Submit as an attacker does, past the checks of our client: error, exit code, values.

    A call on the newest state sees the block that this state belongs to; the transaction is what
    counts here, and is sent.
    """
    _, outputs = split_values(feeds.circuit, record)
    proof = evidence(feeds.circuit, record.proof, reusable=False)
    function = feed.contract.functions.submit(round_ or record.nonce, list(headers), outputs, proof)
    before = feed.state()
    with pytest.raises((ContractRejected, ContractRefused)) as refused:
        feed._chain.send(function, action="lie")
    assert feed.state() == before
    error: Any = refused.value
    return error.error_name, error.exit_code, error.values


def submit(feeds: FeedWorld, chain: Chain, feed: GasFeedClient, round_: int) -> int:
    """An honest submission; its answer."""
    window = reach(chain, feed, round_)
    record = feeds.prove(feed, round_, window.features)
    assert feed.submit(round_, feeds.circuit, record, window=window).sent
    return feed.predicted(window, split_values(feeds.circuit, record)[1][0])


def reader_of(chain: Chain, feed: GasFeedClient) -> Any:
    """The example that acts on a feed through FeedReader."""
    code = load_artifact("PatientPayments").creation_code
    code += encode(["address", "uint256", "uint256", "uint256"], [feed.address, 3600, 0, 3600])
    deploy_code(chain, code, action="deploy PatientPayments")
    return chain.contract("PatientPayments", predict_address(code))


def refusal(chain: Chain, payments: Any) -> str | None:
    """Why the reader does not act now; None if it does."""
    try:
        chain.call(payments.functions.requireGoodMoment())
    except ContractRefused as error:
        return error.error_name
    return None
