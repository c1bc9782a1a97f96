"""Somebody who wants a gas feed to say what the model does not.

He has the model, a prover and any headers he likes, and may submit as everybody may. He tries a
feature off by one, headers of a fork, out of order and with a gap, an old window as the newest,
another model's proof, an answer beyond the bounds, a jump beyond the breaker, and a moment that is
not the round's. Each is refused by its own name before anything is stored, and the jump trips the
feed, which then says nothing new. A reader who uses FeedReader never acts on a feed that is stale.

Proofs are real; each lie is told next to the honest submission that is accepted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import rlp
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.core.records import InferenceRecord
from zkdescent.verifier import Chain, ContractRefused, GasFeedClient, GasWindow
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import gas_answer

from .feeds import (
    CADENCE,
    GRACE,
    HORIZON,
    WINDOW,
    FeedWorld,
    attempt,
    reach,
    reader_of,
    refusal,
    submit,
)

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]


@pytest.fixture(scope="module")
def chain(feeds: FeedWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain with the model; the tests of this module share it, and each has a feed of its own."""
    path = shutil.copy(feeds.path, tmp_path_factory.mktemp("lies") / "chain")
    with Chain.tester(path) as opened:
        yield opened


def forged(header: bytes, field: int, value: bytes) -> bytes:
    """A header with another field, well-formed."""
    fields = list(rlp.decode(header))
    fields[field] = value
    return bytes(rlp.encode(fields))


def test_an_honest_round_and_the_lies_about_it(feeds: FeedWorld, chain: Chain) -> None:
    feed = feeds.feed(chain, "lies")
    early = feed.contract.functions.submit(1, [], [0], (b"", [], []))
    with pytest.raises(ContractRefused) as refused:
        chain.send(early)
    assert refused.value.error_name == "RoundNotDue"
    assert feed.due_round() is None
    window = reach(chain, feed, 1)
    assert feed.due_round() == 1
    honest = feeds.prove(feed, 1, window.features)

    # A feature off by one, with a valid proof of it.
    features = list(window.features)
    features[2] += 1
    name, code, values = attempt(feeds, feed, feeds.prove(feed, 1, features), window.headers)
    assert (name, code, values["index"]) == ("InputDiffers", 3, 2)
    assert (values["claimed"], values["proven"]) == (window.features[2], features[2])

    headers_lie(feeds, feed, honest, window)

    # Another model's proof: the model before it was trained.
    other = feeds.prove(feed, 1, window.features, weights=feeds.run.states[0])
    assert attempt(feeds, feed, other, window.headers)[:2] == ("StateDiffers", 3)
    # Another round's, and a spoiled one.
    name, code, _ = attempt(feeds, feed, replace(honest, nonce=0), window.headers, round_=1 + 10**6)
    assert (name, code) == ("RoundNotDue", 1)
    proof = bytearray(honest.proof.proof)
    proof[-1] ^= 1
    spoiled = replace(honest, proof=replace(honest.proof, proof=bytes(proof)))
    assert attempt(feeds, feed, spoiled, window.headers)[:2] == ("ProofRejected", 3)

    accepted(feeds, feed, honest, window)
    old_windows(feeds, chain, feed, honest, window)


def headers_lie(
    feeds: FeedWorld, feed: GasFeedClient, honest: InferenceRecord, window: GasWindow
) -> None:
    headers = list(window.headers)
    newest = forged(headers[-1], 10, b"\x01")  # gas used, of a fork
    name, code, values = attempt(feeds, feed, honest, [*headers[:-1], newest])
    assert (name, code, values["got"]) == ("NotThisChain", 3, keccak(newest))
    older = forged(headers[0], 15, b"\x01")  # a base fee
    name, code, values = attempt(feeds, feed, honest, [older, headers[1]])
    assert (name, code, values["index"], values["got"]) == ("NotTheParent", 3, 0, keccak(older))
    assert attempt(feeds, feed, honest, headers[::-1])[:2] == ("NotTheParent", 3), "out of order"
    before = feed._chain.header_rlp(window.blocks[0].number - 1)
    assert attempt(feeds, feed, honest, [before, headers[1]])[:2] == ("NotTheParent", 3), "a gap"
    name, code, values = attempt(feeds, feed, honest, headers[1:])
    assert (name, values["number"]) == ("BlockNotRecorded", window.blocks[0].number)


def accepted(
    feeds: FeedWorld, feed: GasFeedClient, honest: InferenceRecord, window: GasWindow
) -> None:
    action = feed.submit(1, feeds.circuit, honest)
    assert action.sent
    assert not feed.submit(1, feeds.circuit, honest).sent, "found done"
    _, outputs = split_values(feeds.circuit, honest)
    expected = gas_answer(window.base_fee_wei, outputs[0], feed.fraction_bits)
    assert feed.predicted(window, outputs[0]) == expected
    oldest, newest = window.blocks[0].timestamp_s, window.blocks[-1].timestamp_s
    assert feed.latest_round_data() == (1, expected, oldest, newest, 1)
    assert feed.value_for() == (expected, newest, 200)
    assert feed.value_for(bytes(32)) == (0, 0, 400)
    assert feed.api3_read() == (expected, newest)
    assert feed.due_round() is None
    assert attempt(feeds, feed, honest, window.headers)[:2] == ("RoundNotNew", 1)
    on_chain = feed._chain.call(feed.contract.functions.featuresOf(1))
    assert tuple(on_chain) == window.features


def old_windows(
    feeds: FeedWorld, chain: Chain, feed: GasFeedClient, honest: InferenceRecord, old: GasWindow
) -> None:
    """The window of round 1 presented as that of round 2, in every way; and too late."""
    window = reach(chain, feed, 2)
    assert attempt(feeds, feed, honest, window.headers, round_=2)[:2] == ("InputDiffers", 3)
    again = feeds.prove(feed, 2, old.features)
    assert attempt(feeds, feed, again, window.headers)[:2] == ("InputDiffers", 3)
    assert attempt(feeds, feed, again, old.headers)[0] == "BlockNotRecorded"
    with pytest.raises(ChainError, match="headers have changed"):
        feed.submit(2, feeds.circuit, again)
    with pytest.raises(ChainError, match="another round"):
        feed.submit(2, feeds.circuit, honest)
    chain.wait_for_block(feed.schedule.last_block(2))
    name, code, values_ = attempt(feeds, feed, again, window.headers)
    assert (name, code, values_["lastBlock"]) == ("RoundExpired", 1, feed.schedule.last_block(2))
    assert feed.schedule.last_block(2) == feed.schedule.first_block + CADENCE + HORIZON + GRACE


def test_an_answer_beyond_the_bounds_is_never_clamped(feeds: FeedWorld, chain: Chain) -> None:
    feed = feeds.feed(chain, "bounds", min_answer=10**12 - 1, max_answer=10**12)
    window = reach(chain, feed, 1)
    record = feeds.prove(feed, 1, window.features)
    name, code, values = attempt(feeds, feed, record, window.headers)
    assert (name, code, values["low"], values["high"]) == (
        "AnswerOutOfBounds", 3, 10**12 - 1, 10**12,
    )  # fmt: skip
    _, outputs = split_values(feeds.circuit, record)
    assert values["answer"] == feed.predicted(window, outputs[0])


def test_a_jump_beyond_the_breaker_trips_the_feed_and_readers_stop(
    feeds: FeedWorld, chain: Chain
) -> None:
    # The base fee falls with every empty block, so any second answer is a jump for this feed.
    feed = feeds.feed(chain, "nervous", deviation_ppm=0, deviation_floor=0, stale_seconds=3600)
    payments = reader_of(chain, feed)
    assert refusal(chain, payments) == "FeedHasNoAnswer"
    held = submit(feeds, chain, feed, 1)
    assert refusal(chain, payments) in (None, "BetterWait", "FeedOutOfRange"), "it is read"
    submit(feeds, chain, feed, 2)
    state = feed.state()
    assert state.tripped
    assert state.latest is not None
    assert (state.latest.round, state.latest.value) == (1, held)
    assert feed.value_for() == (0, 0, 404)
    assert feed.latest_round_data()[:2] == (1, held)
    assert refusal(chain, payments) == "FeedIsTripped"
    window = reach(chain, feed, 3)
    record = feeds.prove(feed, 3, window.features)
    assert attempt(feeds, feed, record, window.headers)[:2] == ("FeedTripped", 1)


@pytest.fixture
def stranger(feeds: FeedWorld, tmp_path: Path) -> Iterator[Chain]:
    """The same chain for an account that has no part in any of it."""
    with Chain.tester(shutil.copy(feeds.path, tmp_path / "stranger"), account=1) as opened:
        yield opened


def test_a_stranger_submits_and_a_stale_feed_is_not_acted_on(
    feeds: FeedWorld, stranger: Chain
) -> None:
    feed = feeds.feed(stranger, "anybody's", stale_seconds=300)
    payments = reader_of(stranger, feed)
    submit(feeds, stranger, feed, 1)
    functions = feed.contract.functions
    for function, error in (
        (functions.pause(), "NotGuardian"),
        (functions.announceModel(*feed.model), "OwnableUnauthorizedAccount"),
        (functions.reset(), "FeedNotTripped"),
        (functions.appointGuardian(stranger.address), "OwnableUnauthorizedAccount"),
    ):
        with pytest.raises(ContractRefused) as refused:
            stranger.send(function)
        assert refused.value.error_name == error
    assert feed.window_blocks == WINDOW
    assert refusal(stranger, payments) != "FeedIsStale"
    stranger.mine(310)  # a second each at least
    assert feed.state().stale
    assert refusal(stranger, payments) == "FeedIsStale"
    assert feed.value_for() == (0, 0, 404)
