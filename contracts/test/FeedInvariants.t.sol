// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GasFeed} from "../src/feeds/GasFeed.sol";
import {FeedStatus} from "../src/interfaces/IProvenFeed.sol";
import {FeedHandler} from "./invariants/FeedHandler.sol";
import {Test} from "./utils/Test.sol";

/// @dev After any sequence of calls by anybody the feed is what the handler's own books say.
contract FeedInvariantsTest is Test {
    FeedHandler private handler;
    GasFeed private feed;
    uint256 private lastRound;
    uint256 private lastTime;

    function setUp() public {
        handler = new FeedHandler();
        feed = handler.feedOf();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// Lies are refused and honest submissions are not; no round is answered twice. The answer is that of the
    /// last accepted round: so nothing but a verified inference writes, a refused call changes nothing, and a
    /// tripped feed is constant. Answers are within their bounds, rounds and time never go back. One
    /// function, because each runs a campaign of its own.
    /// forge-config: default.invariant.runs = 10
    function invariant_the_feed_is_what_the_books_say() public {
        assertEq(handler.wronglyAccepted(), 0);
        assertEq(handler.wronglyRefused(), 0);
        FeedStatus memory s = feed.status();
        (int256 value, uint256 round, uint256 updatedAt, bool tripped,, uint256 pausedUntil) = handler.shadow();
        assertEq(s.latest.value, value);
        assertEq(s.latest.round, round);
        assertEq(s.latest.updatedAt, updatedAt);
        assertTrue(s.tripped == tripped, "tripped");
        assertEq(s.pausedUntil, pausedUntil);
        (int256 low, int256 high) = feed.bounds();
        assertTrue(s.latest.round == 0 || (s.latest.value >= low && s.latest.value <= high), "bounds");
        assertTrue(s.latest.round >= lastRound && s.latest.updatedAt >= lastTime, "back");
        (lastRound, lastTime) = (s.latest.round, s.latest.updatedAt);
    }

    /// The invariants say something only if the handler gets that far.
    function test_the_handler_can_do_everything() public {
        handler.answer(0, 8192); // the middle: an output of zero
        assertEq(handler.answers(), 1);
        for (uint256 kind; kind < 7; ++kind) {
            handler.pass(5, kind);
            handler.lie(0, kind);
        }
        assertEq(handler.lies(), 7);
        handler.answer(0, 8192);
        handler.pass(5, 1);
        handler.answer(0, 8192 - 4000); // next to nothing
        assertEq(handler.trips(), 1);
        handler.reset(0);
        assertEq(handler.resets(), 0);
        handler.announceReset(1);
        handler.announceReset(0);
        for (uint256 k; k < 3; ++k) {
            handler.wait(12 hours - 1);
        }
        handler.reset(1);
        handler.reset(0);
        assertEq(handler.resets(), 1);
        handler.pause(1);
        handler.pause(0);
        assertEq(handler.pauses(), 1);
        handler.pass(5, 2);
        handler.answer(0, 8192);
        assertEq(handler.answers(), 2);
        handler.wait(2 hours);
        handler.answer(0, 8192);
        assertEq(handler.answers(), 3);
        assertEq(handler.wronglyAccepted(), 0);
        assertEq(handler.wronglyRefused(), 0);
    }
}
