// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Words that never change, kept as the code of a contract
/// @notice Reading code costs one cold account, 2,600 gas, however many words there are; a word of storage
/// costs 2,100. Writing costs 200 gas a byte instead of 690. The first byte is STOP, so that calling the
/// code does nothing; it has no way to change or to destroy itself. After Solady's SSTORE2.
library CodeStore {
    error CodeStoreFailed();

    /// @param words At most 24,575 bytes.
    /// @return pointer Where they are kept.
    function write(bytes memory words) internal returns (address pointer) {
        // Ten bytes that return what follows them: PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0,
        // RETURN. What follows is STOP and the words.
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes memory creation =
            abi.encodePacked(hex"61", uint16(words.length + 1), hex"80600a5f395ff3", hex"00", words);
        assembly ("memory-safe") {
            pointer := create(0, add(creation, 0x20), mload(creation))
        }
        if (pointer == address(0)) revert CodeStoreFailed();
    }

    /// @notice Copy `count` words from word `from` on to the memory at `to`, which the caller has allocated.
    function read(address pointer, uint256 to, uint256 from, uint256 count) internal view {
        assembly ("memory-safe") {
            extcodecopy(pointer, to, add(1, shl(5, from)), shl(5, count))
        }
    }
}
