"""Blocks of a fee market, and windows of them as training rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zkdescent.core.errors import DataError
from zkdescent.core.records import Record
from zkdescent.verifier.twins.gas_features import gas_features


@dataclass(frozen=True, slots=True)
class Block(Record):
    """What a gas feed reads of a block: time in seconds, base fee in wei for each gas."""

    number: int
    timestamp: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int


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
        features.append(gas_features(run[:window], fraction_bits))
        targets.append([run[-1].base_fee_wei / run[window - 1].base_fee_wei - 1.0])
    if not features:
        raise DataError(
            "there is no window of consecutive blocks to train on",
            expected=f"{window + horizon} blocks in a row",
            got=f"{len(blocks)} blocks",
        )
    return np.array(features, dtype=np.float64) / 2.0**fraction_bits, np.array(targets)
