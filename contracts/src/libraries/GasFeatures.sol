// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockRecord} from "../interfaces/IChainHistory.sol";

/// @title What a gas feed's model reads, and what its output means
/// @notice Exact integers, see {IGasFeed}. Twin: zkdescent.verifier.twins.gas_features.
library GasFeatures {
    error BaseFeeIsZero(uint256 number);
    error GasLimitIsZero(uint256 number);

    /// @return How many features a window of `blocks` blocks has.
    function count(uint256 blocks) internal pure returns (uint256) {
        return blocks == 0 ? 0 : 2 * blocks - 1;
    }

    /// @param blocks Consecutive, oldest first. Their fields are small: nothing here overflows.
    function derive(BlockRecord[] memory blocks, uint256 fractionBits) internal pure returns (int256[] memory features) {
        uint256 n = blocks.length;
        features = new int256[](count(n));
        uint256 newest = blocks[n - 1].baseFee;
        if (newest == 0) revert BaseFeeIsZero(blocks[n - 1].number);
        int256 one = _one(fractionBits);
        for (uint256 k; k < n; ++k) {
            BlockRecord memory b = blocks[k];
            int256 limit = int256(uint256(b.gasLimit));
            if (limit == 0) revert GasLimitIsZero(b.number);
            // Truncated toward zero.
            features[k] = (2 * int256(uint256(b.gasUsed)) - limit) * one / limit;
            // forge-lint: disable-next-line(unsafe-typecast)
            if (k < n - 1) features[n + k] = int256((uint256(b.baseFee) << fractionBits) / newest) - one;
        }
    }

    /// @param baseFee Of the newest block, wei.
    /// @param output Predicted change of the base fee, as a share of it, with `fractionBits`.
    /// @return The predicted base fee, wei.
    function answer(uint256 baseFee, int256 output, uint256 fractionBits) internal pure returns (int256) {
        // A base fee is below 2^96 (BlockRecord), an output below 2^127 (Fixed).
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 newest = int256(baseFee);
        return newest + newest * output / _one(fractionBits);
    }

    /// @dev A gas feed's fraction bits are few.
    function _one(uint256 fractionBits) private pure returns (int256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(1 << fractionBits);
    }
}
