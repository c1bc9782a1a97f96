// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

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
}
