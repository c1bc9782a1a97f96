"""How long to wait and how much to pay: the policy of sending, and the waiting itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from zkdescent.core.errors import ChainError
from zkdescent.verifier._fees import GWEI, Fees, Market, gwei, opening
from zkdescent.verifier._refusals import GasPriceTooHigh

DEVELOPMENT_CHAINS = (31337, 1337)
_SAY_EVERY_S = 60.0

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How patient and how generous sending is.

    Attributes:
        confirmations: blocks, its own included, after which a transaction counts as settled; None
            for 1 on a development node (chain id 31337 or 1337) and 5 elsewhere.
        max_fee_gwei: never offer more per gas, base fee included; None for no limit.
        replace_after_s: seconds after which a transaction that is not mined is offered more.
        patience_s: seconds to wait for a price, or for a transaction, before stopping.
        poll_s: seconds between questions to the node.
    """

    confirmations: int | None = None
    max_fee_gwei: float | None = None
    replace_after_s: float = 120.0
    patience_s: float = 3600.0
    poll_s: float = 1.0

    def on(self, chain_id: int) -> SendPolicy:
        """Return the policy for a chain, with a number of confirmations."""
        if self.confirmations is not None:
            return self
        return replace(self, confirmations=1 if chain_id in DEVELOPMENT_CHAINS else 5)

    @property
    def depth(self) -> int:
        """``confirmations`` as a number."""
        return self.confirmations or 1

    @property
    def cap(self) -> int | None:
        """``max_fee_gwei`` in wei."""
        return None if self.max_fee_gwei is None else round(self.max_fee_gwei * GWEI)


class _Priced(Protocol):
    def market(self) -> Market: ...


class Waiting:
    """Says each minute what is waited for, sleeps between questions, and stops in the end."""

    def __init__(self, policy: SendPolicy, node: _Priced, notice: Notice) -> None:
        self._policy, self._node, self._notice = policy, node, notice
        self._said: dict[str, float] = {}

    def for_price(self, action: str) -> Fees:
        """Return the first offer for a transaction, once the price is below the cap.

        Raises:
            GasPriceTooHigh: it was not, for all of ``patience_s``.
        """
        policy, started = self._policy, time.monotonic()
        while True:
            market = self._node.market()
            offer = opening(market, policy.cap)
            if offer is not None:
                return offer
            if time.monotonic() - started >= policy.patience_s:
                raise GasPriceTooHigh(
                    action, gwei(market.price), policy.max_fee_gwei, policy.patience_s
                )
            self.say(
                f"{action}: gas costs {gwei(market.price)} gwei, above max_fee_gwei = "
                f"{policy.max_fee_gwei}: waiting"
            )
            time.sleep(policy.poll_s)

    def pause(self, started: float, message: str, offer: Fees | None = None) -> None:
        """Sleep until the next question.

        Raises:
            ChainError: ``message``, if ``patience_s`` is over since ``started``.
        """
        if time.monotonic() - started < self._policy.patience_s:
            time.sleep(self._policy.poll_s)
            return
        offered = "" if offer is None else f", offered {gwei(offer.max_fee)}"
        raise ChainError(
            message,
            expected=f"{self._policy.patience_s:g} s ([chain] patience_s)",
            got=f"gas at {gwei(self._node.market().price)} gwei{offered}",
            hint="run the command again: it goes on with the same transaction; "
            "a higher max_fee_gwei lets it offer more",
        )

    def say(self, text: str) -> None:
        """Tell what is waited for, each minute and not at each question."""
        topic, now = text.partition(":")[0], time.monotonic()
        if now - self._said.get(topic, -_SAY_EVERY_S) >= _SAY_EVERY_S:
            self._said[topic] = now
            self._notice(text)
