// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A seeded permutation of 0 .. n-1, one index at a time
/// @notice A balanced four-round Feistel network (Luby and Rackoff 1988) over the smallest domain of
/// 2^(2h) >= n values, walked along its cycle until it falls below n (Black and Rogaway 2002). The
/// domain is less than 4n, so the walk takes fewer than 4 turns on average, and it ends because the
/// start lies below n. Keyed by epoch: every epoch visits every index once, in its own order.
library Shuffle {
    uint256 private constant ROUNDS = 4;

    error PositionOutOfRange(uint256 position, uint256 n);

    /// @param position Place in the epoch, below n.
    /// @return index Which of the n things stands at that place.
    function permute(bytes32 seed, uint256 epoch, uint256 position, uint256 n)
        internal
        pure
        returns (uint256 index)
    {
        if (position >= n) revert PositionOutOfRange(position, n);
        if (n == 1) return 0;
        unchecked {
            uint256 half = 1;
            while (1 << (half << 1) < n) ++half;
            uint256 mask = (1 << half) - 1;
            // The four words that each round hashes, above the free memory pointer; the last two change.
            uint256 words;
            assembly ("memory-safe") {
                words := mload(0x40)
                mstore(words, seed)
                mstore(add(words, 0x20), epoch)
            }
            index = position;
            do {
                uint256 left = index >> half;
                uint256 right = index & mask;
                for (uint256 round; round < ROUNDS; ++round) {
                    uint256 next;
                    assembly ("memory-safe") {
                        mstore(add(words, 0x40), round)
                        mstore(add(words, 0x60), right)
                        next := xor(left, and(keccak256(words, 0x80), mask))
                    }
                    (left, right) = (right, next);
                }
                index = (left << half) | right;
            } while (index >= n);
        }
    }
}
