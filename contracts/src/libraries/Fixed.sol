// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Field elements as signed integers
/// @notice A public value v stands for the integer v, or v - R when that is negative and small. The
/// prover's integers fit 128 bits; anything between is no number and reverts.
library Fixed {
    /// @dev Order of the BN254 scalar field.
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant BOUND = 1 << 127;

    error NotAnInteger(uint256 element);

    /// @return value The only integer with |value| < 2^127 that `element` stands for.
    function toInt(uint256 element) internal pure returns (int256 value) {
        // forge-lint: disable-next-line(unsafe-typecast)
        if (element < BOUND) return int256(element);
        if (element >= R || R - element >= BOUND) revert NotAnInteger(element);
        // forge-lint: disable-next-line(unsafe-typecast)
        return -int256(R - element);
    }
}
