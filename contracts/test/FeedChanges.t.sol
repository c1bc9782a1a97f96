// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {GasFeed} from "../src/feeds/GasFeed.sol";
import {CircuitId, CircuitSpec, Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {ChangeKind, IProvenFeed} from "../src/interfaces/IProvenFeed.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";

/// @dev What owner and guardian can do, and what they can't.
contract FeedChangesTest is FeedFixture {
    event ChangeAnnounced(bytes32 indexed changeId, ChangeKind kind, uint256 readyAt, uint256 expiresAt);
    event ModelChanged(uint256 indexed modelId, bytes32 commitmentHash);

    uint256 private next;
    bytes32 private nextPin;

    function setUp() public {
        mineTo(1010);
        (next, nextPin) = mintModel(FEATURES, 1, 12, 1);
    }

    // --- the model ---

    function test_a_model_changes_after_the_timelock_and_not_before() public {
        bytes32 change = keccak256(abi.encode(ChangeKind.Model, abi.encode(next, nextPin)));
        uint256 readyAt = block.timestamp + TIMELOCK;
        vm.expectEmit(true, true, true, true, address(feed));
        emit ChangeAnnounced(change, ChangeKind.Model, readyAt, readyAt + 14 days);
        vm.prank(owner);
        feed.announceModel(next, nextPin);
        vm.warp(readyAt - 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeNotReady.selector, change, readyAt));
        feed.adoptModel(next, nextPin);
        submit(1, 0); // meanwhile the old model's answers

        vm.warp(readyAt);
        vm.expectEmit(true, true, true, true, address(feed));
        emit ModelChanged(next, nextPin);
        vm.prank(owner);
        feed.adoptModel(next, nextPin);
        (uint256 id, bytes32 hash) = feed.model();
        assertTrue(id == next && hash == nextPin, "changed");
        mineTo(1015);
        Evidence memory old = honest(2, 0);
        bytes[] memory headers = windowOf(2);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICircuits.ContextMismatch.selector, registry.inferenceContextOf(next, address(feed), 2)
            )
        );
        feed.submit(2, headers, only(0), old);
        feed.submit(2, headers, only(0), proofOf(next, modelState, address(feed), 2, featuresOf(2), 0));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeUnknown.selector, change));
        feed.adoptModel(next, nextPin); // once
    }

    function test_a_change_that_nobody_makes_expires() public {
        vm.prank(owner);
        bytes32 change = feed.announceModel(next, nextPin);
        (, uint256 expiresAt) = feed.changeOf(change);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangePending.selector, change));
        feed.announceModel(next, nextPin);
        vm.warp(expiresAt + 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeExpired.selector, change, expiresAt));
        feed.adoptModel(next, nextPin);
        vm.prank(owner);
        feed.announceModel(next, nextPin); // and waits again
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IProvenFeed.ChangeNotReady.selector, change, block.timestamp + TIMELOCK)
        );
        feed.adoptModel(next, nextPin);
    }

    function test_a_change_can_be_withdrawn() public {
        vm.startPrank(owner);
        bytes32 change = feed.announceModel(next, nextPin);
        feed.withdrawChange(change);
        vm.warp(block.timestamp + TIMELOCK);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeUnknown.selector, change));
        feed.adoptModel(next, nextPin);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeUnknown.selector, change));
        feed.withdrawChange(change);
        vm.stopPrank();
    }

    function test_a_model_that_does_not_fit_is_not_even_announced() public {
        (uint256 wide, bytes32 widePin) = mintModel(FEATURES + 2, 1, 12, 2);
        (uint256 two, bytes32 twoPin) = mintModel(FEATURES, 2, 12, 3);
        (uint256 fine, bytes32 finePin) = mintModel(FEATURES, 1, 13, 4);
        vm.startPrank(owner);
        vm.expectRevert(shape("features", FEATURES, FEATURES + 2));
        feed.announceModel(wide, widePin);
        vm.expectRevert(shape("outputs", 1, 2));
        feed.announceModel(two, twoPin);
        vm.expectRevert(shape("fractionBits", 12, 13));
        feed.announceModel(fine, finePin);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NotThePinnedModel.selector, pin, nextPin));
        feed.announceModel(next, pin);
        vm.stopPrank();
    }

    /// No later model may have a string that somebody knows the secret of, if the first has a safe one.
    function test_a_feed_for_production_stays_so() public {
        mockProduction(model);
        feed = new GasFeed(terms(), history, N);
        vm.startPrank(owner);
        vm.expectRevert(shape("production", 1, 0));
        feed.announceModel(next, nextPin);
        mockProduction(next);
        feed.announceModel(next, nextPin);
        vm.stopPrank();
    }

    /// As if the circuit of a model were registered for production: no mock can have a ceremony's code.
    function mockProduction(uint256 modelId) private {
        CircuitId circuit = registry.provenanceOf(modelId).inferenceCircuit;
        CircuitSpec memory spec = circuits.spec(circuit);
        spec.production = true;
        vm.mockCall(address(circuits), abi.encodeCall(ICircuits.spec, (circuit)), abi.encode(spec));
    }

    function shape(bytes32 field, uint256 expected, uint256 got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProvenFeed.ModelShapeDiffers.selector, field, expected, got);
    }

    // --- who may what ---

    function test_only_the_owner_announces_and_makes_changes() public {
        address[2] memory others = [guard, stranger];
        for (uint256 k; k < 2; ++k) {
            bytes memory refusal =
                abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, others[k]);
            vm.startPrank(others[k]);
            vm.expectRevert(refusal);
            feed.announceModel(next, nextPin);
            vm.expectRevert(refusal);
            feed.adoptModel(next, nextPin);
            vm.expectRevert(refusal);
            feed.announceGuardian(stranger);
            vm.expectRevert(refusal);
            feed.appointGuardian(stranger);
            vm.expectRevert(refusal);
            feed.withdrawChange(0);
            vm.stopPrank();
        }
    }

    function test_the_guardian_changes_through_the_timelock() public {
        vm.startPrank(owner);
        bytes32 change = feed.announceGuardian(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IProvenFeed.ChangeNotReady.selector, change, block.timestamp + TIMELOCK)
        );
        feed.appointGuardian(stranger);
        vm.warp(block.timestamp + TIMELOCK);
        feed.appointGuardian(stranger);
        vm.stopPrank();
        assertEq(feed.guardian(), stranger);
        vm.prank(guard);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NotGuardian.selector, guard));
        feed.pause();
    }

    // --- the guardian ---

    function test_a_pause_stops_submissions_and_ends_by_itself() public {
        vm.prank(guard);
        feed.pause();
        uint256 until = block.timestamp + PAUSE;
        assertEq(feed.status().pausedUntil, until);
        bytes[] memory headers = windowOf(1);
        Evidence memory evidence = honest(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.FeedPaused.selector, until));
        feed.submit(1, headers, only(0), evidence);
        vm.warp(until);
        feed.submit(1, headers, only(0), evidence);
    }

    function test_a_guardian_holds_a_feed_up_for_half_of_the_time_at_most() public {
        vm.startPrank(guard);
        feed.pause();
        uint256 again = block.timestamp + 2 * PAUSE;
        vm.warp(again - 1);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.PauseTooSoon.selector, again));
        feed.pause();
        vm.warp(again);
        feed.pause();
        vm.stopPrank();
        assertEq(feed.status().pausedUntil, again + PAUSE);
    }

    function test_nobody_else_pauses() public {
        address[2] memory others = [owner, stranger];
        for (uint256 k; k < 2; ++k) {
            vm.prank(others[k]);
            vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NotGuardian.selector, others[k]));
            feed.pause();
        }
    }

    function test_a_deprecated_model_answers_nothing() public {
        vm.prank(payee);
        registry.deprecateModel(model);
        Evidence memory evidence = honest(1, 0);
        (bool ok,) = address(feed).call(abi.encodeCall(GasFeed.submit, (1, windowOf(1), only(0), evidence)));
        assertTrue(!ok, "deprecated");
    }
}
