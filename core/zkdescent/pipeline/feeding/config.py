"""The file of a feed: which model it has, what it is deployed with, and how it is kept.

Example:
    >>> text = '''
    ... [feed]
    ... project = "gas-feed"
    ... [terms]
    ... first_block = 120
    ... cadence = 4
    ... horizon = 5
    ... '''
    >>> parse_feed(text, Path("feed.toml")).terms.grace
    2
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from zkdescent.core._tables import Count, Finite, NotNegative, Positive, Table, wrong
from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ConfigError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_UINT32 = (1 << 32) - 1

Blocks = Annotated[int, Field(ge=0, le=_UINT32)]
Seconds = Annotated[int, Field(ge=1, le=_UINT32)]


class FeedTable(Table):
    """``[feed]``: directory of the proven model, and the feed's address if there are no terms."""

    project: str
    address: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise wrong("address", "0x and 40 hex digits", self.address)
        return self


class TermsTable(Table):
    """``[terms]``: what a gas feed is deployed with; see IProvenFeed.sol, struct FeedTerms.

    Blocks for ``first_block`` (the end of round 1's window), ``cadence``, ``horizon``, ``grace``;
    gwei for the bounds; seconds for the rest. Address and owner are those of the account.
    """

    first_block: Count
    cadence: Annotated[int, Field(ge=1, le=_UINT32)]
    horizon: Blocks
    grace: Blocks = 2
    window_blocks: Annotated[int, Field(ge=2, le=64)] = 8
    min_gwei: NotNegative = 0.0
    max_gwei: Positive = 100_000.0
    deviation: Annotated[Finite, Field(ge=0.0, le=4294.0)] = 1.0
    deviation_floor_gwei: NotNegative = 0.0
    stale_s: Seconds = 600
    timelock_s: Annotated[int, Field(ge=60, le=_UINT32)] = 86_400
    pause_s: Seconds = 3_600
    description: str = Field(default="base fee ahead", min_length=1, max_length=31)
    owner: str | None = None
    guardian: str | None = None


class KeeperTable(Table):
    """``[keeper]``: how the feed is watched.

    ``port`` of health and metrics on the loopback interface (0: any that is free). A round's
    absence is reported as a gap when the end of its time is ``settle_blocks`` deep. ``patience_s``
    bounds the wait for one transaction: a round is soon of no use.
    """

    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    poll_s: Positive = 1.0
    settle_blocks: Count = 5
    unhealthy_after_s: Positive = 120.0
    patience_s: Positive = 30.0


class FeedConfig(Table):
    """The whole file."""

    feed: FeedTable
    terms: TermsTable | None = None
    keeper: KeeperTable = Field(default_factory=KeeperTable)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.terms is None) == (self.feed.address is None):
            raise wrong("feed.address", "either an address, or a table [terms]", self.feed.address)
        return self


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A feed's file, read, and the project of its model."""

    path: Path
    config: FeedConfig
    project: Project


def load_feed(path: Path) -> FeedFile:
    """Read a feed's file, and the project that it names (relative to the file).

    Raises:
        ConfigError: no such file, not TOML, or a key or value that isn't allowed; and as
            `load_project`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the feed's file cannot be read",
            got=str(error),
            path=path,
            hint="docs/feeds.md shows one",
        ) from error
    config = parse_feed(text, path)
    directory = path.resolve().parent / Path(config.feed.project).expanduser()
    return FeedFile(path, config, load_project(directory))


def parse_feed(text: str, path: Path) -> FeedConfig:
    """Validate the text of a feed's file; raises as :func:`load_feed`."""
    try:
        return FeedConfig.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("the feed's file is not TOML", got=str(error), path=path) from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        keys = [str(part) for part in problem["loc"]]
        context = problem.get("ctx", {})
        keys += str(context["key"]).split(".") if "key" in context else []
        known = problem["type"] != "extra_forbidden"
        raise ConfigError(
            f"{'.'.join(keys)} is not allowed" if known else f"unknown key {'.'.join(keys)}",
            expected=context.get("expected", problem["msg"]) if known else None,
            got=context.get("got", problem["input"] if problem["type"] != "missing" else None),
            path=path,
        ) from error
