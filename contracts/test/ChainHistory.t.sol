// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChainHistory} from "../src/feeds/ChainHistory.sol";
import {BlockRecord, IChainHistory} from "../src/interfaces/IChainHistory.sol";
import {Header} from "../src/libraries/Header.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";
import {Headers} from "./utils/Headers.sol";

/// @dev Stands where EIP-2935's contract is.
contract HistoryOf2935 {
    mapping(uint256 number => bytes32) public hashes;

    function set(uint256 number, bytes32 hash) external {
        hashes[number] = hash;
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        return abi.encode(hashes[uint256(bytes32(data))]);
    }
}

contract ChainHistoryTest is FeedFixture {
    event BlocksRecorded(uint256 indexed first, uint256 indexed last);

    function setUp() public {
        mineTo(1015);
    }

    function same(BlockRecord memory got, BlockRecord memory expected) private pure {
        assertEq(keccak256(abi.encode(got)), keccak256(abi.encode(expected)));
    }

    function refused(bytes[] memory headers, bytes memory refusal) private {
        vm.expectRevert(refusal);
        history.record(headers);
    }

    /// forge-config: default.fuzz.runs = 100
    function testFuzz_record_keeps_what_the_headers_say(uint256 last, uint256 count) public {
        last = bound(last, 1000, 1015);
        count = bound(count, 1, last - 999);
        vm.expectEmit(true, true, true, true, address(history));
        emit BlocksRecorded(last + 1 - count, last);
        (uint256 first, uint256 newest) = history.record(headersOf(last, count));
        assertTrue(first == last + 1 - count && newest == last, "range");
        BlockRecord[] memory kept = history.window(last, count);
        for (uint256 k; k < count; ++k) {
            same(kept[k], blockOf[first + k]);
        }
        assertTrue(!history.isRecorded(last + 1) && !history.isRecorded(first - 1), "nothing else");
    }

    function test_record_twice_is_harmless() public {
        history.record(headersOf(1012, 3));
        history.record(headersOf(1012, 3));
        history.record(headersOf(1013, 4));
        same(history.blockAt(1010), blockOf[1010]);
    }

    function test_record_rejects_nothing() public {
        refused(new bytes[](0), abi.encodeWithSelector(IChainHistory.NoHeaders.selector));
    }

    function test_record_rejects_blocks_out_of_reach() public {
        bytes[] memory headers = headersOf(1010, 1);
        vm.roll(1010 + 257);
        refused(headers, abi.encodeWithSelector(IChainHistory.BlockOutOfReach.selector, 1010, 1267));
        vm.roll(1010); // the block that is being made
        refused(headers, abi.encodeWithSelector(IChainHistory.BlockOutOfReach.selector, 1010, 1010));
        vm.roll(1009);
        refused(headers, abi.encodeWithSelector(IChainHistory.BlockOutOfReach.selector, 1010, 1009));
    }

    /// An older header hangs on a newer one that the chain still knows.
    function test_record_reaches_back_through_parents() public {
        vm.roll(1267);
        vm.setBlockhash(1015, hashOf[1015]);
        bytes[] memory headers = headersOf(1015, 10);
        history.record(headers);
        same(history.blockAt(1006), blockOf[1006]);
    }

    function test_record_reads_eip_2935_where_there_is_one() public {
        address place = 0x0000F90827F1C53a10cb7A02335B175320002935;
        vm.etch(place, address(new HistoryOf2935()).code);
        HistoryOf2935(place).set(1010, hashOf[1010]);
        vm.roll(1010 + 5000);
        history.record(headersOf(1010, 4));
        same(history.blockAt(1007), blockOf[1007]);
        bytes[] memory headers = headersOf(1011, 1);
        refused(headers, abi.encodeWithSelector(IChainHistory.BlockOutOfReach.selector, 1011, 6010));
    }

    function test_a_later_block_takes_the_place_and_an_older_one_never_does() public {
        ChainHistory small = new ChainHistory(4);
        small.record(headersOf(1010, 4));
        small.record(headersOf(1012, 2));
        same(small.blockAt(1012), blockOf[1012]);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 1008));
        small.blockAt(1008);
        bytes[] memory old = headersOf(1008, 1);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockOverwritten.selector, 1008, 1012));
        small.record(old);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 1008));
        small.window(1012, 5);
    }

    function test_an_empty_place_is_not_block_zero() public {
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 0));
        history.blockAt(0);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 3));
        history.window(3, 5);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 3));
        history.window(3, 0);
    }

    /// One changed byte anywhere in a chain of headers: of the newest its hash differs, of an older one its
    /// child names another.
    /// forge-config: default.fuzz.runs = 250
    function testFuzz_record_rejects_any_changed_byte(uint256 which, uint256 place, uint8 by) public {
        bytes[] memory headers = headersOf(1012, 4);
        which = bound(which, 0, 3);
        place = bound(place, 0, headers[which].length - 1);
        headers[which][place] = bytes1(uint8(headers[which][place]) ^ uint8(bound(by, 1, 255)));
        (bool ok, bytes memory answer) = address(history).call(abi.encodeCall(ChainHistory.record, (headers)));
        assertTrue(!ok, "recorded");
        bytes4 why = bytes4(answer);
        if (which < 3) {
            assertTrue(why == IChainHistory.NotTheParent.selector, "an older one is hashed first");
        } else {
            // The newest is parsed for its number.
            assertTrue(
                why == IChainHistory.NotThisChain.selector || why == Header.HeaderMalformed.selector
                    || why == IChainHistory.BlockOutOfReach.selector,
                "the newest"
            );
        }
    }

    function test_record_rejects_headers_without_what_it_keeps() public {
        uint256 number = block.number;
        BlockRecord memory b = BlockRecord(uint40(number), 1, 1, 1, 1);
        bytes[] memory headers = new bytes[](1);
        headers[0] = Headers.linked("parent", b, 15);
        vm.roll(number + 1);
        vm.setBlockhash(number, keccak256(headers[0]));
        refused(headers, abi.encodeWithSelector(IChainHistory.NoBaseFee.selector, number));
    }

    function test_constructor_rejects_no_capacity() public {
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.CapacityInvalid.selector, 0));
        new ChainHistory(0);
        vm.expectRevert(abi.encodeWithSelector(IChainHistory.CapacityInvalid.selector, 65_537));
        new ChainHistory(65_537);
    }
}
