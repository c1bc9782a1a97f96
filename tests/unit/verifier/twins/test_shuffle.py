"""The batch order is a permutation, keyed by seed and epoch, and equal to Shuffle.sol."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.core.errors import DataError
from zkdescent.verifier.twins import block_index, permute

SEED = keccak(text="seed")


@pytest.mark.parametrize("n", [*range(1, 34), 64, 65])
def test_permute_visits_each_index_once_per_epoch(n: int) -> None:
    for epoch in (0, 1):
        assert sorted(permute(SEED, epoch, i, n) for i in range(n)) == list(range(n))


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32), st.integers(1, 200))
def test_permute_is_a_bijection_for_any_seed(seed: bytes, epoch: int, n: int) -> None:
    assert len({permute(seed, epoch, i, n) for i in range(n)}) == n


def test_permute_changes_with_seed_and_epoch() -> None:
    def order(seed: bytes, epoch: int) -> list[int]:
        return [permute(seed, epoch, i, 50) for i in range(50)]

    assert order(SEED, 0) != order(SEED, 1)
    assert order(SEED, 0) != order(keccak(text="other"), 0)


def test_permute_known_answer() -> None:
    # Frozen: a change here changes the meaning of every published run.
    assert [permute(SEED, 0, i, 10) for i in range(10)] == KNOWN
    assert [permute(bytes(32), 7, i, 3) for i in range(3)] == KNOWN_SMALL


def test_block_index_rekeys_at_each_epoch() -> None:
    for proof in range(12):
        assert block_index(SEED, proof, 4) == permute(SEED, proof // 4, proof % 4, 4)


@pytest.mark.parametrize(
    ("seed", "epoch", "position", "n"),
    [
        (SEED, 0, 5, 5),
        (SEED, 0, -1, 5),
        (SEED, 0, 0, 0),
        (SEED, -1, 0, 5),
        (SEED[:31], 0, 0, 5),
    ],
)
def test_permute_rejects_positions_outside_the_epoch(
    seed: bytes, epoch: int, position: int, n: int
) -> None:
    with pytest.raises(DataError):
        permute(seed, epoch, position, n)


KNOWN = [1, 2, 8, 5, 4, 0, 3, 7, 6, 9]
KNOWN_SMALL = [0, 1, 2]
