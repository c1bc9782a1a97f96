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


def blocks(count: int = 4800, seed: int = 4) -> list[Block]:
    """Return consecutive blocks of the market, oldest first."""
    draw = random.Random(seed)
    made: list[Block] = []
    base_fee, waiting, mood, busy, burst = _USUAL_FEE, 0.0, 0.0, False, 0.0
    for number in range(count):
        busy = draw.random() < (0.985 if busy else 0.004)
        burst = burst * 0.7 + (draw.uniform(0.5, 2.0) if draw.random() < 0.012 else 0.0)
        mood += -0.01 * mood + 0.03 * _normal(draw)
        # Blocks come at uneven times, and who sends when is chance too.
        interval = 0.1 + 0.9 * -math.log(1.0 - draw.random())
        wish = math.exp(mood + (0.7 if busy else 0.0)) * (1.0 + burst) * interval
        price = base_fee / _USUAL_FEE
        wanted = (wish + waiting) * price**-1.4 * GAS_LIMIT / 2
        gas_used = int(min(GAS_LIMIT, wanted))
        waiting = min(2.0, 0.3 * (wanted - gas_used) / (GAS_LIMIT / 2))
        made.append(Block(number, 12 * number, base_fee, gas_used, GAS_LIMIT))
        base_fee = next_base_fee(made[-1])
    return made


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return features (n, 2 * WINDOW - 1) and targets (n, 1), the base fee's relative change."""
    return rows_of(blocks(), window=WINDOW, horizon=HORIZON, fraction_bits=FRACTION_BITS)


def _normal(draw: random.Random) -> float:
    """A standard normal number (Box and Muller 1958); only random() is promised to stay."""
    radius = math.sqrt(-2.0 * math.log(1.0 - draw.random()))
    return radius * math.cos(2.0 * math.pi * draw.random())
