"""A feed's file: what it says is checked before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.core.config import load_project
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.feeding.config import load_feed, parse_feed
from zkdescent.pipeline.feeding.deploying import deploy_feed, plan_of
from zkdescent.pipeline.feeding.keeping import keep_feed
from zkdescent.pipeline.reporting import Reporter

PROJECT = '[feed]\nproject = "p"\n'
TERMS = "[terms]\nfirst_block = 120\ncadence = 4\nhorizon = 5\n"
ADDRESS = "0x" + "ab" * 20
FILE = Path("feed.toml")
OWNER = "0x" + "0" * 39 + "1"


def test_a_file_with_terms_has_its_defaults() -> None:
    config = parse_feed(PROJECT + TERMS, FILE)
    assert config.terms is not None
    assert (config.terms.grace, config.terms.window_blocks, config.keeper.port) == (2, 8, 9464)


def test_terms_become_what_is_deployed_and_decide_the_address() -> None:
    terms = parse_feed(PROJECT + TERMS + "max_gwei = 500.5\n", FILE).terms
    assert terms is not None
    plan = plan_of(terms, 7, bytes(32), OWNER)
    assert plan.terms.max_answer == 500_500_000_000
    assert plan.terms.deviation_ppm == 1_000_000
    assert plan.terms.schedule.window_end(3) == 128
    other = plan_of(terms.model_copy(update={"cadence": 5}), 7, bytes(32), OWNER)
    assert plan.address != other.address
    assert plan.address == plan_of(terms, 7, bytes(32), OWNER).address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[feed", "not TOML"),
        (TERMS, "feed is not allowed"),
        (PROJECT, "feed.address"),
        (PROJECT + f'address = "{ADDRESS}"\n' + TERMS, "feed.address"),
        (PROJECT + 'address = "0x12"\n', "40 hex digits"),
        (PROJECT + TERMS + "cadance = 3\n", "unknown key terms.cadance"),
        (PROJECT + TERMS.replace("cadence = 4", "cadence = 0"), "terms.cadence"),
        (PROJECT + TERMS + 'grace = "2"\n', "terms.grace"),
        (PROJECT + TERMS + "window_blocks = 65\n", "terms.window_blocks"),
        (PROJECT + TERMS + f'description = "{32 * "x"}"\n', "terms.description"),
        (PROJECT + TERMS + "[keeper]\nport = 70000\n", "keeper.port"),
        (PROJECT + TERMS + "[keeper]\npoll_s = 0.0\n", "keeper.poll_s"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_feed(text, FILE)
    assert says in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_feed(tmp_path / "feed.toml")


def test_a_keeper_refuses_a_chain_that_ends_with_it(
    tmp_path: Path, write_project: Callable[..., Path]
) -> None:
    write_project(tmp_path / "p")
    file = tmp_path / "feed.toml"
    file.write_text(PROJECT + TERMS)
    feed = load_feed(file)
    assert feed.project == load_project(tmp_path / "p")
    with pytest.raises(ConfigError, match="lives on without it"):
        keep_feed(feed, lambda event: None)
    file.write_text(PROJECT + f'address = "{ADDRESS}"\n')
    with pytest.raises(ConfigError, match="not what to deploy"):
        deploy_feed(load_feed(file), Reporter())
