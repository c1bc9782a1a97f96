// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IParameterController, ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {IPinnedModel} from "../../src/interfaces/IPinnedModel.sol";
import {ControllerFixture, PlainController} from "./ControllerFixture.sol";

contract ParameterControllerTest is ControllerFixture {
    uint32 private constant COOLDOWN = 20;
    int256 private constant ONE = 4096; // fraction bits of the fixture's circuits: 12

    event ParametersMoved(
        uint256 indexed update, address indexed submitter, int256[] targets, int64[] values
    );

    PlainController private controller;

    function setUp() public {
        model = mintModel("a");
        controller = new PlainController(modelPin(model), COOLDOWN, plainSpec());
        vm.roll(block.number + COOLDOWN);
    }

    function honest(int256 output) private view returns (Evidence memory) {
        return
            proofFor(
                model, address(controller), controller.nextUpdate(), controller.features(), single(output)
            );
    }

    function moveTo(int256 output) private {
        Evidence memory evidence = honest(output);
        controller.move(single(output), evidence);
    }

    function refuse(int256 output, Evidence memory evidence, bytes memory why) private {
        int64 before = controller.parameter(0);
        uint64 update = controller.nextUpdate();
        uint64 next = controller.nextMoveBlock();
        vm.expectRevert(why);
        controller.move(single(output), evidence);
        assertEq(controller.parameter(0), int256(before));
        assertEq(controller.nextUpdate(), update);
        assertEq(controller.nextMoveBlock(), next);
    }

    // --- moves ---

    function test_a_verified_result_moves_at_most_a_step() public {
        int256[] memory targets = single(16 * 20 + 1);
        int64[] memory values = new int64[](1);
        values[0] = 125;
        Evidence memory evidence = honest(20 * ONE);
        vm.expectEmit(true, true, true, true, address(controller));
        emit ParametersMoved(1, stranger, targets, values);
        vm.prank(stranger);
        controller.move(single(20 * ONE), evidence);
        assertEq(controller.parameter(0), int256(125));
        assertEq(controller.nextUpdate(), 2);
        assertEq(controller.nextMoveBlock(), block.number + COOLDOWN);
    }

    function test_the_last_move_arrives_exactly() public {
        moveTo(ONE * 119 / 16); // 119 + 1 = 120
        assertEq(controller.parameter(0), int256(120));
    }

    function test_a_target_beyond_a_rail_leads_to_the_rail() public {
        for (uint256 k; k < 6; ++k) {
            moveTo(-1000 * ONE);
            vm.roll(block.number + COOLDOWN);
        }
        assertEq(controller.parameter(0), int256(10));
    }

    function test_targets_are_rounded_down() public view {
        (int256[] memory targets,) = controller.preview(single(-1));
        assertEq(targets[0], int256(0)); // floor(-16 / 4096) + 1
        (targets,) = controller.preview(single(255));
        assertEq(targets[0], int256(1));
        (targets,) = controller.preview(single(256));
        assertEq(targets[0], int256(2));
    }

    function test_smoothing_goes_a_part_of_the_way_and_arrives() public {
        ParameterSpec[] memory specs = plainSpec();
        (specs[0].smoothing, specs[0].maxStep) = (4, 1000);
        controller = new PlainController(modelPin(model), 1, specs);
        int64[5] memory path = [int64(105), 109, 112, 114, 116]; // target 120: ceil of a quarter
        for (uint256 k; k < path.length; ++k) {
            vm.roll(block.number + 1);
            moveTo(ONE * 119 / 16);
            assertEq(controller.parameter(0), int256(path[k]));
        }
        for (uint256 k; k < 4; ++k) {
            vm.roll(block.number + 1);
            moveTo(ONE * 119 / 16);
        }
        assertEq(controller.parameter(0), int256(120));
    }

    /// forge-config: default.fuzz.runs = 250
    /// Whatever the model says: within the step, within the rails, towards the target.
    function testFuzz_preview_keeps_step_and_rails(
        int64 initial,
        int64 low,
        int64 high,
        uint56 maxStep,
        uint8 smoothing,
        int64 scale,
        int256 output
    ) public {
        vm.assume(low <= initial && initial <= high && maxStep != 0 && smoothing != 0);
        output = output >> 66; // a larger one overflows the map and reverts
        ParameterSpec[] memory specs = new ParameterSpec[](1);
        specs[0] = ParameterSpec(initial, low, high, maxStep, smoothing, scale, 0);
        PlainController any = new PlainController(modelPin(model), 1, specs);
        (int256[] memory targets, int64[] memory values) = any.preview(single(output));
        int256 moved = int256(values[0]) - initial;
        assertTrue(values[0] >= low && values[0] <= high, "rails");
        assertTrue(moved <= int256(uint256(maxStep)) && -moved <= int256(uint256(maxStep)), "step");
        int256 goal = targets[0] < low ? int256(low) : targets[0] > high ? int256(high) : targets[0];
        assertTrue((goal - initial) * moved >= 0 && (goal == initial) == (moved == 0), "towards the target");
        assertTrue(moved * moved <= (goal - initial) * (goal - initial), "not past it");
    }

    // --- refusals ---

    function test_move_rejects_an_output_that_was_not_proven() public {
        refuse(
            30 * ONE,
            honest(20 * ONE),
            abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, 30 * ONE, 20 * ONE)
        );
    }

    function test_move_rejects_inputs_that_are_not_the_contracts() public {
        int256[] memory inputs = controller.features();
        inputs[1] += 1;
        refuse(
            ONE,
            proofFor(model, address(controller), 1, inputs, single(ONE)),
            abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 1, int256(100), int256(101))
        );
    }

    function test_move_rejects_a_proof_copied_from_another_controller() public {
        PlainController other = new PlainController(modelPin(model), COOLDOWN, plainSpec());
        Evidence memory copied = proofFor(model, address(other), 1, other.features(), single(ONE));
        uint256 own = registry.inferenceContextOf(model, address(controller), 1);
        refuse(ONE, copied, abi.encodeWithSelector(ICircuits.ContextMismatch.selector, own));
    }

    function test_move_rejects_a_replay() public {
        Evidence memory first = honest(101 * ONE / 16);
        controller.move(single(101 * ONE / 16), first);
        vm.roll(block.number + COOLDOWN);
        refuse(
            101 * ONE / 16,
            first,
            abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 0, int256(2), int256(1))
        );
    }

    function test_move_rejects_a_proof_of_the_next_update() public {
        Evidence memory early = proofFor(model, address(controller), 2, controller.features(), single(ONE));
        uint256 own = registry.inferenceContextOf(model, address(controller), 1);
        refuse(ONE, early, abi.encodeWithSelector(ICircuits.ContextMismatch.selector, own));
    }

    function test_move_rejects_another_models_proof() public {
        uint256 other = mintModel("b");
        Evidence memory evidence = proofFor(other, address(controller), 1, controller.features(), single(ONE));
        uint256 own = registry.inferenceContextOf(model, address(controller), 1);
        refuse(ONE, evidence, abi.encodeWithSelector(ICircuits.ContextMismatch.selector, own));
    }

    function test_move_rejects_other_weights() public {
        uint256[] memory values = new uint256[](3);
        (values[0], values[1], values[2]) = (1, 100, uint256(ONE));
        uint256 own = registry.inferenceContextOf(model, address(controller), 1);
        refuse(
            ONE,
            inferenceEvidence(own, "poisoned", values),
            abi.encodeWithSelector(
                IModelRegistry.StateDiffers.selector, tensorHash(state(TOTAL)), tensorHash("poisoned")
            )
        );
    }

    function test_move_rejects_a_spoiled_proof() public {
        Evidence memory evidence = honest(ONE);
        spoil(evidence);
        refuse(ONE, evidence, abi.encodeWithSelector(ICircuits.ProofRejected.selector, inference));
    }

    function test_move_rejects_the_block_before_the_cooldown_ends() public {
        moveTo(ONE);
        vm.roll(block.number + COOLDOWN - 1);
        Evidence memory evidence = honest(ONE);
        uint256 due = controller.nextMoveBlock();
        refuse(
            ONE,
            evidence,
            abi.encodeWithSelector(IParameterController.CoolingDown.selector, due, block.number)
        );
        vm.roll(block.number + 1);
        controller.move(single(ONE), evidence);
    }

    function test_move_rejects_while_paused_and_not_afterwards() public {
        Evidence memory evidence = honest(ONE);
        vm.prank(guardian);
        controller.pause();
        uint64 until = controller.pausedUntil();
        refuse(ONE, evidence, abi.encodeWithSelector(IPinnedModel.IsPaused.selector, until));
        vm.warp(until);
        controller.move(single(ONE), evidence);
    }

    function test_move_rejects_a_deprecated_model() public {
        Evidence memory evidence = honest(ONE);
        vm.prank(payee);
        registry.deprecateModel(model);
        refuse(ONE, evidence, abi.encodeWithSignature("VerificationRefused_ModelDeprecated(uint256)", model));
    }

    function test_a_wrong_number_of_outputs_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IParameterController.TargetCount.selector, 1, 2));
        controller.preview(new int256[](2));
    }

    function test_constructor_rejects_bad_parameters() public {
        PinnedModel.ModelPin memory pin = modelPin(model);
        ParameterSpec[] memory specs = plainSpec();
        vm.expectRevert(abi.encodeWithSelector(IParameterController.NoParameters.selector));
        new PlainController(pin, 1, new ParameterSpec[](0));
        vm.expectRevert(abi.encodeWithSelector(IParameterController.NoCooldown.selector));
        new PlainController(pin, 0, specs);
        vm.expectRevert(abi.encodeWithSelector(IParameterController.TooManyParameters.selector, 16, 17));
        new PlainController(pin, 1, new ParameterSpec[](17));
        specs[0].initial = 9;
        refuseSpec(pin, specs);
        specs[0].initial = 1001;
        refuseSpec(pin, specs);
        (specs[0].initial, specs[0].maxStep) = (100, 0);
        refuseSpec(pin, specs);
        (specs[0].maxStep, specs[0].smoothing) = (1, 0);
        refuseSpec(pin, specs);
        vm.expectRevert(abi.encodeWithSelector(IParameterController.NoSuchParameter.selector, 1, 1));
        controller.parameter(1);
    }

    function refuseSpec(PinnedModel.ModelPin memory pin, ParameterSpec[] memory specs) private {
        vm.expectRevert(abi.encodeWithSelector(IParameterController.BadParameter.selector, 0, specs[0]));
        new PlainController(pin, 1, specs);
    }
}
