"""Keepers: killed at random, over a bad network, through reorganisations, and two at once.

Whatever they meet: no wrong answer is stored, no round is submitted twice, every gap is reported.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.config import Project

from .flaky_proxy import Flaky, serving
from .gas_feed import KEEPER, Scene, proven_project, scene

pytestmark = [pytest.mark.chain, pytest.mark.barretenberg, pytest.mark.slow]

KILLS, REORG_EVERY, REORG_BLOCKS, SEED = 20, 5, 3, 20261128
TIMEOUT_S = 240.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return proven_project(tmp_path_factory.mktemp("feed") / "gas-feed")


@pytest.fixture
def running(project: Project) -> Iterator[Scene]:
    with scene(project, block_time_s=2, cadence=6, grace=6) as made:
        yield made


@pytest.fixture
def keep() -> Iterator[Callable[..., Keeper]]:
    """Start a keeper; none outlives the test."""
    nursery, started = Nursery(), list[Keeper]()

    def start(file: Path, *, account: int = KEEPER) -> Keeper:
        started.append(Keeper(nursery, file, account=account))
        return started[-1]

    yield start
    for keeper in started:
        if keeper.code is None:
            keeper.end(signal.SIGKILL)
    nursery.close()


class Nursery:
    """Where keepers are forked; see nursery.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, *words: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Keeper:
    """A keeper's process, and the events it told."""

    def __init__(self, nursery: Nursery, file: Path, *, account: int = KEEPER) -> None:
        self._nursery = nursery
        self._out = file.parent / f"events-{time.monotonic_ns()}.jsonl"
        self.process = nursery.ask("start", file, self._out, account)
        self.code: int | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has told; a line that a kill has torn was not told."""
        if not self._out.exists():
            return []
        lines = self._out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event") == kind]

    def end(self, number: signal.Signals) -> int:
        os.kill(self.process, number)
        return self.wait()

    def wait(self) -> int:
        if self.code is None:
            self.code = self._nursery.ask("wait", self.process)
        return self.code


def until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


def gaps_of(events: list[dict[str, Any]]) -> set[int]:
    told = [e for e in events if e["event"] == "gap"]
    return {r for e in told for r in range(e["first_round"], e["last_round"] + 1)}


def test_killed_twenty_times_over_a_bad_network_and_reorganisations(
    running: Scene, keep: Callable[..., Keeper], tmp_path: Path
) -> None:
    draw = random.Random(SEED)
    flaky = Flaky(running.url, seed=SEED, lost=0.03, unanswered=0.03, late=0.04, late_s=2.0)
    events: list[dict[str, Any]] = []
    reorganised = 0
    with serving(flaky):
        file = running.feed_file(tmp_path, flaky.url)
        for kill in range(KILLS):
            keeper = keep(file)
            # Some lives are too short to start in, most see a part of a round, some a whole one.
            if draw.random() < 0.25:
                time.sleep(draw.uniform(0.2, 4.0))
            else:
                until(lambda: bool(keeper.of("started")), "a start")  # noqa: B023 - ends before
                time.sleep(draw.uniform(0.0, 16.0))
            keeper.end(signal.SIGKILL)
            events += keeper.events
            if kill % REORG_EVERY == REORG_EVERY - 1:
                running.rpc("anvil_reorg", REORG_BLOCKS, [])
                reorganised += 1
            # Some deaths are longer than a round is open.
            time.sleep(draw.choice([0.0, 0.5, 2.0, 25.0]))
        last = keep(file)
        schedule = running.client.schedule
        newest = running.client.state().round
        until(lambda: running.client.state().round >= newest + 2, "two more rounds")
        judged = running.client.state().round
        end = schedule.last_block(judged) + 6
        until(lambda: running.node.block_number > end + 4, "the end to settle")
        time.sleep(3.0)
        assert last.end(signal.SIGTERM) == 0
        events += last.events
        assert last.events[-1]["event"] == "stopped"

    answers = running.answers()
    reported = gaps_of(events)
    first = min(answers)
    missing = {r for r in range(first, judged + 1) if r not in answers}
    kinds = Counter(e["event"] for e in events)
    sent = running.transactions()
    print(
        f"\n{KILLS} kills, {reorganised} reorganisations of {REORG_BLOCKS} blocks; requests "
        f"{dict(flaky.counts)}; {len(answers)} answered rounds of {judged}, "
        f"{len(missing)} gaps; events {dict(kinds)}; {len(sent)} transactions, "
        f"{sum(t['status'] == 0 for t in sent)} of them refused"
    )
    running.check_answers()
    good = Counter(t["input"][:74] for t in sent if t["status"] == 1)
    assert set(good.values()) == {1}
    assert len(good) == len(answers) >= 5
    assert missing
    assert missing <= reported
    assert not reported & set(answers)
    assert flaky.counts["lost"] > 10
    assert flaky.counts["unanswered"] > 10
    assert reorganised == KILLS // REORG_EVERY


def test_two_keepers_at_once_answer_each_round_once(
    running: Scene, keep: Callable[..., Keeper], tmp_path: Path
) -> None:
    """With accounts of their own they race; with the same one, the second is refused."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    files = [running.feed_file(one, running.url), running.feed_file(two, running.url)]
    keepers = [keep(files[0]), keep(files[1], account=3)]
    until(lambda: bool(keepers[0].of("started") and keepers[1].of("started")), "both started")

    third = keep(files[0])
    assert third.wait() == 1
    assert "another keeper runs" in third.events[-1]["message"]

    started = keepers[0].of("started")[0]
    until(lambda: running.client.state().round >= 3, "three rounds")
    with urllib.request.urlopen(started["metrics"], timeout=10) as reply:
        metrics = reply.read().decode()
    assert "zkdescent_keeper_rounds_submitted_total" in metrics
    with urllib.request.urlopen(started["health"], timeout=10) as reply:
        health = json.loads(reply.read())
    assert health["ok"]
    assert [k.end(signal.SIGINT) for k in keepers] == [0, 0]
    running.check_answers()
    answers = running.answers()
    assert sorted(answers) == list(range(min(answers), max(answers) + 1))
    submitted = [e["round"] for k in keepers for e in k.of("submitted")]
    assert len(submitted) == len(set(submitted))
    assert set(answers) - set(submitted) <= {max(answers)}


def test_a_node_that_is_gone_is_waited_for(
    running: Scene, keep: Callable[..., Keeper], tmp_path: Path
) -> None:
    flaky = Flaky(running.url, seed=1, lost=1.0, unanswered=0.0, late=0.0, late_s=0.0)
    with serving(flaky):
        keeper = keep(running.feed_file(tmp_path, flaky.url))
        until(lambda: len(keeper.of("failed")) >= 2, "failures told")
        flaky.chances = ()
        until(lambda: bool(keeper.of("submitted")), "a round after all")
        assert keeper.end(signal.SIGTERM) == 0
    assert "did not answer" in keeper.of("failed")[0]["message"]
