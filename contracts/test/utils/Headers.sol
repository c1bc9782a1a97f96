// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {BlockRecord} from "../../src/interfaces/IChainHistory.sol";

/// @dev Makes block headers with OpenZeppelin's encoder, which shares no code with the parser under test.
library Headers {
    function encode(uint256 number, bytes32 mixHash, uint256 fields) internal pure returns (bytes memory) {
        bytes[] memory items = new bytes[](fields);
        for (uint256 k; k < fields; ++k) {
            items[k] = item(k, number, mixHash);
        }
        return RLP.encode(items);
    }

    function item(uint256 k, uint256 number, bytes32 mixHash) internal pure returns (bytes memory) {
        if (k == 2) return RLP.encode(address(0xC0FFEE));
        if (k == 6) return RLP.encode(new bytes(256)); // bloom: a two-byte length
        if (k == 7) return RLP.encode(uint256(0)); // difficulty
        if (k == 8) return RLP.encode(number);
        if (k == 9) return RLP.encode(uint256(30_000_000));
        if (k == 10) return RLP.encode(uint256(0x7f)); // a byte that is its own encoding
        if (k == 11) return RLP.encode(uint256(1_700_000_000));
        if (k == 12) return RLP.encode(bytes("extra"));
        if (k == 13) return RLP.encode(mixHash);
        if (k == 14) return RLP.encode(new bytes(8));
        if (k == 15) return RLP.encode(uint256(7));
        if (k == 17 || k == 18) return RLP.encode(uint256(0));
        return RLP.encode(keccak256(abi.encode(k)));
    }

    /// A header of today, of a block that has a place in a chain.
    function linked(bytes32 parentHash, BlockRecord memory b) internal pure returns (bytes memory) {
        return linked(parentHash, b, 21);
    }

    function linked(bytes32 parentHash, BlockRecord memory b, uint256 fields) internal pure returns (bytes memory) {
        bytes[] memory items = new bytes[](fields);
        for (uint256 k; k < fields; ++k) {
            items[k] = item(k, b.number, "mix");
        }
        items[0] = RLP.encode(parentHash);
        items[9] = RLP.encode(uint256(b.gasLimit));
        items[10] = RLP.encode(uint256(b.gasUsed));
        items[11] = RLP.encode(uint256(b.timestamp));
        if (fields > 15) items[15] = RLP.encode(uint256(b.baseFee));
        return RLP.encode(items);
    }

    /// The same as `linked`, for tests that make many.
    function quick(bytes32 parentHash, BlockRecord memory b) internal pure returns (bytes memory) {
        bytes memory front = abi.encodePacked(
            bytes1(0xa0),
            parentHash,
            bytes1(0xa0),
            keccak256(abi.encode(1)),
            bytes1(0x94),
            address(0xC0FFEE),
            bytes1(0xa0),
            keccak256(abi.encode(3)),
            bytes1(0xa0),
            keccak256(abi.encode(4)),
            bytes1(0xa0),
            keccak256(abi.encode(5)),
            hex"b90100",
            new bytes(256),
            bytes1(0x80)
        );
        bytes memory middle = abi.encodePacked(
            RLP.encode(uint256(b.number)),
            RLP.encode(uint256(b.gasLimit)),
            RLP.encode(uint256(b.gasUsed)),
            RLP.encode(uint256(b.timestamp)),
            hex"856578747261a0",
            bytes32("mix"),
            hex"880000000000000000",
            RLP.encode(uint256(b.baseFee)),
            bytes1(0xa0),
            keccak256(abi.encode(16))
        );
        bytes memory back = abi.encodePacked(
            hex"8080a0", keccak256(abi.encode(19)), bytes1(0xa0), keccak256(abi.encode(20))
        );
        uint256 length = front.length + middle.length + back.length;
        return abi.encodePacked(bytes1(0xf9), uint16(length), front, middle, back);
    }
}
