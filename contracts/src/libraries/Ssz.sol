// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle branches of SSZ objects
/// @notice A generalised index names a node of an SSZ tree: the root is 1, the children of g are 2 g and
/// 2 g + 1 (consensus-specs, ssz/merkle-proofs.md, `calculate_merkle_root`).
library Ssz {
    error NotANode(uint256 gindex);
    error BranchLength(uint256 expected, uint256 got);
    error BranchDiffers(bytes32 expected, bytes32 got);
    error NotAUint64(bytes32 leaf);

    /// @notice Revert unless the branch leads from the leaf, at its place, to the root.
    /// @param branch Siblings from the leaf upwards, one for each bit of the index but the first.
    function verify(bytes32 root, uint256 gindex, bytes32 leaf, bytes32[] calldata branch) internal pure {
        if (gindex == 0) revert NotANode(gindex);
        uint256 depth = _log2(gindex);
        if (branch.length != depth) revert BranchLength(depth, branch.length);
        bytes32 node = leaf;
        for (uint256 k; k < depth; ++k) {
            node = gindex >> k & 1 == 1 ? _hash(branch[k], node) : _hash(node, branch[k]);
        }
        if (node != root) revert BranchDiffers(root, node);
    }

    /// @notice The index in the outer tree of a node of a tree whose root is the node `outer`
    /// (`concat_generalized_indices`).
    function concat(uint256 outer, uint256 inner) internal pure returns (uint256) {
        if (outer == 0) revert NotANode(outer);
        if (inner == 0) revert NotANode(inner);
        uint256 depth = _log2(inner);
        return outer << depth | (inner - (1 << depth));
    }

    /// @notice A leaf that is one uint64: little endian, and nothing after it.
    function toUint64(bytes32 leaf) internal pure returns (uint64) {
        if (uint192(uint256(leaf)) != 0) revert NotAUint64(leaf);
        return uint64At(leaf, 0);
    }

    /// @notice One of the four uint64 that a leaf of a list or vector of them packs.
    function uint64At(bytes32 leaf, uint256 place) internal pure returns (uint64 value) {
        for (uint256 k; k < 8; ++k) {
            // forge-lint: disable-next-line(unsafe-typecast)
            value |= uint64(uint8(leaf[8 * place + k])) << uint64(8 * k);
        }
    }

    /// @dev SHA-256 of two words: the precompile at address 2.
    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(left, right));
    }

    function _log2(uint256 value) private pure returns (uint256 depth) {
        while (value > 1) {
            value >>= 1;
            ++depth;
        }
    }
}
