"""Blocks of a fee market, the rule that sets its base fee, and windows of them as training rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zkdescent.core.errors import DataError
from zkdescent.core.records import Record

ELASTICITY = 2
CHANGE_DENOMINATOR = 8


@dataclass(frozen=True, slots=True)
class Block(Record):
    """What a gas feed reads of a block: time in seconds, base fee in wei for each gas, gas."""

    number: int
    timestamp: int
    base_fee: int
    gas_used: int
    gas_limit: int


def next_base_fee(base_fee: int, gas_used: int, gas_limit: int) -> int:
    """Return the base fee of the block after one, wei (EIP-1559, `validate_block`).

    Of Ethereum's own parameters; other chains have others.

    >>> next_base_fee(1_000_000_000, 30_000_000, 30_000_000)
    1125000000
    """
    target = gas_limit // ELASTICITY
    if gas_used == target:
        return base_fee
    if gas_used > target:
        rise = base_fee * (gas_used - target) // target // CHANGE_DENOMINATOR
        return base_fee + max(rise, 1)
    return base_fee - base_fee * (target - gas_used) // target // CHANGE_DENOMINATOR


def contiguous(blocks: Sequence[Block], length: int) -> Iterator[Sequence[Block]]:
    """Yield every run of `length` consecutive blocks, oldest first; no run spans a missing block.

    Raises:
        DataError: the blocks are not in rising order.
    """
    for before, after in pairwise(blocks):
        if after.number <= before.number:
            raise DataError(
                "blocks are not in rising order", expected=f"> {before.number}", got=after.number
            )
    for first in range(len(blocks) - length + 1):
        last = first + length - 1
        if blocks[last].number - blocks[first].number == length - 1:
            yield blocks[first : last + 1]


def features_of(window: Sequence[Block], fraction_bits: int) -> list[int]:
    from fractions import Fraction  # placeholder until the twin is here

    f = fraction_bits
    out = []
    for b in window:
        v = (2 * b.gas_used - b.gas_limit) * 2**f
        q = abs(v) // b.gas_limit
        out.append(q if v >= 0 else -q)
    newest = window[-1].base_fee
    out += [(b.base_fee << f) // newest - (1 << f) for b in window[:-1]]
    return out


def rows_of(
    blocks: Sequence[Block], *, window: int, horizon: int, fraction_bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return every window of consecutive blocks as a row to train on.

    Args:
        window: blocks in a window, n.
        horizon: blocks from a window's last to the one that the target speaks of.
        fraction_bits: of the circuit; the features are the integers that the contract derives,
            divided by 2**fraction_bits, so that the circuit reads the same integers back.

    Returns:
        Features (rows, 2 n - 1), and targets (rows, 1): the later base fee over the newest, less 1.

    Raises:
        DataError: blocks out of order, or no window among them.
    """
    features, targets = [], []
    for run in contiguous(blocks, window + horizon):
        features.append(features_of(run[:window], fraction_bits))
        targets.append([run[-1].base_fee / run[window - 1].base_fee - 1.0])
    if not features:
        raise DataError(
            "there is no window of consecutive blocks to train on",
            expected=f"{window + horizon} blocks in a row",
            got=f"{len(blocks)} blocks",
        )
    return np.array(features, dtype=np.float64) / 2.0**fraction_bits, np.array(targets)
