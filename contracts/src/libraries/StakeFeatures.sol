// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Share} from "../interfaces/IStakeSource.sol";

/// @title A source's numbers as a model's inputs
library StakeFeatures {
    error NotAShare(uint256 index, Share share);

    /// @return features floor(2 n 2^f / d) - 2^f for each: -1 for none, 1 for a whole, in fixed point. A
    /// model learns faster from numbers around zero.
    function fixedPoint(Share[] memory shares, uint256 fractionBits) internal pure returns (int256[] memory features) {
        features = new int256[](shares.length);
        for (uint256 k; k < shares.length; ++k) {
            Share memory share = shares[k];
            // The bound keeps the shift exact.
            if (share.denominator == 0 || share.numerator >> 128 != 0) revert NotAShare(k, share);
            uint256 twice = (share.numerator << (fractionBits + 1)) / share.denominator;
            // forge-lint: disable-next-line(unsafe-typecast)
            features[k] = int256(twice) - int256(1 << fractionBits);
        }
    }
}
