"""EIP-1559 fees: what to offer, what to offer next, and when to offer nothing.

A transaction offers ``max_fee`` (wei per gas, base fee included) and within it a ``tip``. It can
be mined while the base fee is at most ``max_fee``; a node takes another transaction of the same
nonce in its place only if both are an eighth higher (10 % at most nodes).

>>> market = Market(base=20 * GWEI, tip=GWEI)
>>> first = opening(market, cap=None)
>>> first
Fees(max_fee=41000000000, tip=1000000000)
>>> bumped(first, market, cap=None)
Fees(max_fee=46125000000, tip=1125000000)
>>> opening(market, cap=20 * GWEI) is None
True
"""

from __future__ import annotations

from dataclasses import dataclass

from zkdescent.core.records import Record

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Fees(Record):
    """What a transaction offers, wei per gas."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Market:
    """What a node asks now, wei per gas: base fee of the next block, and a usual tip."""

    base: int
    tip: int

    @property
    def price(self) -> int:
        """What gas costs in the next block, wei."""
        return self.base + self.tip


def opening(market: Market, cap: int | None) -> Fees | None:
    """Return the first offer, with room for the base fee to double; None above the cap."""
    if cap is not None and market.price > cap:
        return None
    wanted = 2 * market.base + market.tip
    return Fees(wanted if cap is None else min(wanted, cap), market.tip)


def bumped(offer: Fees, market: Market, cap: int | None) -> Fees | None:
    """Return an offer that may replace ``offer``; None if that takes more than the cap.

    Both figures rise by 12.5 % or more, and to what the market asks now.
    """
    least_fee, least_tip = _eighth_more(offer.max_fee), _eighth_more(offer.tip)
    tip = max(least_tip, market.tip)
    wanted = max(least_fee, 2 * market.base + tip)
    max_fee = wanted if cap is None else min(wanted, cap)
    if max_fee < max(least_fee, market.base + least_tip):
        return None
    return Fees(max_fee, min(tip, max_fee))


def _eighth_more(value: int) -> int:
    return -(-value * 9 // 8)


def gwei(wei: int) -> str:
    """Return an amount as people read prices of gas.

    >>> gwei(1_500_000_000)
    '1.5'
    """
    return f"{wei / GWEI:.3f}".rstrip("0").rstrip(".")
