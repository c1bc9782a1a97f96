"""A made-up fee market that follows EIP-1559 to the wei, as rows of a gas feed.

Base fees are no random walk: how full a block is decides the next one exactly, and a higher price
drives demand away. What is uncertain is demand. Here it reverts to a mean, in calm times and busy
ones, with bursts; those who pay less than the base fee wait and come back, or go.

Rows are the features that the feed's contract derives from block headers, so what is trained on is
what the chain will show. To train on real blocks instead, see docs/feeds.md.
"""

import math
import random

import numpy as np

from zkdescent.pipeline.fees import Block, rows_of
from zkdescent.verifier.twins.gas_features import next_base_fee

WINDOW = 8
HORIZON = 5
FRACTION_BITS = 14
GAS_LIMIT = 30_000_000
_USUAL_FEE = 40 * 10**9  # wei, of a calm market


class Demand:
    """What people want to send, block after block; they want less of it when it is dear.

    Args:
        seed: the same numbers give the same demand.
        usual_fee: base fee in wei at which a usual block is half full.
    """

    def __init__(self, seed: int, usual_fee: int) -> None:
        self._draw, self._usual_fee = random.Random(seed), usual_fee
        self._waiting = self._mood = self._burst = 0.0
        self._busy = False

    def gas_used(self, base_fee_wei: int, gas_limit: int) -> int:
        """Return the gas that the next block uses."""
        draw = self._draw
        self._busy = draw.random() < (0.985 if self._busy else 0.004)
        burst = draw.uniform(0.5, 2.0) if draw.random() < 0.012 else 0.0
        self._burst = _same(0.7 * self._burst + burst)
        self._mood = _same(0.99 * self._mood + 0.03 * _normal(draw))
        # Blocks come at uneven times, and who sends when is chance too.
        interval = _same(0.1 + 0.9 * -math.log(1.0 - draw.random()))
        usual = _same(math.exp(self._mood + (0.7 if self._busy else 0.0)))
        wish = usual * (1.0 + self._burst) * interval + self._waiting
        wanted = wish * _same((base_fee_wei / self._usual_fee) ** -1.4) * gas_limit / 2
        used = int(min(gas_limit, wanted))
        self._waiting = _same(min(2.0, 0.3 * (wanted - used) / (gas_limit / 2)))
        return used


def blocks(count: int = 4800, seed: int = 4) -> list[Block]:
    """Return consecutive blocks of the market, oldest first."""
    demand, base_fee = Demand(seed, _USUAL_FEE), _USUAL_FEE
    made: list[Block] = []
    for number in range(count):
        used = demand.gas_used(base_fee, GAS_LIMIT)
        made.append(Block(number, 12 * number, base_fee, used, GAS_LIMIT))
        base_fee = next_base_fee(made[-1])
    return made


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 2 * WINDOW - 1) and targets (n, 1), the base fee's relative change."""
    return rows_of(blocks(), window=WINDOW, horizon=HORIZON, fraction_bits=FRACTION_BITS)


def _same(value: float) -> float:
    """A number that is the same on every machine: their last digits of exp and log are not."""
    return round(value, 6)


def _normal(draw: random.Random) -> float:
    """A standard normal number (Box and Muller 1958); only random() is promised to stay."""
    radius = math.sqrt(-2.0 * math.log(1.0 - draw.random()))
    return radius * math.cos(2.0 * math.pi * draw.random())
