"""Batch blocks: what one proof consumes, K mini-batches of rows with their targets.

The dataset root commits to all blocks of an epoch; a proof names its block by a Merkle leaf, and
the chain's seed decides in which order blocks are visited. Which rows make up a block is fixed
here, before any commitment, and never changes between epochs.

Example:
    >>> data = Dataset.of([[1.0], [2.0], [3.0]], [0.0, 1.0, 0.0])
    >>> batch_blocks(data, 2, 1, seed=0).shape  # 3 rows in batches of 2: the second is filled up
    (2, 1, 2, 2)
"""

from __future__ import annotations

import numpy as np

from zkdescent.core.errors import ConfigError
from zkdescent.train._arrays import FloatArray, seeded_order
from zkdescent.train.data import Dataset


def blocks_per_epoch(rows: int, batch_size: int, steps_per_proof: int) -> int:
    """Return ``ceil(rows / (batch_size * steps_per_proof))``."""
    return -(-rows // (batch_size * steps_per_proof))


def batch_blocks(
    dataset: Dataset, batch_size: int, steps_per_proof: int, seed: int
) -> FloatArray:  # (blocks_per_epoch, steps_per_proof, batch_size, d + t)
    """Cut a dataset into batch blocks; features come first in a row, then targets.

    Rows are shuffled once by ``seed``. The last block is completed with rows from the start of the
    shuffled order (again and again if the data is smaller than a block), so every batch has full
    size and every row is in some block; at most a block's worth of rows counts twice in an epoch.

    Raises:
        ConfigError: no rows, or a size below 1.
    """
    for name, value in (("batch_size", batch_size), ("steps_per_proof", steps_per_proof)):
        if value < 1:
            raise ConfigError(f"{name} is too small", expected="1 or more", got=value)
    if len(dataset) == 0:
        raise ConfigError("there are no rows to make blocks of", expected="1 or more", got=0)
    count = blocks_per_epoch(len(dataset), batch_size, steps_per_proof)
    order = seeded_order(len(dataset), seed=seed, purpose="blocks")
    chosen = np.resize(order, count * steps_per_proof * batch_size)
    rows = np.concatenate([dataset.features, dataset.targets], axis=1)[chosen]
    return rows.reshape(count, steps_per_proof, batch_size, rows.shape[1])
