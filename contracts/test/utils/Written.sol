// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What was written above the free memory pointer: a length before it makes it bytes.
function written(uint256 from, uint256 end) pure returns (bytes memory data) {
    assembly ("memory-safe") {
        let size := sub(end, from)
        data := add(end, 0x20)
        mstore(data, size)
        mcopy(add(data, 0x20), from, size)
        mstore(0x40, and(add(add(data, size), 0x5f), not(0x1f)))
    }
}
