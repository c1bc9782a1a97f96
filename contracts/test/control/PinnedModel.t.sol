// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {CircuitId, CircuitSpec, Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IPinnedModel} from "../../src/interfaces/IPinnedModel.sol";
import {ControllerFixture, PlainController} from "./ControllerFixture.sol";

contract PinnedModelTest is ControllerFixture {
    event ModelPinned(uint256 indexed modelId, bytes32 commitmentHash);
    event Paused(address indexed guardian, uint64 until);

    PlainController private controller;
    uint256 private next;

    function setUp() public {
        model = mintModel("a");
        next = mintModel("b");
        controller = new PlainController(modelPin(model), 1, plainSpec());
        vm.roll(block.number + 1);
    }

    function schedule(uint256 model_) private {
        bytes32 hash = pinOf(model_);
        vm.prank(owner);
        controller.scheduleModel(model_, hash);
    }

    function test_the_next_model_takes_over_when_its_delay_is_over_and_no_earlier() public {
        schedule(next);
        uint64 due = uint64(block.timestamp) + 1 days;
        assertEq(controller.pendingModel().notBefore, due);
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.ModelChangeTooEarly.selector, due, due - 1));
        controller.applyModel();
        assertEq(controller.modelId(), model);
        vm.warp(due);
        vm.expectEmit(true, true, true, true, address(controller));
        emit ModelPinned(next, pinOf(next));
        vm.prank(stranger);
        controller.applyModel();
        assertEq(controller.modelId(), next);
        assertEq(controller.commitmentHash(), pinOf(next));
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.NoModelChange.selector));
        controller.applyModel();
    }

    function test_proofs_of_the_old_model_count_until_the_change_and_not_after() public {
        Evidence memory old = proofFor(model, address(controller), 1, controller.features(), single(4096));
        schedule(next);
        vm.warp(block.timestamp + 1 days);
        controller.applyModel();
        uint256 own = registry.inferenceContextOf(next, address(controller), 1);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, own));
        controller.move(single(4096), old);
        Evidence memory fresh = proofFor(next, address(controller), 1, controller.features(), single(4096));
        controller.move(single(4096), fresh);
    }

    function test_a_second_schedule_replaces_the_first_and_starts_the_delay_anew() public {
        schedule(next);
        vm.warp(block.timestamp + 1 days - 1);
        schedule(model);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPinnedModel.ModelChangeTooEarly.selector, block.timestamp + 1 days - 1, block.timestamp
            )
        );
        controller.applyModel();
    }

    function test_cancel_drops_what_waits() public {
        schedule(next);
        vm.prank(owner);
        controller.cancelModel();
        vm.warp(block.timestamp + 2 days);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.NoModelChange.selector));
        controller.applyModel();
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.NoModelChange.selector));
        controller.cancelModel();
    }

    function test_only_the_owner_schedules_and_cancels() public {
        bytes32 hash = pinOf(next);
        bytes memory why = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, guardian);
        vm.prank(guardian);
        vm.expectRevert(why);
        controller.scheduleModel(next, hash);
        vm.prank(guardian);
        vm.expectRevert(why);
        controller.cancelModel();
    }

    function test_schedule_rejects_another_commitment_and_another_shape() public {
        bytes32 hash = pinOf(next);
        vm.expectRevert(
            abi.encodeWithSelector(IPinnedModel.NotThePinnedModel.selector, bytes32("other"), hash)
        );
        vm.prank(owner);
        controller.scheduleModel(next, "other");
        CircuitSpec memory spec = inferenceSpec();
        (spec.features, spec.publicValues) = (3, 4);
        inference = circuits.register(spec);
        uint256 other = mintModel("c");
        hash = pinOf(other);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.ModelDoesNotFit.selector, 3, 1, 12));
        controller.scheduleModel(other, hash);
    }

    function test_schedule_rejects_an_unsafe_model_after_a_safe_one() public {
        CircuitSpec memory spec = inferenceSpec();
        spec.vkHash = "another circuit";
        inference = circuits.register(spec);
        uint256 other = mintModel("c");
        bytes32 hash = pinOf(other);
        mockProduction(model);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.ModelNotForProduction.selector));
        controller.scheduleModel(other, hash);
        mockProduction(other);
        vm.prank(owner);
        controller.scheduleModel(other, hash);
    }

    /// As if the circuit of a model were registered for production: no mock can have a ceremony's code.
    function mockProduction(uint256 model_) private {
        CircuitId circuit = registry.provenanceOf(model_).inferenceCircuit;
        CircuitSpec memory spec = circuits.spec(circuit);
        spec.production = true;
        vm.mockCall(address(circuits), abi.encodeCall(ICircuits.spec, (circuit)), abi.encode(spec));
    }

    function test_a_model_that_nobody_pins_expires() public {
        schedule(next);
        uint64 last = uint64(block.timestamp) + 1 days + 14 days;
        vm.warp(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.ModelChangeExpired.selector, last, last + 1));
        controller.applyModel();
        schedule(next); // anew, and the delay too
        vm.warp(block.timestamp + 15 days);
        controller.applyModel();
        assertEq(controller.modelId(), next);
    }

    function test_the_guardian_pauses_for_a_while_and_not_for_good() public {
        uint64 until = uint64(block.timestamp) + 1 hours;
        vm.expectEmit(true, true, true, true, address(controller));
        emit Paused(guardian, until);
        vm.prank(guardian);
        controller.pause();
        vm.warp(until + 1 hours - 1);
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IPinnedModel.PauseTooSoon.selector, until + 1 hours, block.timestamp)
        );
        controller.pause();
        vm.warp(until + 1 hours);
        vm.prank(guardian);
        controller.pause();
    }

    function test_nobody_else_pauses() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.NotTheGuardian.selector, guardian, owner));
        controller.pause();
    }

    function test_constructor_rejects_another_model_and_wild_delays() public {
        PinnedModel.ModelPin memory pin = modelPin(model);
        bytes32 hash = pin.commitmentHash;
        pin.commitmentHash = "other";
        vm.expectRevert(
            abi.encodeWithSelector(IPinnedModel.NotThePinnedModel.selector, bytes32("other"), hash)
        );
        new PlainController(pin, 1, plainSpec());
        (pin.commitmentHash, pin.modelDelay) = (hash, 59);
        vm.expectRevert(abi.encodeWithSelector(IPinnedModel.DelayOutOfRange.selector, 59, 60, 30 days));
        new PlainController(pin, 1, plainSpec());
        (pin.modelDelay, pin.pauseLength) = (60, 30 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPinnedModel.DelayOutOfRange.selector, 30 days + 1, 60, 30 days)
        );
        new PlainController(pin, 1, plainSpec());
    }
}
