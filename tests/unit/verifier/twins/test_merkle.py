"""Merkle trees as OpenZeppelin's MerkleProof checks them, over leaves that bind their index."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import DataError
from zkdescent.verifier.twins import leaf, merkle_proof, merkle_root, verify_merkle

HASHES = [keccak(bytes([i])) for i in range(33)]
LEAVES = [leaf(i, h) for i, h in enumerate(HASHES)]


@given(st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_every_leaf_has_a_proof(case: tuple[int, int]) -> None:
    n, index = case
    leaves = LEAVES[:n]
    assert verify_merkle(merkle_root(leaves), leaves[index], merkle_proof(leaves, index))


@given(
    st.integers(2, 33).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n - 1), st.integers(0, n - 1))
    )
)
def test_no_leaf_passes_for_another(case: tuple[int, int, int]) -> None:
    n, claimed, actual = case
    leaves = LEAVES[:n]
    moved = leaf(claimed, HASHES[actual])
    verified = verify_merkle(merkle_root(leaves), moved, merkle_proof(leaves, claimed))
    assert verified == (claimed == actual)


def test_root_of_one_leaf_is_the_leaf() -> None:
    assert merkle_root(LEAVES[:1]) == LEAVES[0]
    assert merkle_proof(LEAVES[:1], 0) == ()


def test_odd_node_moves_up_unchanged() -> None:
    low, high = sorted(LEAVES[:2])
    left, right = sorted([keccak(low + high), LEAVES[2]])
    assert merkle_root(LEAVES[:3]) == keccak(left + right)
    assert merkle_proof(LEAVES[:3], 2) == (keccak(low + high),)


def test_inner_node_is_not_accepted_as_a_leaf_hash() -> None:
    node = keccak(b"".join(sorted(LEAVES[:2])))
    # It verifies as a *node*; a leaf is always recomputed from its index, and never equals one.
    assert verify_merkle(merkle_root(LEAVES[:3]), node, (LEAVES[2],))
    assert all(leaf(i, h) != node for i in range(4) for h in HASHES)


def test_trees_of_different_sizes_have_different_roots() -> None:
    assert len({merkle_root(LEAVES[:n]) for n in range(1, 34)}) == 33


@pytest.mark.parametrize("index", [-1, 3])
def test_merkle_proof_rejects_an_index_outside(index: int) -> None:
    with pytest.raises(DataError, match="no such leaf"):
        merkle_proof(LEAVES[:3], index)


def test_merkle_root_rejects_no_leaves() -> None:
    with pytest.raises(DataError, match="at least one leaf"):
        merkle_root([])
