// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {SurrogateController} from "../../src/control/SurrogateController.sol";
import {TunedBatcher} from "../../src/examples/TunedBatcher.sol";
import {CircuitSpec, Evidence} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IParameterController, ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {IPaymentBatcher} from "../../src/interfaces/IPaymentBatcher.sol";
import {TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {ControllerFixture} from "./ControllerFixture.sol";

/// @dev A model with the surrogate's shape: three inputs, five outputs.
contract TunedBatcherTest is ControllerFixture {
    int256 private constant ONE = 4096;
    uint32 private constant COOLDOWN = 4;

    TunedBatcher private batcher;
    PinnedModel.ModelPin private pin;

    function setUp() public {
        CircuitSpec memory spec = inferenceSpec();
        (spec.features, spec.outputs, spec.publicValues) = (3, 5, 8);
        inference = circuits.register(spec);
        model = mintModel("surrogate");
        pin = modelPin(model);
        batcher = new TunedBatcher(payee, 32, pin, COOLDOWN, tunedSpecs());
        vm.roll(block.number + COOLDOWN);
    }

    function tunedSpecs() private pure returns (ParameterSpec[] memory specs) {
        specs = new ParameterSpec[](2);
        specs[0] = ParameterSpec(16, 8, 48, 8, 1, 16, 32);
        specs[1] = ParameterSpec(0, 0, 40, 8, 1, 16, 24);
    }

    /// cost, slopes, curvatures
    function outputsOf(int256 b0, int256 b1, int256 a0, int256 a1)
        private
        pure
        returns (int256[] memory outputs)
    {
        outputs = new int256[](5);
        (outputs[0], outputs[1], outputs[2], outputs[3], outputs[4]) = (ONE, b0, b1, a0, a1);
    }

    function honest(int256[] memory outputs) private view returns (Evidence memory) {
        return proofFor(model, address(batcher), batcher.nextUpdate(), batcher.features(), outputs);
    }

    function test_features_are_the_live_parameters_in_coordinates_and_the_gate() public view {
        int256[] memory inputs = batcher.features();
        assertEq(inputs.length, 3);
        assertEq(inputs[0], -ONE); // (16 - 32) / 16
        assertEq(inputs[1], -3 * ONE / 2); // (0 - 24) / 16
        assertEq(inputs[2], ONE);
    }

    function test_the_minimiser_is_computed_from_the_weights() public view {
        // u = 0.5 and -1/3: 32 + 8 = 40, floor(24 - 5.33) = 18.
        (int256[] memory targets, int64[] memory values) =
            batcher.preview(outputsOf(-ONE / 4, ONE / 4, ONE / 4, 3 * ONE / 8));
        assertEq(targets[0], int256(40));
        assertEq(targets[1], int256(18));
        assertEq(values[0], int256(24)); // a step of 8 from 16
        assertEq(values[1], int256(8)); // and from 0
    }

    function test_moves_reach_the_minimiser_and_change_what_is_paid() public {
        int256[] memory outputs = outputsOf(-ONE / 4, ONE / 4, ONE / 4, 3 * ONE / 8);
        (uint256 size, uint256 hold) = batcher.limits();
        assertTrue(size == 4 && hold == 1, "start");
        for (uint256 k; k < 3; ++k) {
            Evidence memory evidence = honest(outputs);
            batcher.move(outputs, evidence);
            vm.roll(block.number + COOLDOWN);
        }
        assertEq(batcher.parameter(0), int256(40));
        assertEq(batcher.parameter(1), int256(18));
        (size, hold) = batcher.limits();
        assertEq(size, 32);
        assertEq(hold, 4); // floor(2^(18/8))
    }

    function test_a_parabola_without_a_minimum_moves_nothing() public {
        int256[] memory outputs = outputsOf(ONE, ONE, ONE, 0);
        Evidence memory evidence = honest(outputs);
        vm.expectRevert(abi.encodeWithSelector(SurrogateController.NoMinimum.selector, 1, int256(0)));
        batcher.move(outputs, evidence);
        outputs = outputsOf(ONE, ONE, -1, ONE);
        evidence = honest(outputs);
        vm.expectRevert(abi.encodeWithSelector(SurrogateController.NoMinimum.selector, 0, int256(-1)));
        batcher.move(outputs, evidence);
    }

    function test_move_rejects_an_inference_at_other_parameters() public {
        int256[] memory outputs = outputsOf(-ONE, ONE, ONE, ONE);
        int256[] memory inputs = batcher.features();
        inputs[0] += 1;
        Evidence memory evidence = proofFor(model, address(batcher), 1, inputs, outputs);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 0, -ONE, -ONE + 1));
        batcher.move(outputs, evidence);
        inputs = batcher.features();
        inputs[2] = 0; // a closed gate shows no weights
        evidence = proofFor(model, address(batcher), 1, inputs, outputs);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 2, ONE, int256(0)));
        batcher.move(outputs, evidence);
    }

    function test_preview_rejects_another_number_of_outputs() public {
        vm.expectRevert(abi.encodeWithSelector(IParameterController.TargetCount.selector, 5, 4));
        batcher.preview(new int256[](4));
    }

    /// Neither the operator nor anybody else has another way to the parameters.
    function test_the_operator_has_no_say() public {
        vm.prank(payee);
        (bool ok,) =
            address(batcher).call(abi.encodeWithSignature("configure(int64,int64)", int64(8), int64(8)));
        assertTrue(!ok, "configure");
        assertEq(batcher.parameter(0), int256(16));
    }

    /// forge-config: default.fuzz.runs = 100
    /// Whatever is proven, payments can be flushed: rails keep both limits readable.
    function testFuzz_no_move_can_stop_the_payments(int64 b0, int64 b1, int64 a0, int64 a1) public {
        vm.assume(a0 > 0 && a1 > 0);
        int256[] memory outputs = outputsOf(b0, b1, a0, a1);
        Evidence memory evidence = honest(outputs);
        batcher.move(outputs, evidence);
        (uint256 size, uint256 hold) = batcher.limits();
        assertTrue(size >= 2 && size <= 64 && hold >= 1 && hold <= 32, "limits");
        uint256[] memory payments = new uint256[](64);
        for (uint256 k; k < 64; ++k) {
            payments[k] = uint256(uint160(stranger)) << 96 | 1 << 32 | block.number;
        }
        vm.deal(address(batcher), 1 ether);
        vm.prank(payee);
        batcher.flush(0, payments, new address[](0));
    }

    function test_constructor_rejects_rails_that_payments_could_not_follow() public {
        ParameterSpec[] memory specs = tunedSpecs();
        specs[0].max = 57; // 2^(57/8) = 139 payments
        refuse(specs, abi.encodeWithSelector(TunedBatcher.RailsOutOfRange.selector, 0, int64(8), int64(57)));
        specs = tunedSpecs();
        (specs[1].min, specs[1].initial) = (-1, 0);
        refuse(specs, abi.encodeWithSelector(TunedBatcher.RailsOutOfRange.selector, 1, int64(-1), int64(40)));
        specs[1].min = 0;
        specs[1].max = 512;
        refuse(specs, abi.encodeWithSelector(TunedBatcher.RailsOutOfRange.selector, 1, int64(0), int64(512)));
        specs = tunedSpecs();
        specs[1].scale = 12;
        refuse(specs, abi.encodeWithSelector(SurrogateController.BadScale.selector, 1, int64(12)));
        specs[1].scale = 8192; // more than 2^12: coordinates would be rounded
        refuse(specs, abi.encodeWithSelector(SurrogateController.BadScale.selector, 1, int64(8192)));
        refuse(new ParameterSpec[](0), abi.encodeWithSelector(IParameterController.NoParameters.selector));
        specs = new ParameterSpec[](1);
        specs[0] = tunedSpecs()[0];
        refuse(specs, abi.encodeWithSelector(IParameterController.TargetCount.selector, 2, 1));
        vm.expectRevert(abi.encodeWithSelector(IPaymentBatcher.NoFlushAge.selector));
        new TunedBatcher(payee, 0, pin, COOLDOWN, tunedSpecs());
    }

    function refuse(ParameterSpec[] memory specs, bytes memory why) private {
        vm.expectRevert(why);
        new TunedBatcher(payee, 32, pin, COOLDOWN, specs);
    }
}
