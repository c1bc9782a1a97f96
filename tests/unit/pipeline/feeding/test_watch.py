"""Gaps are told: each one, once it can't change, also after a kill; never an answered round."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.pipeline.feeding.watch import Gap, RoundWatch
from zkdescent.verifier.feed_terms import Schedule
from zkdescent.verifier.feeds import Answer, FeedState, GasFeedClient

SCHEDULE = Schedule(first_block=100, cadence=4, horizon=5, grace=2)
DEPTH = 3


@dataclass
class Feed:
    """A feed's events: block by answered round."""

    answered: dict[int, int] = field(default_factory=dict)
    schedule: Schedule = SCHEDULE

    def state(self) -> FeedState:
        latest = max(self.answered, default=0)
        return FeedState(Answer(latest, 1, 1, 1) if latest else None, False, False, 0)

    def answered_rounds(self, first_block: int, last_block: int) -> list[int]:
        return [r for r, block in self.answered.items() if first_block <= block <= last_block]


def watch(feed: Feed, path: Path, genesis: str = "0x1") -> RoundWatch:
    client = cast("GasFeedClient", feed)
    return RoundWatch(client, path, settle_blocks=DEPTH, genesis=genesis)


def settled(round_: int) -> int:
    """The first head at which a round is judged."""
    return SCHEDULE.last_block(round_) + DEPTH - 1


def test_a_round_without_an_answer_is_told_when_its_time_is_deep_enough(tmp_path: Path) -> None:
    feed, told = Feed(), list[Gap]()
    it = watch(feed, tmp_path / "keeper.json")
    feed.answered = {1: 101, 3: 111}
    assert it.judge(settled(2) - 1, told.append) == 1
    assert told == []
    it.judge(settled(2), told.append)
    assert told == [Gap(2, 2)]
    it.judge(settled(5), told.append)
    assert told == [Gap(2, 2), Gap(4, 5)]
    assert it.judge(settled(5), told.append) == 0
    assert len(told) == 2


def test_what_nobody_kept_is_told_after_a_restart(tmp_path: Path) -> None:
    feed, told = Feed(), list[Gap]()
    watch(feed, tmp_path / "keeper.json")
    feed.answered = {2: 106, 9: 133}
    watch(feed, tmp_path / "keeper.json").judge(settled(9), told.append)
    assert told == [Gap(1, 1), Gap(3, 8)]


def test_a_kill_while_telling_tells_again(tmp_path: Path) -> None:
    feed, told = Feed({1: 101}), list[Gap]()
    it = watch(feed, tmp_path / "keeper.json")

    def killed(gap: Gap) -> None:
        told.append(gap)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        it.judge(settled(3), killed)
    watch(feed, tmp_path / "keeper.json").judge(settled(3), told.append)
    assert told == [Gap(2, 3), Gap(2, 3)]


def test_what_was_before_the_first_keeper_is_not_told(tmp_path: Path) -> None:
    told = list[Gap]()
    watch(Feed({7: 125}), tmp_path / "keeper.json").judge(settled(8), told.append)
    assert told == [Gap(8, 8)]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format":"zkdescent.keeper/2"}'])
def test_a_damaged_note_begins_where_the_feed_is(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "keeper.json").write_bytes(damage)
    told = list[Gap]()
    watch(Feed({7: 125}), tmp_path / "keeper.json").judge(settled(8), told.append)
    assert told == [Gap(8, 8)]


def test_another_chain_of_the_same_id_begins_anew(tmp_path: Path) -> None:
    watch(Feed({50: 299}), tmp_path / "keeper.json")
    told = list[Gap]()
    watch(Feed(), tmp_path / "keeper.json", "0x2").judge(settled(1), told.append)
    assert told == [Gap(1, 1)]


@settings(max_examples=15, deadline=None)  # each writes and flushes files
@given(answered=st.sets(st.integers(1, 30)), steps=st.lists(st.integers(0, 40), max_size=8))
def test_told_gaps_and_answers_make_up_all_rounds(
    tmp_path_factory: pytest.TempPathFactory, answered: set[int], steps: list[int]
) -> None:
    path = tmp_path_factory.mktemp("watch") / "keeper.json"
    feed, told = Feed(), list[Any]()
    it = watch(feed, path)
    feed.answered = {r: SCHEDULE.window_end(r) + 1 for r in answered}
    head = 90
    for step in [*steps, 500]:
        head += step
        it.judge(head, told.append)
        it = watch(feed, path)
    gaps = [r for gap in told for r in range(gap.first_round, gap.last_round + 1)]
    assert len(gaps) == len(set(gaps))
    judged = (head - DEPTH + 1 - 7 - 100) // 4 + 1
    assert set(gaps) == set(range(1, judged + 1)) - answered
