// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What is read of a block header.
struct HeaderFields {
    bytes32 parentHash;
    uint256 number;
    uint256 gasLimit;
    uint256 gasUsed;
    uint256 timestamp;
    /// The beacon chain's randomness of that block (EIP-4399).
    bytes32 mixHash;
    /// Zero if there is none.
    uint256 baseFee;
    /// How many fields the header has: one with a base fee has 16 or more.
    uint256 count;
}

/// @title Reads fields of an RLP-encoded block header
/// @notice Strict: the list prefix must be minimal and span the data exactly, every field must be a
/// canonical byte string within it, a field that is read must have its type. Fields after those are walked
/// over, however many there are, so later forks that append fields are no surprise. The caller compares
/// keccak256(rlp) with a block hash.
library Header {
    uint256 private constant PARENT_HASH = 0;
    uint256 private constant NUMBER = 8;
    uint256 private constant GAS_LIMIT = 9;
    uint256 private constant GAS_USED = 10;
    uint256 private constant TIMESTAMP = 11;
    uint256 private constant MIX_HASH = 13;
    uint256 internal constant BASE_FEE = 15;

    error HeaderMalformed(uint256 offset);

    /// @return number The block's number.
    /// @return mixHash Its randomness.
    function parse(bytes calldata rlp) internal pure returns (uint256 number, bytes32 mixHash) {
        HeaderFields memory f = read(rlp);
        return (f.number, f.mixHash);
    }

    /// @notice All fields in one walk.
    /// @dev `cursor` is at most the length after each field, so sums and reads are of places within it.
    function read(bytes calldata rlp) internal pure returns (HeaderFields memory f) {
        uint256 cursor = _list(rlp);
        uint256 field;
        unchecked {
            for (; cursor < rlp.length; ++field) {
                (uint256 start, uint256 length) = _string(rlp, cursor);
                if (field == PARENT_HASH) {
                    f.parentHash = _hash(rlp, cursor, start, length);
                } else if (field >= NUMBER && field <= BASE_FEE) {
                    if (field == NUMBER) f.number = _integer(rlp, cursor, start, length, 8);
                    else if (field == GAS_LIMIT) f.gasLimit = _integer(rlp, cursor, start, length, 8);
                    else if (field == GAS_USED) f.gasUsed = _integer(rlp, cursor, start, length, 8);
                    else if (field == TIMESTAMP) f.timestamp = _integer(rlp, cursor, start, length, 8);
                    else if (field == MIX_HASH) f.mixHash = _hash(rlp, cursor, start, length);
                    else if (field == BASE_FEE) f.baseFee = _integer(rlp, cursor, start, length, 32);
                }
                cursor = start + length;
            }
        }
        if (field <= MIX_HASH) revert HeaderMalformed(cursor);
        f.count = field;
    }

    function _hash(bytes calldata rlp, uint256 cursor, uint256 start, uint256 length) private pure returns (bytes32) {
        if (length != 32) revert HeaderMalformed(cursor);
        return bytes32(_word(rlp, start));
    }

    /// @dev No leading zero, and not longer than its type: no chain has 2^64 blocks, seconds or gas.
    function _integer(bytes calldata rlp, uint256 cursor, uint256 start, uint256 length, uint256 longest)
        private
        pure
        returns (uint256)
    {
        if (length == 0) return 0;
        uint256 word = _word(rlp, start);
        if (length > longest || word >> 248 == 0) revert HeaderMalformed(cursor);
        unchecked {
            return word >> (256 - 8 * length);
        }
    }

    /// @dev 32 bytes from a place in the data; a byte of them is read only if it is within.
    function _word(bytes calldata rlp, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(rlp.offset, place))
        }
    }

    /// @return cursor Where the list's first item starts.
    function _list(bytes calldata rlp) private pure returns (uint256 cursor) {
        // A header is longer than 55 bytes and shorter than 64 KiB: one or two length bytes.
        if (rlp.length < 2) revert HeaderMalformed(0);
        uint256 prefix = uint8(rlp[0]);
        if (prefix != 0xf8 && prefix != 0xf9) revert HeaderMalformed(0);
        cursor = prefix - 0xf6;
        if (rlp.length < cursor) revert HeaderMalformed(1);
        uint256 length = prefix == 0xf8 ? uint8(rlp[1]) : uint16(bytes2(rlp[1:3]));
        if (length < (prefix == 0xf8 ? 56 : 256) || rlp.length != cursor + length) revert HeaderMalformed(1);
    }

    /// @dev The caller has checked that the prefix is within the data.
    /// @return start Where the string's bytes start.
    /// @return length How many there are; all within the data.
    function _string(bytes calldata rlp, uint256 cursor) private pure returns (uint256 start, uint256 length) {
        uint256 word = _word(rlp, cursor);
        uint256 prefix = word >> 248;
        if (prefix < 0x80) return (cursor, 1);
        unchecked {
            if (prefix <= 0xb7) {
                (start, length) = (cursor + 1, prefix - 0x80);
                if (start + length > rlp.length) revert HeaderMalformed(cursor);
                // A byte that is its own encoding.
                if (length == 1 && (word >> 240) & 0xff < 0x80) revert HeaderMalformed(cursor);
            } else {
                // Longest field: the 256-byte bloom; nested lists (prefix >= 0xc0) have no place here.
                if (prefix > 0xb9) revert HeaderMalformed(cursor);
                start = cursor + prefix - 0xb6;
                if (start > rlp.length) revert HeaderMalformed(cursor);
                length = prefix == 0xb8 ? (word >> 240) & 0xff : (word >> 232) & 0xffff;
                if (length < (prefix == 0xb8 ? 56 : 256) || start + length > rlp.length) {
                    revert HeaderMalformed(cursor);
                }
            }
        }
    }
}
