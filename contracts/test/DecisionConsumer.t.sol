// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DecisionConsumer} from "../src/examples/DecisionConsumer.sol";
import {Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {IERC7992Registry} from "../src/interfaces/IERC7992.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {RunId} from "../src/interfaces/ITrainingLedger.sol";
import {Fixture} from "./utils/Fixture.sol";

contract DecisionConsumerTest is Fixture {
    event InferenceAccepted(address indexed requester, uint256 nonce, int256[] inputs, int256[] outputs);

    DecisionConsumer private consumer;
    uint256 private model;
    bytes32 private pin;
    int256[] private inputs = new int256[](2);
    int256[] private outputs = new int256[](1);

    function setUp() public {
        RunId run = openRun(taskSpec(), 0);
        train(run);
        vm.prank(payee);
        model = registry.mint(run, "");
        (IERC7992Registry.ModelCommitment memory commitment,,) = registry.getModel(model);
        pin = keccak256(abi.encode(commitment));
        consumer = new DecisionConsumer(registry, model, pin);
        (inputs[0], inputs[1], outputs[0]) = (1, 2, 3);
    }

    function evidence(address requester, uint256 nonce) private view returns (Evidence memory) {
        uint256[] memory values = new uint256[](3);
        (values[0], values[1], values[2]) = (1, 2, 3);
        return inferenceEvidence(registry.inferenceContextOf(model, requester, nonce), state(TOTAL), values);
    }

    function test_constructor_rejects_another_model() public {
        vm.expectRevert(abi.encodeWithSelector(DecisionConsumer.NotThePinnedModel.selector, bytes32("pin"), pin));
        new DecisionConsumer(registry, model, "pin");
    }

    function test_accept_stores_and_announces_the_decision() public {
        Evidence memory first = evidence(stranger, 0);
        vm.expectEmit(true, true, true, true, address(consumer));
        emit InferenceAccepted(stranger, 0, inputs, outputs);
        vm.prank(stranger);
        consumer.accept(inputs, outputs, first);
        assertEq(consumer.decisionOf(stranger)[0], int256(3));
        Evidence memory second = evidence(stranger, 1);
        vm.prank(stranger);
        consumer.accept(inputs, outputs, second);
        assertEq(consumer.nonces(stranger), 2);
    }

    function test_accept_rejects_a_replay() public {
        Evidence memory first = evidence(stranger, 0);
        vm.prank(stranger);
        consumer.accept(inputs, outputs, first);
        uint256 next = registry.inferenceContextOf(model, stranger, 1);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, next));
        vm.prank(stranger);
        consumer.accept(inputs, outputs, first);
    }

    function test_accept_rejects_a_copied_proof() public {
        Evidence memory copied = evidence(stranger, 0);
        uint256 own = registry.inferenceContextOf(model, payee, 0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, own));
        vm.prank(payee);
        consumer.accept(inputs, outputs, copied);
    }

    function test_accept_rejects_a_changed_output_and_keeps_the_nonce() public {
        Evidence memory first = evidence(stranger, 0);
        outputs[0] = 4;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, int256(4), int256(3)));
        vm.prank(stranger);
        consumer.accept(inputs, outputs, first);
        assertEq(consumer.nonces(stranger), 0);
    }
}
