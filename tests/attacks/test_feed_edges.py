"""The last thing that a feed takes, beside the first that it doesn't, with real proofs.

Bounds, breaker, cadence and age are each met exactly, and then missed by one: by a wei, a block, a
second. The window of a feed may be older than the feed, so the twins are deployed over blocks whose
answers are known, and differ from each other in the one term that is looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.verifier import Chain, GasFeedClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import read_header

from .feeds import CADENCE, GRACE, HORIZON, FeedWorld, attempt, reach, reader_of, refusal, submit

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.slow]
STALE_S = 400
LONG = 60  # blocks of grace: time to deploy the twins


@dataclass(frozen=True)
class Known:
    """Two rounds of a feed that nothing holds back, and so the answers of each twin over them."""

    feeds: FeedWorld
    path: Path
    chain: Chain
    first_block: int
    answers: tuple[int, int]

    def twin(self, description: str, **terms: Any) -> GasFeedClient:
        """Another feed over the same rounds."""
        usual: dict[str, Any] = {"deviation_ppm": 0, "stale_seconds": STALE_S, "grace": LONG}
        return self.feeds.feed(
            self.chain, description, first_block=self.first_block, **(usual | terms)
        )

    def refused(self, feed: GasFeedClient, round_: int) -> tuple[str, dict[str, Any]]:
        """Submit a round with a valid proof, which the feed refuses: error and values."""
        window = feed.window(round_)
        record = self.feeds.prove(feed, round_, window.features)
        name, code, values = attempt(self.feeds, feed, record, window.headers)
        assert code in (1, 3)
        return name, values


@pytest.fixture
def apart(known: Known, tmp_path: Path) -> Iterator[Known]:
    """The same on a chain of its own, for who lets time pass."""
    with Chain.tester(shutil.copy(known.path, tmp_path / "apart")) as chain:
        yield replace(known, chain=chain)


@pytest.fixture(scope="module")
def known(feeds: FeedWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    path = shutil.copy(feeds.path, tmp_path_factory.mktemp("edges") / "chain")
    with Chain.tester(path) as chain:
        scout = feeds.feed(chain, "scout", grace=LONG)
        first, second = submit(feeds, chain, scout, 1), submit(feeds, chain, scout, 2)
        assert first != second
        yield Known(feeds, Path(path), chain, scout.schedule.first_block, (first, second))


def test_bounds_breaker_and_age_met_exactly(apart: Known) -> None:
    first, second = apart.answers
    feed = apart.twin(
        "exact",
        min_answer=min(apart.answers),
        max_answer=max(apart.answers),
        deviation_floor=abs(second - first),
    )
    payments = reader_of(apart.chain, feed)
    assert submit(apart.feeds, apart.chain, feed, 1) == first
    assert submit(apart.feeds, apart.chain, feed, 2) == second
    state = feed.state()
    assert state.latest is not None
    assert (state.latest.round, state.latest.value, state.tripped) == (2, second, False)

    # A block is a second here.
    last = state.latest.updated_at_s + STALE_S
    head = read_header(apart.chain.header_rlp(apart.chain.block_number))
    apart.chain.mine(last - head.timestamp_s)
    assert not feed.state().stale
    assert refusal(apart.chain, payments) != "FeedIsStale"
    assert feed.value_for()[2] == 200
    apart.chain.mine()
    assert feed.state().stale
    assert refusal(apart.chain, payments) == "FeedIsStale"
    assert feed.value_for()[2] == 404


def test_a_wei_below_and_above_the_bounds(known: Known) -> None:
    answer = known.answers[0]
    low = known.twin("a wei too low", min_answer=answer + 1, max_answer=10**12)
    name, values = known.refused(low, 1)
    assert (name, values["answer"], values["low"]) == ("AnswerOutOfBounds", answer, answer + 1)
    high = known.twin("a wei too high", min_answer=-(10**12), max_answer=answer - 1)
    name, values = known.refused(high, 1)
    assert (name, values["answer"], values["high"]) == ("AnswerOutOfBounds", answer, answer - 1)


def test_a_wei_beyond_the_breaker(known: Known) -> None:
    first, second = known.answers
    feed = known.twin("nervous by a wei", deviation_floor=abs(second - first) - 1)
    assert submit(known.feeds, known.chain, feed, 1) == first
    submit(known.feeds, known.chain, feed, 2)
    state = feed.state()
    assert state.latest is not None
    assert (state.latest.round, state.latest.value, state.tripped) == (1, first, True)


def test_the_first_block_of_a_round_and_the_last(known: Known) -> None:
    feeds, chain = known.feeds, known.chain
    feed = feeds.feed(chain, "to the block")
    schedule = feed.schedule
    # In the block that ends the window: its own hash is not known to it, so no proof can be right.
    end = schedule.window_end(1)
    chain.wait_for_block(end - 1)
    early = feed.contract.functions.submit(1, [], [0], (b"", [], []))
    assert refused_by(chain, early) == (
        "RoundNotDue",
        {"round": 1, "windowEnd": end, "blockNumber": end},
    )

    chain.mine()
    window = feed.window(1)
    record = feeds.prove(feed, 1, window.features)
    _, outputs = split_values(feeds.circuit, record)
    proof = evidence(feeds.circuit, record.proof, reusable=False)
    honest = feed.contract.functions.submit(1, list(window.headers), outputs, proof)
    assert chain.send(honest, action="the first block").block_number == end + 1

    last = schedule.last_block(2)
    assert last == end + CADENCE + HORIZON + GRACE
    window = reach(chain, feed, 2)
    record = feeds.prove(feed, 2, window.features)
    chain.wait_for_block(last - 1)
    assert feed.submit(2, feeds.circuit, record, window=window).sent
    assert chain.block_number == last

    window = reach(chain, feed, 3)
    record = feeds.prove(feed, 3, window.features)
    last = schedule.last_block(3)
    chain.wait_for_block(last)
    name, _, values = attempt(feeds, feed, record, window.headers)
    assert (name, values["lastBlock"], values["blockNumber"]) == ("RoundExpired", last, last + 1)


def refused_by(chain: Chain, function: Any) -> tuple[str, dict[str, Any]]:
    """The error of a transaction that must be refused."""
    from zkdescent.verifier import ContractRefused

    with pytest.raises(ContractRefused) as refused:
        chain.send(function)
    return refused.value.error_name, refused.value.values
