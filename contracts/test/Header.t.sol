// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {Header} from "../src/libraries/Header.sol";
import {Headers} from "./utils/Headers.sol";
import {Test} from "./utils/Test.sol";

contract HeaderTest is Test {
    function parse(bytes calldata rlp) external pure returns (uint256 number, bytes32 mixHash) {
        return Header.parse(rlp);
    }

    function agrees(bytes memory rlp, uint256 number, bytes32 mixHash) private view {
        (uint256 gotNumber, bytes32 gotMix) = this.parse(rlp);
        assertEq(gotNumber, number);
        assertEq(gotMix, mixHash);
        assertEq(BlockHeader.getNumber(rlp), number);
        assertEq(BlockHeader.getPrevRandao(rlp), mixHash);
    }

    function refuse(bytes memory rlp, uint256 offset) private {
        vm.expectRevert(abi.encodeWithSelector(Header.HeaderMalformed.selector, offset));
        this.parse(rlp);
    }

    function testFuzz_parse_agrees_with_openzeppelin(uint64 number, bytes32 mixHash, uint8 extra) public view {
        // From the 15 fields of Frontier to a few that no fork has added yet.
        agrees(Headers.encode(number, mixHash, bound(extra, 14, 26)), number, mixHash);
    }

    function test_parse_reads_number_zero_and_one_byte_numbers() public view {
        agrees(Headers.encode(0, "mix", 21), 0, "mix");
        agrees(Headers.encode(0x7f, "mix", 21), 0x7f, "mix");
        agrees(Headers.encode(0x80, "mix", 21), 0x80, "mix");
    }

    function testFuzz_parse_never_accepts_a_truncated_header(uint256 length) public view {
        bytes memory rlp = Headers.encode(12_345, "mix", 21);
        length = bound(length, 0, rlp.length - 1);
        assembly ("memory-safe") {
            mstore(rlp, length)
        }
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.parse, (rlp)));
        assertTrue(!ok, "truncated");
    }

    function testFuzz_parse_never_accepts_appended_bytes(bytes calldata tail) public view {
        vm.assume(tail.length > 0);
        bytes memory rlp = bytes.concat(Headers.encode(12_345, "mix", 21), tail);
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.parse, (rlp)));
        assertTrue(!ok, "extended");
    }

    /// Whatever one flipped byte does, the parser reverts or agrees with OpenZeppelin's.
    function testFuzz_parse_reverts_or_agrees_on_a_changed_byte(uint256 place, bytes1 value) public view {
        bytes memory rlp = Headers.encode(12_345, "mix", 21);
        rlp[bound(place, 0, rlp.length - 1)] = value;
        (bool ok, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.parse, (rlp)));
        if (!ok) return;
        (uint256 number, bytes32 mixHash) = abi.decode(answer, (uint256, bytes32));
        assertEq(number, BlockHeader.getNumber(rlp));
        assertEq(mixHash, BlockHeader.getPrevRandao(rlp));
    }

    function test_parse_rejects_empty_and_foreign_data() public {
        refuse("", 0);
        refuse(hex"f9", 0);
        refuse(hex"f902", 1);
        refuse(bytes.concat(hex"b9", bytes32(0)), 0);
        refuse(hex"c0c0", 0);
        refuse(hex"fa000100", 0);
    }

    function test_parse_rejects_a_list_length_that_is_not_minimal() public {
        bytes memory items = new bytes(56);
        refuse(bytes.concat(hex"f90038", items), 1);
    }

    function test_parse_rejects_too_few_fields() public {
        bytes memory rlp = Headers.encode(1, "mix", 13);
        refuse(rlp, rlp.length);
    }

    function listOf(bytes memory eighth, bytes memory thirteenth) private pure returns (bytes memory) {
        bytes[] memory items = new bytes[](15);
        for (uint256 k; k < 15; ++k) {
            items[k] = k == 8 ? eighth : k == 13 ? thirteenth : Headers.item(k, 0, 0);
        }
        return RLP.encode(items);
    }

    function rejects(bytes memory rlp) private view {
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.parse, (rlp)));
        assertTrue(!ok, "malformed");
    }

    function test_parse_rejects_malformed_fields() public view {
        bytes memory mix = RLP.encode(bytes32("mix"));
        agrees(listOf(hex"05", mix), 5, "mix");
        rejects(listOf(hex"8105", mix)); // one byte below 0x80 needs no prefix
        rejects(listOf(hex"820005", mix)); // a leading zero
        rejects(listOf(hex"00", mix)); // zero is the empty string
        rejects(listOf(hex"89010000000000000000", mix)); // 2^64
        rejects(listOf(hex"c105", mix)); // a list
        rejects(listOf(hex"b80105", mix)); // a long form of a short string
        rejects(listOf(hex"05", RLP.encode(bytes("short mix"))));
        rejects(listOf(hex"05", bytes.concat(hex"b820", bytes32("mix")))); // a long form again
    }
}
