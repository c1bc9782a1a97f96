// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PatientPayments} from "../src/examples/PatientPayments.sol";
import {IProvenFeed} from "../src/interfaces/IProvenFeed.sol";
import {FeedReader} from "../src/libraries/FeedReader.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";
import {Unpayable} from "./utils/Receivers.sol";

/// @dev Internal library calls behind external ones, so that their reverts can be seen.
contract Reader {
    function read(IProvenFeed feed, uint256 maxAge) external view returns (int256 answer, uint256 updatedAt) {
        return FeedReader.read(feed, maxAge);
    }

    function readWithin(IProvenFeed feed, uint256 maxAge, int256 low, int256 high) external view returns (int256 a) {
        (a,) = FeedReader.readWithin(feed, maxAge, low, high);
    }

    function tryRead(IProvenFeed feed, uint256 maxAge) external view returns (bool usable, int256 answer) {
        return FeedReader.tryRead(feed, maxAge);
    }
}

contract FeedReaderTest is FeedFixture {
    Reader private reader = new Reader();
    PatientPayments private payments;

    function setUp() public {
        mineTo(1010);
        payments = new PatientPayments(feed, 1 days, 20_000, 200); // a gain of 2 per cent
    }

    function refused(uint256 maxAge, bytes memory refusal) private {
        vm.expectRevert(refusal);
        reader.read(feed, maxAge);
        (bool usable, int256 answer) = reader.tryRead(feed, maxAge);
        assertTrue(!usable && answer == 0, "not usable");
    }

    function test_read_gives_a_fresh_answer() public {
        submit(1, 0);
        (int256 answer, uint256 updatedAt) = reader.read(feed, 100);
        assertEq(answer, int256(uint256(blockOf[1010].baseFee)));
        assertEq(updatedAt, blockOf[1010].timestamp);
        (bool usable, int256 same) = reader.tryRead(feed, 100);
        assertTrue(usable && same == answer, "usable");
        assertEq(reader.readWithin(feed, 100, answer, answer), answer);
        vm.expectRevert(
            abi.encodeWithSelector(FeedReader.FeedOutOfRange.selector, feed, answer, answer + 1, answer + 2)
        );
        reader.readWithin(feed, 100, answer + 1, answer + 2);
        vm.expectRevert(
            abi.encodeWithSelector(FeedReader.FeedOutOfRange.selector, feed, answer, answer - 2, answer - 1)
        );
        reader.readWithin(feed, 100, answer - 2, answer - 1);
    }

    function test_read_rejects_a_feed_without_an_answer() public {
        refused(100, abi.encodeWithSelector(FeedReader.FeedHasNoAnswer.selector, feed));
    }

    function test_read_rejects_an_answer_older_than_the_reader_wants() public {
        submit(1, 0);
        uint256 made = blockOf[1010].timestamp;
        vm.warp(made + 100);
        reader.read(feed, 100);
        vm.warp(made + 101);
        refused(100, abi.encodeWithSelector(FeedReader.FeedIsStale.selector, feed, made, 100));
    }

    function test_read_rejects_an_answer_older_than_the_feed_allows() public {
        submit(1, 0);
        uint256 made = blockOf[1010].timestamp;
        vm.warp(made + STALE);
        reader.read(feed, 1 days);
        vm.warp(made + STALE + 1);
        refused(1 days, abi.encodeWithSelector(FeedReader.FeedIsStale.selector, feed, made, 1 days));
        (,, uint256 code) = feed.valueFor(feed.feedId());
        assertEq(code, 404);
    }

    function test_read_rejects_a_tripped_feed() public {
        submit(1, 0);
        mineTo(1015);
        submit(2, outputFor(2, 3 * int256(uint256(blockOf[1010].baseFee))));
        refused(1 days, abi.encodeWithSelector(FeedReader.FeedIsTripped.selector, feed, 1));
    }

    // --- the contract that acts on it ---

    function queue(address to) private {
        vm.deal(address(this), 1 ether);
        payments.queue{value: 1 ether}(to);
    }

    function test_payments_wait_while_gas_gets_cheaper() public {
        submit(1, outputFor(1, int256(uint256(blockOf[1010].baseFee)) * 9 / 10));
        queue(payee);
        (int256 forecast,) = reader.read(feed, 200);
        vm.fee(blockOf[1010].baseFee);
        vm.expectRevert(
            abi.encodeWithSelector(PatientPayments.BetterWait.selector, blockOf[1010].baseFee, forecast)
        );
        payments.flush(10);
        vm.fee(uint256(forecast)); // it has got cheaper
        payments.flush(10);
        assertEq(payee.balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(PatientPayments.NothingQueued.selector));
        payments.flush(10);
    }

    function test_payments_do_not_act_on_a_feed_that_cannot_be_relied_on() public {
        queue(payee);
        vm.expectRevert(abi.encodeWithSelector(FeedReader.FeedHasNoAnswer.selector, feed));
        payments.flush(10);
        submit(1, 0);
        vm.warp(blockOf[1010].timestamp + 201);
        vm.expectRevert(
            abi.encodeWithSelector(FeedReader.FeedIsStale.selector, feed, blockOf[1010].timestamp, 200)
        );
        payments.flush(10);
    }

    function test_no_feed_keeps_a_payment_longer_than_its_patience() public {
        queue(payee);
        vm.warp(block.timestamp + 1 days);
        payments.flush(10);
        assertEq(payee.balance, 1 ether);
    }

    function test_who_refuses_his_payment_keeps_nobody_else_from_theirs() public {
        Unpayable refusing = new Unpayable();
        queue(address(refusing));
        queue(payee);
        vm.warp(block.timestamp + 1 days);
        payments.flush(10);
        assertEq(payee.balance, 1 ether);
        assertEq(payments.creditOf(address(refusing)), 1 ether);
    }
}
