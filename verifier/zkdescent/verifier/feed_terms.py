"""What a feed is deployed with, and where it will be: known before there is a chain.

A feed is the requester of its inferences, so its address goes into every proof; it follows from
the terms alone, as every address does (:mod:`._create2`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_abi.abi import encode
from eth_utils.address import is_address

from zkdescent.core.errors import ConfigError
from zkdescent.core.records import Record
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.addresses import predicted_addresses
from zkdescent.verifier.artifacts import load_artifact

FEED_TERMS_ABI = (
    "(address,uint256,bytes32,address,address,uint64,uint32,uint32,uint32,uint32,uint32,uint32,"
    "int128,int128,uint32,uint128,string)"
)
DESCRIPTION_BYTES = 31
HISTORY_CAPACITY = 256
GAS_WINDOW_BLOCKS = 8
MOST_WINDOW_BLOCKS = 64
LEAST_TIMELOCK_S = 60  # see FeedChanges.sol
ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Record):
    """When rounds are: ``first_block`` ends the window of round 1, and rounds are 1, 2, ...

    All in blocks; see IProvenFeed.sol.
    """

    first_block: int
    cadence: int
    horizon: int
    grace: int

    def __post_init__(self) -> None:
        for name, least in (("first_block", 1), ("cadence", 1), ("horizon", 0), ("grace", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"a feed's {name}", expected=f">= {least}", got=getattr(self, name)
                )
        if self.horizon + self.grace == 0:
            raise ConfigError("a feed's rounds are never open", expected="horizon + grace > 0")

    def window_end(self, round_: int) -> int:
        """Return the last block of a round's window."""
        return self.first_block + (round_ - 1) * self.cadence

    def last_block(self, round_: int) -> int:
        """Return the last block in which a round may be submitted."""
        return self.window_end(round_) + self.horizon + self.grace

    def newest_round(self, block: int) -> int:
        """Return the newest round whose window ends before ``block``; 0 before the first."""
        past = block - 1 - self.first_block
        return 0 if past < 0 else past // self.cadence + 1

    def is_open(self, round_: int, block: int) -> bool:
        """Whether a transaction in ``block`` may submit a round, if none later was."""
        return round_ > 0 and self.window_end(round_) < block <= self.last_block(round_)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTerms(Record):
    """Constructor arguments that all feeds have (struct FeedTerms).

    Answers are in units of the feed, times in seconds, and the rest in blocks. An answer may differ
    from the one before by ``deviation_ppm`` millionths of it and ``deviation_floor`` more, for each
    round between the two; one that differs by more trips the feed.
    """

    model_id: int
    commitment_hash: bytes
    owner: str
    schedule: Schedule
    min_answer: int
    max_answer: int
    description: str
    deviation_ppm: int = 500_000
    deviation_floor: int = 0
    stale_seconds: int = 600
    timelock_seconds: int = 86_400
    pause_seconds: int = 3_600
    guardian: str = ZERO_ADDRESS
    registry: str = field(default_factory=lambda: predicted_addresses().registry)

    def __post_init__(self) -> None:
        size = len(self.description.encode())
        if not 0 < size <= DESCRIPTION_BYTES:
            raise ConfigError(
                "a feed's description", expected=f"1 to {DESCRIPTION_BYTES} bytes", got=size
            )
        for name in ("owner", "guardian", "registry"):
            if not is_address(getattr(self, name)):
                raise ConfigError(f"a feed's {name}", expected="address", got=getattr(self, name))
        for name, least in (
            ("stale_seconds", 1),
            ("pause_seconds", 1),
            ("timelock_seconds", LEAST_TIMELOCK_S),
        ):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"a feed's {name}", expected=f">= {least}", got=getattr(self, name)
                )
        if self.min_answer > self.max_answer:
            raise ConfigError(
                "a feed's bounds", expected="min <= max", got=(self.min_answer, self.max_answer)
            )

    def values(self) -> tuple[object, ...]:
        """Return the struct for the ABI encoder."""
        when = self.schedule
        return (
            self.registry, self.model_id, self.commitment_hash, self.owner, self.guardian,
            when.first_block, when.cadence, when.horizon, when.grace,
            self.stale_seconds, self.timelock_seconds, self.pause_seconds,
            self.min_answer, self.max_answer, self.deviation_ppm, self.deviation_floor,
            self.description,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class GasFeedPlan(Record):
    """A gas feed and the chain history it reads, before or after they are deployed."""

    terms: FeedTerms
    window_blocks: int = GAS_WINDOW_BLOCKS
    capacity: int = HISTORY_CAPACITY

    def __post_init__(self) -> None:
        when = self.terms.schedule
        if not 2 <= self.window_blocks <= MOST_WINDOW_BLOCKS:
            raise ConfigError(
                "a gas feed's window",
                expected=f"2 to {MOST_WINDOW_BLOCKS} blocks",
                got=self.window_blocks,
            )
        if when.first_block + 1 < self.window_blocks:
            raise ConfigError(
                "round 1 has no whole window",
                expected=f"first_block >= {self.window_blocks - 1}",
                got=when.first_block,
            )
        # A block that is recorded while a round is open must not take the place of one of its own.
        needed = when.horizon + when.grace + self.window_blocks
        if needed > self.capacity:
            raise ConfigError(
                "the history is too short for the feed",
                expected=f"capacity >= {needed}",
                got=self.capacity,
                hint="shorten horizon, grace or window, or give the history more room",
            )

    def history_code(self) -> bytes:
        """Return the creation code of the history; feeds of one capacity share it."""
        return load_artifact("ChainHistory").creation_code + encode(["uint256"], [self.capacity])

    @property
    def history(self) -> str:
        """Address of the history."""
        return predict_address(self.history_code())

    def feed_code(self) -> bytes:
        """Return the creation code of the feed."""
        arguments = [self.terms.values(), self.history, self.window_blocks]
        try:
            encoded = encode([FEED_TERMS_ABI, "address", "uint256"], arguments)
        except Exception as error:
            raise ConfigError(
                "a term of the feed has another type or is out of range", got=str(error)
            ) from error
        return load_artifact("GasFeed").creation_code + encoded

    @property
    def address(self) -> str:
        """Address of the feed: the requester of its inferences."""
        return predict_address(self.feed_code())
