// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GasFeed} from "../../src/feeds/GasFeed.sol";
import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {FeedFixture} from "../utils/FeedFixture.sol";

/// @dev Submitters, honest and not, an owner and a guardian push one feed through blocks and time. Next to
/// the feed it keeps books of its own, from accepted calls and from what an honest submission says alone.
contract FeedHandler is FeedFixture {
    struct Shadow {
        int256 value;
        uint256 round;
        uint256 updatedAt;
        bool tripped;
        bool unanchored;
        uint256 pausedUntil;
    }

    Shadow public shadow;
    uint256 public wronglyAccepted;
    uint256 public wronglyRefused;
    uint256 public answers;
    uint256 public trips;
    uint256 public resets;
    uint256 public pauses;
    uint256 public lies;
    mapping(uint256 round => bool) public answered;

    /// Cheat codes that move time do not outlive a call.
    uint256 private clock;
    uint256 private height;
    uint256 private announcedAt;

    constructor() {
        mineTo(1010);
        (clock, height) = (block.timestamp, block.number);
    }

    modifier now_() {
        vm.warp(clock);
        vm.roll(height);
        _;
        (clock, height) = (block.timestamp, block.number);
    }

    function feedOf() external view returns (GasFeed) {
        return feed;
    }

    // --- actions ---

    function pass(uint256 blocks, uint256 draw) external now_ {
        blocks = bound(blocks, 1, 7);
        for (uint256 k; k < blocks; ++k) {
            uint256 next = uint256(keccak256(abi.encode(draw, k)));
            mine(next % 30_000_001, 1e9 + (next >> 128) % 1e8);
        }
    }

    function wait(uint256 time) external now_ {
        vm.warp(block.timestamp + bound(time, 1, 12 hours));
    }

    /// An honest submission of a round near this one, open or not, with an output of any size.
    function answer(uint256 back, int256 output) external now_ {
        (bool known, uint256 round) = near(back);
        if (!known) return;
        output = int256(bound(uint256(output), 0, uint256(4 * ONE))) - 2 * ONE;
        int256 value = valueOf(round, output);
        bool expected = open(round) && value >= LOW && value <= HIGH;
        bool ok = tried(round, windowOf(round), output, honest(round, output));
        if (ok && !expected) ++wronglyAccepted;
        if (!ok && expected) ++wronglyRefused;
        if (!ok) return;
        if (answered[round]) ++wronglyAccepted;
        if (shadow.round != 0 && !shadow.unanchored && beyond(value, round)) {
            shadow.tripped = true;
            ++trips;
            return;
        }
        ++answers;
        answered[round] = true;
        (shadow.value, shadow.round, shadow.unanchored) = (value, round, false);
        shadow.updatedAt = blockOf[feed.windowEnd(round)].timestamp;
    }

    /// Something is wrong with it: nothing of the kind is ever accepted.
    function lie(uint256 back, uint256 kind) external now_ {
        (bool known, uint256 round) = near(back);
        if (!known) return;
        kind = bound(kind, 0, 6);
        bytes[] memory headers = windowOf(round);
        int256[] memory features = featuresOf(round);
        Evidence memory evidence = honest(round, 0);
        int256 output;
        if (kind == 0) {
            features[back % FEATURES] += 1;
            evidence = proofOf(model, modelState, address(feed), round, features, 0);
        } else if (kind == 1) {
            headers[back % N][50] ^= 0x01;
        } else if (kind == 2) {
            evidence = proofOf(model, state(3), address(feed), round, features, 0);
        } else if (kind == 3) {
            evidence = proofOf(model, modelState, address(feed), round + 1, features, 0);
        } else if (kind == 4) {
            output = 1;
        } else if (kind == 5) {
            spoil(evidence);
        } else {
            evidence = proofOf(model, modelState, stranger, round, features, 0);
        }
        // Blocks that are recorded already are not asked for again: a changed header alone is no lie then.
        if (kind == 1 && open(round)) {
            try history.record(headers) {
                ++wronglyAccepted;
            } catch {}
        } else if (tried(round, headers, output, evidence)) {
            ++wronglyAccepted;
        }
        ++lies;
    }

    function pause(uint256 who) external now_ {
        bool allowed = who % 2 == 0 && (shadow.pausedUntil == 0 || clock >= shadow.pausedUntil + PAUSE);
        vm.prank(who % 2 == 0 ? guard : stranger);
        try feed.pause() {
            if (!allowed) ++wronglyAccepted;
            shadow.pausedUntil = clock + PAUSE;
            ++pauses;
        } catch {
            if (allowed) ++wronglyRefused;
        }
    }

    function announceReset(uint256 who) external now_ {
        vm.prank(who % 2 == 0 ? owner : stranger);
        try feed.announceReset() {
            if (who % 2 != 0 || !shadow.tripped) ++wronglyAccepted;
            announcedAt = clock;
        } catch {}
    }

    function reset(uint256 who) external now_ {
        vm.prank(who % 2 == 0 ? owner : stranger);
        try feed.reset() {
            if (who % 2 != 0 || !shadow.tripped || clock < announcedAt + TIMELOCK) ++wronglyAccepted;
            (shadow.tripped, shadow.unanchored) = (false, true);
            ++resets;
        } catch {}
    }

    // --- its own view of the rules ---

    function near(uint256 back) private returns (bool known, uint256 round) {
        uint256 newest = (height - 1 - 1010) / CADENCE + 1;
        round = newest - bound(back, 0, newest > 3 ? 3 : newest - 1);
        uint256 end = 1010 + (round - 1) * CADENCE;
        vm.setBlockhash(end, hashOf[end]);
        return (end + 256 >= height, round);
    }

    function open(uint256 round) private view returns (bool) {
        uint256 end = 1010 + (round - 1) * CADENCE;
        return !shadow.tripped && clock >= shadow.pausedUntil && round > shadow.round && height > end
            && height <= end + HORIZON + GRACE;
    }

    function valueOf(uint256 round, int256 output) private view returns (int256) {
        int256 fee = int256(uint256(blockOf[feed.windowEnd(round)].baseFee));
        return fee + fee * output / ONE;
    }

    function beyond(int256 value, uint256 round) private view returns (bool) {
        int256 away = value > shadow.value ? value - shadow.value : shadow.value - value;
        int256 size = shadow.value < 0 ? -shadow.value : shadow.value;
        return away > (size / 2 + 10) * int256(round - shadow.round);
    }

    function tried(uint256 round, bytes[] memory headers, int256 output, Evidence memory evidence)
        private
        returns (bool ok)
    {
        (ok,) = address(feed).call(abi.encodeCall(GasFeed.submit, (round, headers, only(output), evidence)));
    }
}
