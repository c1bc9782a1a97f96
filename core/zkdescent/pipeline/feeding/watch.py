"""Which rounds are over, and which of them have no answer: every gap is told, also after a kill.

What was told is kept on disk. It is written after the telling, so a process that is killed in
between tells it again; none is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zkdescent.core._codec import canonical_json, parse_json
from zkdescent.core._files import storage_errors, write_bytes_atomic
from zkdescent.core.errors import ZkDescentError
from zkdescent.core.records import Record

if TYPE_CHECKING:
    from zkdescent.verifier import GasFeedClient

_BLOCKS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class _Told(Record):
    FORMAT: ClassVar[str | None] = "zkdescent.keeper/1"

    genesis: str
    next_round: int


@dataclass(frozen=True, slots=True)
class Gap(Record):
    """Rounds that never got an answer, first to last."""

    first_round: int
    last_round: int

    @property
    def rounds(self) -> int:
        """How many."""
        return self.last_round - self.first_round + 1


class RoundWatch:
    """Judges the rounds of a feed, each once, when nothing can change about them any more.

    Args:
        settle_blocks: how deep the last block in which a round could be submitted must be.
        genesis: hash of the chain's block 0; another chain starts anew.
    """

    def __init__(
        self, feed: GasFeedClient, path: Path, *, settle_blocks: int, genesis: str
    ) -> None:
        self._feed, self._path, self._depth = feed, path, settle_blocks
        known = self._read(genesis)
        # What was missed before the first keeper's time is on chain already (RoundsMissed).
        self._told = known or _Told(genesis, feed.state().round + 1)
        if known is None:
            self._write()

    def judge(self, head: int, tell: Callable[[Gap], None]) -> int:
        """Tell the gaps among the rounds that are over by block `head`; count the answered."""
        first, last = self._told.next_round, self._newest_over(head)
        if last < first:
            return 0
        answered = self._answered(first, last)
        fences = [first - 1, *answered, last + 1]
        for before, after in pairwise(fences):
            if after - before > 1:
                tell(Gap(before + 1, after - 1))
        self._told = replace(self._told, next_round=last + 1)
        self._write()
        return len(answered)

    def _newest_over(self, head: int) -> int:
        """The newest round whose last block, and `settle_blocks` - 1 more, are on the chain."""
        schedule = self._feed.schedule
        past = head - self._depth + 1 - schedule.horizon - schedule.grace - schedule.first_block
        return 0 if past < 0 else past // schedule.cadence + 1

    def _answered(self, first: int, last: int) -> list[int]:
        """The rounds among first .. last that have an answer, by the feed's events."""
        schedule = self._feed.schedule
        start, end = schedule.window_end(first) + 1, schedule.last_block(last)
        rounds: set[int] = set()
        for block in range(start, end + 1, _BLOCKS_AT_ONCE):
            stop = min(block + _BLOCKS_AT_ONCE - 1, end)
            rounds.update(self._feed.answered_rounds(block, stop))
        return sorted(r for r in rounds if first <= r <= last)

    def _write(self) -> None:
        with storage_errors(self._path):
            scratch = self._path.parent / "scratch"
            write_bytes_atomic(self._path, canonical_json(self._told), scratch=scratch)

    def _read(self, genesis: str) -> _Told | None:
        try:
            with storage_errors(self._path):
                data = self._path.read_bytes() if self._path.is_file() else None
            if data is not None:
                told = _Told.from_json(parse_json(data))
                if told.genesis == genesis:
                    return told
        except ZkDescentError:
            pass  # damaged: begin where the feed is
        return None
