"""Merkle trees whose leaves have places, over leaves that bind their index as well."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import DataError
from zkdescent.verifier.twins import leaf, merkle_proof, merkle_root, verify_merkle

HASHES = [keccak(bytes([i])) for i in range(33)]
LEAVES = [leaf(i, h) for i, h in enumerate(HASHES)]


CASES = st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))
# Leaves that bind nothing: what binds their places is the tree.


@given(CASES)
def test_every_leaf_has_a_proof(case: tuple[int, int]) -> None:
    n, index = case
    leaves = HASHES[:n]
    proof = merkle_proof(leaves, index)
    assert verify_merkle(merkle_root(leaves), leaves[index], index, n, proof)


@given(CASES.flatmap(lambda c: st.tuples(st.just(c[0]), st.just(c[1]), st.integers(0, c[0] - 1))))
def test_no_leaf_passes_for_another_or_at_another_index(case: tuple[int, int, int]) -> None:
    n, index, other = case
    leaves = HASHES[:n]
    root, proof = merkle_root(leaves), merkle_proof(leaves, index)
    assert verify_merkle(root, leaves[index], other, n, proof) == (index == other)
    assert verify_merkle(root, leaves[other], index, n, proof) == (index == other)
    assert verify_merkle(root, leaves[index], index, n, merkle_proof(leaves, other)) == (
        index == other
    )


@given(CASES, st.integers(0, 5), st.integers(0, 5))
def test_siblings_pass_in_their_order_only(case: tuple[int, int], p: int, q: int) -> None:
    n, index = case
    leaves = HASHES[:n]
    root, proof = merkle_root(leaves), list(merkle_proof(leaves, index))
    if max(p, q) < len(proof) and p != q:
        proof[p], proof[q] = proof[q], proof[p]
        assert not verify_merkle(root, leaves[index], index, n, proof)


@given(CASES)
def test_a_leaf_and_its_sibling_are_not_exchanged(case: tuple[int, int]) -> None:
    n, index = case
    leaves, sibling = HASHES[:n], index ^ 1
    if sibling < n:
        proof = [leaves[index], *merkle_proof(leaves, index)[1:]]
        assert verify_merkle(merkle_root(leaves), leaves[sibling], sibling, n, proof)
        assert not verify_merkle(merkle_root(leaves), leaves[sibling], index, n, proof)


@given(CASES, st.binary(min_size=32, max_size=32))
def test_paths_of_another_length_are_none(case: tuple[int, int], more: bytes) -> None:
    n, index = case
    leaves = HASHES[:n]
    root, proof = merkle_root(leaves), merkle_proof(leaves, index)
    for above in (root, keccak(root + more), keccak(more + root)):
        assert not verify_merkle(above, leaves[index], index, n, (*proof, more))
    if proof:
        assert not verify_merkle(root, leaves[index], index, n, proof[:-1])
        left, right = (leaves[index], proof[0]) if index % 2 == 0 else (proof[0], leaves[index])
        for at in (index, index // 2):
            assert not verify_merkle(root, keccak(left + right), at, n, proof[1:])


@given(CASES, st.integers(0, 64))
def test_an_index_outside_has_no_leaf(case: tuple[int, int], above: int) -> None:
    n, index = case
    leaves = HASHES[:n]
    root, proof = merkle_root(leaves), merkle_proof(leaves, index)
    for outside in (n + above, -1 - above, index | 1 << 40):
        assert not verify_merkle(root, leaves[index], outside, n, proof)


def test_a_second_leaf_of_an_index_has_no_place() -> None:
    # A root that somebody made with another leaf beside the honest tree of five.
    honest = merkle_root(LEAVES[:5])
    evil = leaf(0, keccak(text="evil"))
    for root in (keccak(honest + evil), keccak(evil + honest)):
        assert not verify_merkle(root, evil, 0, 5, (honest,))
        for index in range(5):
            path = (*merkle_proof(LEAVES[:5], index), evil)
            assert not verify_merkle(root, LEAVES[index], index, 5, path)


def test_root_of_one_leaf_is_the_leaf() -> None:
    assert merkle_root(LEAVES[:1]) == LEAVES[0]
    assert merkle_proof(LEAVES[:1], 0) == ()


def test_odd_node_moves_up_unchanged() -> None:
    left = keccak(LEAVES[0] + LEAVES[1])
    assert merkle_root(LEAVES[:3]) == keccak(left + LEAVES[2])
    assert merkle_proof(LEAVES[:3], 2) == (left,)


def test_inner_node_is_not_accepted_as_a_leaf_hash() -> None:
    node = keccak(LEAVES[0] + LEAVES[1])
    for index in range(3):
        assert not verify_merkle(merkle_root(LEAVES[:3]), node, index, 3, (LEAVES[2],))
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
