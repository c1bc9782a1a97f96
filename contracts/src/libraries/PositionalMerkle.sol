// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees whose leaves have places
/// @notice The index of a leaf decides at every level whether its node is the left or the right child,
/// and whether it has a sibling at all: the last node of an odd level moves up unchanged. A node is
/// keccak256(left, right). For a given number of leaves a root thus has one leaf for each index and
/// nothing beside them, and a path has one length.
library PositionalMerkle {
    /// @param path Siblings from the leaf upwards.
    /// @return Whether `leaf` is leaf number `index` of the tree of `leaves` leaves with this root.
    function verify(bytes32[] calldata path, bytes32 root, bytes32 leaf, uint256 index, uint256 leaves)
        internal
        pure
        returns (bool)
    {
        if (index >= leaves) return false;
        bytes32 node = leaf;
        uint256 used;
        // Nothing here can overflow: each level halves the index and the number of nodes, rounded up.
        unchecked {
            for (; leaves > 1; leaves -= leaves >> 1) {
                if (index ^ 1 < leaves) {
                    if (used == path.length) return false;
                    bytes32 sibling;
                    assembly ("memory-safe") {
                        sibling := calldataload(add(path.offset, shl(5, used)))
                    }
                    ++used;
                    node = index & 1 == 0 ? parent(node, sibling) : parent(sibling, node);
                }
                index >>= 1;
            }
        }
        return used == path.length && node == root;
    }

    function parent(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            node := keccak256(0x00, 0x40)
        }
    }
}
