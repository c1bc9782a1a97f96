// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Quantities on a logarithmic scale, in eighths of an octave
/// @notice What is tuned on this scale moves by ratios: 8 units are a factor of two. Costs that fall like
/// 1/n and rise like n are near to a parabola on it, which they are not on n.
library Octaves {
    uint256 internal constant EIGHTHS = 8 * 64;

    error NotInOctaves(int64 eighths);

    /// @notice floor(2^(eighths / 8)) up to the table's precision of 2^-16, for 0 <= eighths < 512.
    function exp2(int64 eighths) internal pure returns (uint256) {
        if (eighths < 0 || uint64(eighths) >= EIGHTHS) revert NotInOctaves(eighths);
        uint256 e = uint64(eighths);
        // round(2^16 * 2^(k/8)), k = 7 .. 0, 32 bits each.
        uint256 table = 0x0001d582_0001ae8a_00018ace_00016a0a_00014bfe_00013070_0001172c_00010000;
        return (uint256(uint32(table >> (e % 8) * 32)) << e / 8) >> 16;
    }
}
