"""Keep a feed: wait for its rounds, prove and submit them, and tell what happens.

Every step reads the chain and does what is missing, so a keeper can be killed anywhere and started
again, and two can run at once: the feed takes a round once, and who comes second goes on. On one
machine a second keeper of the same feed and account is refused by a lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zkdescent.circuits.cache import cache_directory
from zkdescent.core._files import FileLock
from zkdescent.core.errors import ArtefactError, ChainError, ConfigError, ZkDescentError
from zkdescent.pipeline.feeding._stopping import Stopped, Stopper
from zkdescent.pipeline.feeding.config import FeedFile
from zkdescent.pipeline.feeding.deploying import feed_address
from zkdescent.pipeline.feeding.metrics import Health, KeeperMetrics, StatusServer
from zkdescent.pipeline.feeding.rounds import Round, RoundMaker
from zkdescent.pipeline.feeding.watch import Gap, RoundWatch
from zkdescent.pipeline.planning import open_chain
from zkdescent.pipeline.reporting import Reporter

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

Tell = Callable[[dict[str, Any]], None]
"""Told every event, a JSON object with ``event``: what happened. See docs/feeds.md."""

_LONGEST_PAUSE_S = 10.0
_RETRIES = 3
_FATAL = (ConfigError, ArtefactError)


def keep_feed(
    feed: FeedFile,
    tell: Tell,
    *,
    rounds: int | None = None,
    stopper: Stopper | None = None,
    report: Reporter | None = None,
) -> int:
    """Keep a feed until SIGTERM or SIGINT, or until so many rounds were submitted; count them.

    A node that does not answer is asked again, for ever; it is told of, and shown by /healthz.

    Raises:
        ConfigError, ArtefactError: the file, the project or the feed don't belong together.
        ChainError: another keeper runs for this feed and account, or the port is taken.
    """
    if feed.project.config.chain.rpc in ("tester", "anvil"):
        raise ConfigError(
            "a keeper needs a chain that lives on without it",
            expected="[chain] rpc = a URL",
            got=feed.project.config.chain.rpc,
            path=feed.project.file,
        )
    stopper = stopper or Stopper()
    with stopper.on_signals(), ExitStack() as stack:
        try:
            keeper = _opened(feed, tell, stopper, report or Reporter(), stack)
            done = keeper.run(rounds)
        except Stopped:
            done = 0
        tell({"event": "stopped", "rounds": done})
    return done


def _opened(
    feed: FeedFile, tell: Tell, stopper: Stopper, report: Reporter, stack: ExitStack
) -> Keeper:
    """Open the chain and the model; a node that does not answer is asked again."""
    pause = feed.config.keeper.poll_s
    while True:
        attempt = ExitStack()
        try:
            with stopper.interruptible():
                patience_s = feed.config.keeper.patience_s
                chain = attempt.enter_context(
                    open_chain(feed.project, report, patience_s=patience_s, retries=_RETRIES)
                )
                address = feed_address(feed, chain)
                _lock(attempt, chain, address)
                maker = RoundMaker(feed.project, chain, address)
                keeper = Keeper(feed, chain, maker, tell, stopper, attempt)
        except BaseException as error:
            attempt.close()
            if not isinstance(error, ChainError) or isinstance(error, KeeperRunning):
                raise
            tell(_failure(error, None))
            stopper.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            continue
        stack.push(attempt)
        return keeper


class KeeperRunning(ChainError):  # noqa: N818 - named after what happened, as all are
    """Another process keeps this feed for this account."""


def _lock(stack: ExitStack, chain: Chain, address: str) -> None:
    name = f"{chain.chain_id}-{address.lower()}-{chain.address.lower()}.lock"
    try:
        stack.enter_context(FileLock(cache_directory() / "keepers" / name).hold("keep a feed"))
    except ArtefactError as error:
        raise KeeperRunning(
            "another keeper runs for this feed and this account",
            got=error.got,
            path=error.path,
            hint="end it first; a keeper with another account can run beside it",
        ) from error


class Keeper:
    """A feed that is being kept."""

    def __init__(
        self,
        feed: FeedFile,
        chain: Chain,
        maker: RoundMaker,
        tell: Tell,
        stopper: Stopper,
        stack: ExitStack,
    ) -> None:
        self._settings = feed.config.keeper
        self._chain, self._maker, self._tell, self._stopper = chain, maker, tell, stopper
        self._feed = maker.feed
        self.metrics = KeeperMetrics(self._feed.address, chain.address)
        self.health = Health(self._settings.unhealthy_after_s)
        self._watch = RoundWatch(
            self._feed,
            maker.folder / f"keeper-{chain.address.lower()}.json",
            settle_blocks=max(self._settings.settle_blocks, chain.confirmations),
            genesis=chain.genesis(),
        )
        self._submitted = 0
        server = StatusServer(self._settings.port, self.metrics, self.health.to_json)
        stack.enter_context(server)
        tell(
            {
                "event": "started",
                "feed": self._feed.address,
                "account": chain.address,
                "chain_id": chain.chain_id,
                "schedule": asdict(self._feed.schedule),
                "health": f"http://127.0.0.1:{server.port}/healthz",
                "metrics": f"http://127.0.0.1:{server.port}/metrics",
            }
        )

    def run(self, rounds: int | None) -> int:
        """Keep the feed until asked to stop, or for so many rounds; count those it submitted."""
        pause = self._settings.poll_s
        while not self._stopper.asked and (rounds is None or self._submitted < rounds):
            round_: int | None = None
            try:
                with self._stopper.interruptible():
                    head = self._chain.block_number
                    round_ = self._due(head)
                    made = None if round_ is None else self._maker.make(round_)
                if made is not None:
                    self._made(made)
                self._watch.judge(head, self._gap)
                pause = self._settings.poll_s
            except Stopped:
                break
            except _FATAL:
                raise
            except ZkDescentError as error:
                self._failed(error, round_)
                pause = min(2 * pause, _LONGEST_PAUSE_S) if round_ is None else pause
            self._stopper.wait(pause)
        return self._submitted

    def _due(self, head: int) -> int | None:
        """The round to make now, if there is one; what the feed says goes into the metrics."""
        state, metrics = self._feed.state(), self.metrics
        metrics.head.set(head)
        metrics.looked_at.set(time.time())
        metrics.tripped.set(state.tripped)
        metrics.stale.set(state.stale)
        if state.latest is not None:
            metrics.round.set(state.latest.round)
            metrics.answer.set(state.latest.value)
            metrics.updated_at.set(state.latest.updated_at_s)
        problem = "the breaker has tripped: the owner has to reset it" if state.tripped else None
        self.health.looked(problem, head=head, round=state.round, stale=state.stale)
        if state.tripped:
            return None
        return self._feed.due_round()

    def _made(self, made: Round) -> None:
        if made.sent:
            self._submitted += 1
            self.metrics.submitted.inc()
            self.metrics.gas.inc(made.gas)
        else:
            self.metrics.found.inc()
        if not made.proof_kept:
            self.metrics.proving.observe(made.proving_s)
        event = "tripped" if made.tripped else "submitted" if made.sent else "found"
        self._tell({"event": event, **made.to_json()})

    def _gap(self, gap: Gap) -> None:
        self.metrics.gaps.inc(gap.rounds)
        self._tell({"event": "gap", **gap.to_json()})

    def _failed(self, error: ZkDescentError, round_: int | None) -> None:
        self.metrics.failures.labels(error=type(error).__name__).inc()
        self._tell(_failure(error, round_))


def _failure(error: ZkDescentError, round_: int | None) -> dict[str, Any]:
    return {"event": "failed", "round": round_, **error.to_json()}
