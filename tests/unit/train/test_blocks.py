"""Batch blocks: full size, every row used, the last block completed from the start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ConfigError
from zkdescent.train._arrays import seeded_order
from zkdescent.train.blocks import batch_blocks, blocks_per_epoch
from zkdescent.train.data import Dataset


def dataset(rows: int) -> Dataset:
    return Dataset.of(np.arange(2.0 * rows).reshape(rows, 2), -np.arange(float(rows)))


def test_rows_hold_features_then_targets_in_shuffled_order() -> None:
    blocks = batch_blocks(dataset(6), 2, 1, seed=0)
    assert blocks.shape == (3, 1, 2, 3)
    assert blocks.dtype == np.float64
    order = seeded_order(6, seed=0, purpose="blocks")
    flat = blocks.reshape(6, 3)
    assert np.array_equal(flat[:, :2], dataset(6).features[order])
    assert np.array_equal(flat[:, 2:], dataset(6).targets[order])


def test_the_last_block_is_completed_from_the_start() -> None:
    flat = batch_blocks(dataset(5), 2, 2, seed=3).reshape(8, 3)
    assert np.array_equal(flat[5:], flat[:3])
    assert len(np.unique(flat[:5], axis=0)) == 5


def test_a_set_smaller_than_a_block_is_repeated() -> None:
    flat = batch_blocks(dataset(2), 2, 3, seed=0).reshape(6, 3)
    assert np.array_equal(flat, np.concatenate([flat[:2]] * 3))


def test_the_seed_decides_the_order() -> None:
    one, same, other = (batch_blocks(dataset(20), 4, 1, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_row_is_in_some_block(rows: int, batch: int, steps: int, seed: int) -> None:
    blocks = batch_blocks(dataset(rows), batch, steps, seed)
    count = blocks_per_epoch(rows, batch, steps)
    assert blocks.shape == (count, steps, batch, 3)
    assert (count - 1) * batch * steps < rows <= count * batch * steps
    assert set(-blocks[..., 2].ravel()) == set(range(rows))


@pytest.mark.parametrize(("rows", "batch", "steps"), [(0, 1, 1), (3, 0, 1), (3, 1, 0)])
def test_nothing_to_cut_is_refused(rows: int, batch: int, steps: int) -> None:
    with pytest.raises(ConfigError):
        batch_blocks(dataset(rows), batch, steps, 0)
