// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Words that never change, kept as the code of a contract whose address follows from a key
/// @notice As CodeStore, but nobody has to remember where the words are: that is a slot less to write and
/// to read. The address of CREATE2 follows from deployer, key and creation code, so the creation code is
/// always the same and asks its deployer for the words, which lie in transient storage meanwhile.
library KeyedStore {
    /// @dev PUSH4 selector, PUSH0, MSTORE; STATICCALL of the caller with these four bytes; POP; RETURNDATACOPY
    /// to 0x21; RETURN from 0x20: the first byte is STOP, so that calling the code does nothing.
    bytes32 private constant CREATION_HASH = keccak256(hex"63bc5475275f525f5f6004601c335afa503d5f60213e3d6001016020f3");

    error KeyedStoreFailed(bytes32 key);

    /// @param words Of whole words; at most 24,575 bytes. The deployer's `pendingWords` answers with them.
    function write(bytes32 key, bytes memory words) internal {
        bytes memory creation = hex"63bc5475275f525f5f6004601c335afa503d5f60213e3d6001016020f3";
        uint256 size;
        assembly ("memory-safe") {
            for { let at := 0 } lt(at, mload(words)) { at := add(at, 0x20) } {
                tstore(at, mload(add(add(words, 0x20), at)))
            }
            size := extcodesize(create2(0, add(creation, 0x20), mload(creation), key))
            for { let at := 0 } lt(at, mload(words)) { at := add(at, 0x20) } { tstore(at, 0) }
        }
        if (size != words.length + 1) revert KeyedStoreFailed(key);
    }

    /// @notice Answer the call with what {write} was given in this transaction: `count` words, unwrapped.
    function pending(uint256 count) internal view {
        assembly {
            let size := shl(5, count)
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } { mstore(at, tload(at)) }
            return(0x00, size)
        }
    }

    /// @notice Copy the first `count` words to the memory at `to`, which the caller has allocated.
    /// @dev Zeros if nothing was written under the key.
    function read(bytes32 key, uint256 to, uint256 count) internal view {
        bytes32 creationHash = CREATION_HASH;
        assembly ("memory-safe") {
            // 0xff, deployer, salt, hash of the creation code; the hash of these is scratch, not kept.
            let at := mload(0x40)
            mstore(at, or(shl(248, 0xff), shl(88, address())))
            mstore(add(at, 0x15), key)
            mstore(add(at, 0x35), creationHash)
            extcodecopy(keccak256(at, 0x55), to, 1, shl(5, count))
        }
    }
}
