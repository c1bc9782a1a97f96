"""A gas feed on anvil: headers rebuilt from JSON, real proofs, and a reader in TypeScript."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ContractRejected
from zkdescent.verifier import Chain, GasFeedClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values

TESTS = Path(__file__).parents[1]
READER = TESTS.parent / "examples" / "feed-reader-ts"

pytestmark = [
    pytest.mark.chain,
    pytest.mark.slow,
    pytest.mark.prover,
    pytest.mark.barretenberg,
]


@pytest.fixture(scope="session")
def feeds(honest: Any, by_path: Callable[..., ModuleType]) -> Any:
    """The tiny project as a gas feed's model: a FeedWorld of tests/attacks/feeds.py."""
    shared = by_path("attacks_feeds", TESTS / "attacks" / "feeds.py")
    return shared.FeedWorld(honest, Path())


@pytest.fixture
def feed(feeds: Any, anvil: Chain) -> GasFeedClient:
    feeds.run.submit_to(feeds.run.open_on(anvil))
    client: GasFeedClient = feeds.feed(anvil, "on anvil", stale_seconds=600)
    return client


def answer(feeds: Any, chain: Chain, feed: GasFeedClient, round_: int) -> int:
    """Submit a round and compare what is stored with what was proven; the answer."""
    time.sleep(1.1)  # anvil's blocks of one second have one time, and inputs must be newer
    chain.wait_for_block(feed.schedule.window_end(round_))
    window = feed.window(round_)
    record = feeds.prove(feed, round_, window.features)
    assert feed.submit(round_, feeds.circuit, record, window=window).sent
    expected = feed.predicted(window, split_values(feeds.circuit, record)[1][0])
    stored = feed.answer(round_)
    assert stored is not None
    assert stored.value == expected
    assert tuple(chain.call(feed.contract.functions.featuresOf(round_))) == window.features
    return expected


def test_rounds_a_gap_and_a_reorganised_window(
    feeds: Any, anvil: Chain, feed: GasFeedClient
) -> None:
    answer(feeds, anvil, feed, 1)
    answer(feeds, anvil, feed, 3)  # round 2 is missed
    assert feed.answer(2) is None
    # Other blocks take the numbers of round 4's window: its proof is of no block now.
    end = feed.schedule.window_end(4)
    anvil.wait_for_block(end + 1)
    window = feed.window(4)
    record = feeds.prove(feed, 4, window.features)
    node: Any = anvil._node
    node.rpc("anvil_reorg", 3, [])
    changed = feed.window(4)
    assert changed.headers != window.headers
    _, outputs = split_values(feeds.circuit, record)
    proof = evidence(feeds.circuit, record.proof, reusable=False)
    lie = feed.contract.functions.submit(4, list(window.headers), outputs, proof)
    with pytest.raises(ContractRejected) as refused:
        anvil.send(lie)
    assert refused.value.error_name in ("NotThisChain", "NotTheParent")
    # The feed goes on.
    answer(feeds, anvil, feed, 5)


def test_the_typescript_reader(
    feeds: Any, anvil: Chain, feed: GasFeedClient, tmp_path: Path
) -> None:
    folder = tmp_path / "reader"
    names = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(READER, folder, ignore=names)
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)

    def read(max_age_s: int = 600) -> tuple[int, dict[str, Any]]:
        url = str(anvil._node.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
        command = ["node", "dist/read-feed.js", url, feed.address, str(max_age_s)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    assert read()[1]["why"] == "no answer yet"
    expected = answer(feeds, anvil, feed, 1)
    code, reading = read()
    assert code == 0
    assert (reading["answer"], reading["round"]) == (str(expected), "1")
    assert (reading["usable"], reading["description"]) == (True, "on anvil")
    assert int(reading["modelId"], 16) == feed.model[0]
    anvil._node.rpc("evm_increaseTime", 700)  # type: ignore[attr-defined]
    anvil.mine()
    code, reading = read(10_000)
    assert (code, reading["why"]) == (2, "older than the feed allows")
