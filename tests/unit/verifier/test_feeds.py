"""Clients of feeds: terms, rounds, and submissions over a stand-in verifier."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from eth_typing import ABIFunction
from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ChainError, ConfigError
from zkdescent.verifier import (
    FeedTerms,
    GasFeedClient,
    GasFeedPlan,
    Schedule,
    TrainingClient,
)
from zkdescent.verifier.artifacts import load_artifact
from zkdescent.verifier.twins import gas_answer

WINDOW = 2  # three features, as many as the synthetic model has
CHAINLINK = {
    "decimals": "0x313ce567",
    "description": "0x7284e416",
    "version": "0x54fd4d50",
    "getRoundData": "0x9a6fc8f5",
    "latestRoundData": "0xfeaf968c",
}
"""Published selectors of AggregatorV3Interface (smartcontractkit/chainlink)."""


def terms(client: TrainingClient, synthetic: ModuleType, **changes: Any) -> FeedTerms:
    model = client.model(synthetic.World().plan.model_id)
    assert model is not None
    first = client.chain.block_number + 5
    usual: dict[str, Any] = {
        "model_id": model.model_id,
        "commitment_hash": model.commitment_hash,
        "owner": synthetic.ACCOUNT,
        "schedule": Schedule(first_block=first, cadence=4, horizon=3, grace=2),
        "min_answer": 0,
        "max_answer": 10**12,
        "deviation_floor": 10**12,
        "description": "base fee",
    }
    return FeedTerms(**(usual | changes))


def deploy(client: TrainingClient, synthetic: ModuleType, **changes: Any) -> GasFeedClient:
    plan = GasFeedPlan(terms=terms(client, synthetic, **changes), window_blocks=WINDOW)
    feed, actions = GasFeedClient.deploy(client.chain, plan)
    assert feed.address == plan.address
    assert actions[1].sent
    assert not any(action.sent for action in GasFeedClient.deploy(client.chain, plan)[1])
    return feed


def infer(synthetic: ModuleType, feed: GasFeedClient, round_: int, features: Any = None) -> Any:
    inputs = feed.window(round_).features if features is None else features
    return synthetic.World().inference(round_, inputs=inputs, requester=feed.address)


@given(st.integers(1, 10**6), st.integers(1, 1000), st.integers(0, 50), st.integers(0, 10**7))
def test_the_newest_round_is_the_last_complete_one(
    first: int, cadence: int, late: int, block: int
) -> None:
    when = Schedule(first_block=first, cadence=cadence, horizon=late, grace=1)
    round_ = when.newest_round(block)
    assert when.window_end(round_ + 1) >= block
    assert round_ == 0 or when.window_end(round_) < block
    assert when.is_open(round_, block) == (round_ > 0 and block <= when.last_block(round_))


def test_a_round_from_submission_to_every_face(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    chain, circuit = minted.chain, synthetic.World().circuits.inference
    feed = deploy(minted, synthetic)
    assert feed.state().latest is None
    assert feed.due_round() is None
    chain.wait_for_block(feed.schedule.window_end(1))
    assert feed.due_round() is None
    chain.mine()
    assert feed.due_round() == 1
    window = feed.window(1)
    record = infer(synthetic, feed, 1)
    assert feed.submit(1, circuit, record, reusable=False).sent
    assert not feed.submit(1, circuit, record, reusable=False).sent
    expected = gas_answer(window.base_fee_wei, -123, feed.fraction_bits)
    state = feed.state()
    assert state.latest is not None
    assert (state.round, state.latest.value, state.tripped, state.stale) == (
        1, expected, False, False,
    )  # fmt: skip
    assert feed.latest_round_data()[:2] == (1, expected)
    assert feed.value_for() == (expected, window.blocks[-1].timestamp_s, 200)
    assert feed.api3_read() == (expected, window.blocks[-1].timestamp_s)
    assert feed.due_round() is None
    on_chain = chain.call(feed.contract.functions.featuresOf(1))
    assert tuple(on_chain) == window.features
    assert chain.call(feed.contract.functions.currentRound()) in (0, 1)


def test_headers_that_are_recorded_are_not_sent_again(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    feed, circuit = deploy(minted, synthetic), synthetic.World().circuits.inference
    minted.chain.wait_for_block(feed.schedule.window_end(1))
    minted.chain.send(feed.history.functions.record(list(feed.window(1).headers)))
    first = feed.submit(1, circuit, infer(synthetic, feed, 1), reusable=False)
    minted.chain.wait_for_block(feed.schedule.window_end(2))
    second = feed.submit(2, circuit, infer(synthetic, feed, 2), reusable=False)
    assert second.gas > first.gas


def test_submit_refuses_an_inference_of_something_else_before_gas_is_spent(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    feed, circuit = deploy(minted, synthetic), synthetic.World().circuits.inference
    minted.chain.wait_for_block(feed.schedule.window_end(1))
    record = infer(synthetic, feed, 1)
    before = minted.chain.block_number
    for changes, what in (
        ({"chain_id": 1}, "chain"),
        ({"requester": synthetic.ACCOUNT}, "feed"),
        ({"nonce": 2}, "round"),
        ({"model_id": 1}, "model"),
    ):
        with pytest.raises(ChainError, match=f"another {what}"):
            feed.submit(1, circuit, replace(record, **changes))
    with pytest.raises(ChainError, match="headers have changed"):
        feed.submit(1, circuit, infer(synthetic, feed, 1, (0, 0, 0)))
    assert minted.chain.block_number == before


def test_deploy_says_what_a_feed_needs_of_its_model(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    with pytest.raises(ChainError, match="refuses its terms") as refused:
        deploy(minted, synthetic, commitment_hash=bytes(32))
    assert "3 features" in str(refused.value.expected)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"first_block": 0}, "first_block"),
        ({"cadence": 0}, "cadence"),
        ({"horizon": -1}, "horizon"),
        ({"horizon": 0, "grace": 0}, "never open"),
    ],
)
def test_schedules_without_rounds_are_refused(changes: dict[str, int], what: str) -> None:
    usual = {"first_block": 1, "cadence": 1, "horizon": 1, "grace": 1}
    Schedule(**usual)
    with pytest.raises(ConfigError, match=what):
        Schedule(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"description": ""}, "description"),
        ({"description": "x" * 32}, "description"),
        ({"owner": "0x12"}, "owner"),
        ({"guardian": "nobody"}, "guardian"),
        ({"stale_seconds": 0}, "stale_seconds"),
        ({"timelock_seconds": 59}, "timelock_seconds"),
        ({"min_answer": 2, "max_answer": 1}, "bounds"),
    ],
)
def test_terms_that_make_no_feed_are_refused(changes: dict[str, Any], what: str) -> None:
    usual: dict[str, Any] = {
        "model_id": 1,
        "commitment_hash": bytes(32),
        "owner": "0x" + "11" * 20,
        "schedule": Schedule(first_block=1, cadence=1, horizon=1, grace=1),
        "min_answer": 0,
        "max_answer": 1,
        "description": "a feed",
    }
    FeedTerms(**usual)
    with pytest.raises(ConfigError, match=what):
        FeedTerms(**(usual | changes))


def made_up(cadence: int = 1, first_block: int = 100, grace: int = 1) -> FeedTerms:
    return FeedTerms(
        model_id=1,
        commitment_hash=bytes(32),
        owner="0x" + "11" * 20,
        schedule=Schedule(first_block=first_block, cadence=cadence, horizon=1, grace=grace),
        min_answer=0,
        max_answer=1,
        description="a feed",
    )


def test_a_term_out_of_range_is_refused_by_name() -> None:
    assert GasFeedPlan(terms=made_up()).address != GasFeedPlan(terms=made_up(cadence=2)).address
    with pytest.raises(ConfigError, match="out of range"):
        _ = GasFeedPlan(terms=made_up(cadence=2**40)).address


def test_plans_that_make_no_gas_feed_are_refused() -> None:
    for window in (1, 65):
        with pytest.raises(ConfigError, match="window"):
            GasFeedPlan(terms=made_up(), window_blocks=window)
    GasFeedPlan(terms=made_up(first_block=7))
    with pytest.raises(ConfigError, match="whole window"):
        GasFeedPlan(terms=made_up(first_block=6))
    GasFeedPlan(terms=made_up(grace=247))
    with pytest.raises(ConfigError, match="too short") as refused:
        GasFeedPlan(terms=made_up(grace=248))
    assert refused.value.expected == "capacity >= 257"


def test_the_abi_in_the_wheel_has_chainlinks_face() -> None:
    functions = {
        entry["name"]: abi_to_signature(cast(ABIFunction, entry))
        for entry in load_artifact("GasFeed").abi
        if entry["type"] == "function"
    }
    for name, selector in CHAINLINK.items():
        assert "0x" + function_signature_to_4byte_selector(functions[name]).hex() == selector
    (latest,) = (e for e in load_artifact("GasFeed").abi if e.get("name") == "latestRoundData")
    outputs = [(part["name"], part["type"]) for part in latest["outputs"]]
    assert outputs == [
        ("roundId", "uint80"), ("answer", "int256"), ("startedAt", "uint256"),
        ("updatedAt", "uint256"), ("answeredInRound", "uint80"),
    ]  # fmt: skip


VECTORS = Path(
    os.environ.get("ZKDESCENT_VECTORS") or Path(__file__).resolve().parents[4] / "shared/vectors"
)


@pytest.mark.realdata
def test_the_abi_equals_the_published_one() -> None:
    """Chainlink's AggregatorV3Interface (smartcontractkit/chainlink-brownie-contracts, MIT)."""
    published = json.loads((VECTORS / "AggregatorV3Interface.abi.json").read_text())
    own = {entry.get("name"): entry for entry in load_artifact("GasFeed").abi}
    for entry in published:
        ours = dict(own[entry["name"]])
        if ours["stateMutability"] == "pure":  # narrower than view, and called the same
            ours["stateMutability"] = "view"
        assert ours == entry
