// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";
import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {BlockRecord} from "../src/interfaces/IChainHistory.sol";
import {Header, HeaderFields} from "../src/libraries/Header.sol";
import {Headers} from "./utils/Headers.sol";
import {Test} from "./utils/Test.sol";

contract HeaderTest is Test {
    function parse(bytes calldata rlp) external pure returns (uint256 number, bytes32 mixHash) {
        return Header.parse(rlp);
    }

    function read(bytes calldata rlp) external pure returns (HeaderFields memory) {
        return Header.read(rlp);
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

    /// forge-config: default.fuzz.runs = 250
    function testFuzz_read_agrees_with_openzeppelin_on_every_field(
        bytes32 parent,
        BlockRecord memory b,
        uint8 extra
    ) public view {
        bytes memory rlp = Headers.linked(parent, b, bound(extra, 16, 26));
        HeaderFields memory f = this.read(rlp);
        Memory.Slice[] memory fields = RLP.decodeList(rlp);
        assertEq(f.parentHash, BlockHeader.getParentHash(fields));
        assertEq(f.number, BlockHeader.getNumber(fields));
        assertEq(f.gasLimit, BlockHeader.getGasLimit(fields));
        assertEq(f.gasUsed, BlockHeader.getGasUsed(fields));
        assertEq(f.timestamp, BlockHeader.getTimestamp(fields));
        assertEq(f.mixHash, BlockHeader.getPrevRandao(fields));
        assertEq(f.baseFee, BlockHeader.getBaseFeePerGas(fields));
        assertEq(f.count, bound(extra, 16, 26));
    }

    /// What the feeds' tests make many of.
    function test_quick_headers_are_what_openzeppelin_encodes() public pure {
        BlockRecord memory b = BlockRecord(0, 0x7f, 0x80, 30_000_000, type(uint96).max);
        assertEq(keccak256(Headers.quick("parent", b)), keccak256(Headers.linked("parent", b)));
    }

    function test_read_knows_a_header_without_a_base_fee() public view {
        BlockRecord memory b = BlockRecord(7, 1, 2, 3, 4);
        HeaderFields memory f = this.read(Headers.linked("parent", b, 15));
        assertTrue(f.count == 15 && f.baseFee == 0, "before EIP-1559");
        assertEq(this.read(Headers.linked("parent", b, 16)).baseFee, 4);
    }

    function test_read_rejects_fields_of_another_type() public view {
        for (uint256 field; field < 16; ++field) {
            bool isHash = field == 0 || field == 13;
            if (!isHash && (field < 8 || field > 11) && field != 15) continue;
            rejects(withField(field, isHash ? bytes(hex"01") : bytes(hex"820005")));
            rejects(withField(field, isHash ? RLP.encode(new bytes(31)) : bytes(hex"00")));
            if (field == 15) rejects(withField(field, RLP.encode(abi.encodePacked(hex"01", bytes32(0)))));
            else if (!isHash) rejects(withField(field, hex"89010000000000000000"));
        }
    }

    function withField(uint256 field, bytes memory item) private pure returns (bytes memory) {
        bytes[] memory items = new bytes[](16);
        for (uint256 k; k < 16; ++k) {
            items[k] = k == field ? item : Headers.item(k, 5, "mix");
        }
        return RLP.encode(items);
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
