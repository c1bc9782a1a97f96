"""A made-up daily price whose volatility comes in clusters, as rows of a volatility forecast.

Features are those that the contract VolatilityMargin makes of the prices it took: the last daily
move, and the means of the last 5 and 22, in percent and whatever their direction (Corsi 2009, "A
simple approximate long-memory model of realized volatility"). They are the contract's integers, so
what is trained on is what will be asked. The target is the mean daily move of the next week.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

WEEK = 5
MONTH = 22
FRACTION_BITS = 14
PRICE_DECIMALS = 8


def prices(days: int = 1200, seed: int = 12) -> list[int]:
    """Return daily prices with eight decimals, the first 1,000.

    Log volatility reverts to its mean, over weeks and over months, and returns have fat tails;
    their direction is chance.
    """
    generator = np.random.RandomState(seed)  # this class's streams never change (NEP 19)
    slow = fast = 0.0
    logs = [np.log(1000.0)]
    for _ in range(days - 1):
        slow = 0.985 * slow + 0.09 * generator.normal()
        fast = 0.8 * fast + 0.2 * generator.normal()
        shock = generator.standard_t(5) * np.sqrt(3 / 5)
        logs.append(logs[-1] + 0.035 * np.exp(slow + fast - 0.2) * shock)
    return [round(float(price) * 100) * 10 ** (PRICE_DECIMALS - 2) for price in np.exp(logs)]


def moves_of(daily: Sequence[int]) -> list[int]:
    """Return the size of each daily move in percent, fixed point, rounded down."""
    return [
        (abs(after - before) * 100 << FRACTION_BITS) // before for before, after in pairwise(daily)
    ]


def features_of(daily: Sequence[int]) -> list[int]:
    """Return the model's three inputs after the last of these prices: at least 23 of them."""
    moves = moves_of(daily[-MONTH - 1 :])
    return [moves[-1], sum(moves[-WEEK:]) // WEEK, sum(moves) // MONTH]


def rows_of(daily: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 3) and targets (n, 1) of a price, in percent, in the order of days."""
    ends = range(MONTH + 1, len(daily) - WEEK + 1)
    features = [features_of(daily[:end]) for end in ends]
    targets = [[sum(moves_of(daily[end - 1 : end + WEEK])) / WEEK] for end in ends]
    unit = 2.0**-FRACTION_BITS
    return unit * np.array(features, dtype=float), unit * np.array(targets, dtype=float)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 3) and targets (n, 1) of the made-up price."""
    return rows_of(prices())
