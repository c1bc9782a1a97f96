"""Merkle tree over the batch blocks of a data set (twin of PositionalMerkle.sol).

Positions are binding: the index of a leaf decides at every level whether its node is the left or
the right child, and whether it has a sibling at all; the last node of an odd level moves up
unchanged. With the number of leaves, which the task fixes, a root therefore has one leaf for each
index and nothing beside them.

A leaf is ``keccak256(abi.encode(LEAF_DOMAIN, index, tensorHash))``, an inner node is
``keccak256(left || right)``. Leaves have 96 bytes of preimage and inner nodes 64, so neither
passes for the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.core.errors import DataError
from zkdescent.verifier.twins.hashing import LEAF_DOMAIN


def leaf(index: int, tensor_hash: bytes) -> bytes:
    """Return the leaf (32 bytes) of batch block ``index`` with this tensor hash (32 bytes)."""
    return keccak(encode(["bytes32", "uint256", "bytes32"], [LEAF_DOMAIN, index, tensor_hash]))


def _parent(left: bytes, right: bytes) -> bytes:
    return keccak(left + right)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels of the tree, leaves first, root level last."""
    if not leaves:
        raise DataError("a Merkle tree needs at least one leaf", expected=">= 1 leaf", got=0)
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_parent(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root (32 bytes) of the leaves; the root of one leaf is the leaf itself.

    Raises:
        DataError: there is no leaf.
    """
    return _levels(leaves)[-1][0]


def merkle_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the sibling hashes from the leaf at ``index`` up to the root.

    Raises:
        DataError: the index is out of range.
    """
    if not 0 <= index < len(leaves):
        raise DataError("no such leaf", expected=f"0 <= index < {len(leaves)}", got=index)
    siblings = []
    for level in _levels(leaves)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):  # a promoted node has no sibling on this level
            siblings.append(level[sibling])
        index //= 2
    return tuple(siblings)


def verify_merkle(
    root: bytes, leaf_hash: bytes, index: int, leaves: int, proof: Sequence[bytes]
) -> bool:
    """Tell whether ``leaf_hash`` is leaf number ``index`` of the tree of ``leaves`` leaves.

    A proof of another length than this place has, or for an index outside, is none.
    """
    if not 0 <= index < leaves:
        return False
    node, siblings = leaf_hash, iter(proof)
    while leaves > 1:
        if index ^ 1 < leaves:
            sibling = next(siblings, None)
            if sibling is None:
                return False
            node = _parent(sibling, node) if index & 1 else _parent(node, sibling)
        index, leaves = index >> 1, (leaves + 1) >> 1
    return next(siblings, None) is None and node == root
