// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IParameterController} from "../../src/interfaces/IParameterController.sol";
import {IProvenFeed} from "../../src/interfaces/IProvenFeed.sol";
import {StakeParameters} from "../../src/interfaces/IStakeRegistry.sol";
import {IStakeSource, Share} from "../../src/interfaces/IStakeSource.sol";
import {LocalStakeSource} from "../../src/stake/LocalStakeSource.sol";
import {StakeOracleFixture} from "./StakeOracleFixture.sol";

/// @dev What moves a feed's answer and a controller's parameters, and every lie by the error that refuses it.
contract StakeOracleTest is StakeOracleFixture {
    function submitRefused(bytes memory refusal, uint256 round, int256[] memory out, Evidence memory evidence)
        private
    {
        vm.expectRevert(refusal);
        stakeFeed.submit(round, "", out, evidence);
    }

    function moveRefused(bytes memory refusal, int256[] memory out, Evidence memory evidence) private {
        vm.expectRevert(refusal);
        controller.move(out, evidence);
    }

    function inputDiffers(uint256 index, int256 claimed, int256 got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, index, claimed, got);
    }

    function contextMismatch(address requester, uint256 nonce) private view returns (bytes memory) {
        uint256 context = registry.inferenceContextOf(oracle, requester, nonce);
        return abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context);
    }

    function stateDiffers() private view returns (bytes memory) {
        return abi.encodeWithSelector(IModelRegistry.StateDiffers.selector, name(modelState), name(state(3)));
    }

    function proofRejected() private view returns (bytes memory) {
        return abi.encodeWithSelector(
            ICircuits.ProofRejected.selector, registry.provenanceOf(oracle).inferenceCircuit
        );
    }

    // --- the source ---

    function test_a_window_is_what_the_registry_counted() public {
        playEpochs(1, 3);
        (Share[] memory shares,,) = source.read(BEGIN + 3 * EPOCH - 1, "");
        share(shares[0], 3 * 7 * 32, 3 * 8 * 32);
        share(shares[1], 0, 24);
        share(shares[2], 7, 8);
        share(shares[3], 7, 8);
        // Everybody came a block after the duty.
        share(shares[4], 8 * 21, 21 * 16);
        share(shares[6], 3 * 7 * 32 * 100, 3 * 8 * 32 * 600);
        share(shares[7], 100, 600);
        share(shares[8], 4, 32);
        share(shares[9], 6, 16);
    }

    function share(Share memory got, uint256 numerator, uint256 denominator) private pure {
        assertEq(got.numerator, numerator);
        assertEq(got.denominator, denominator);
    }

    function test_a_window_with_a_missing_epoch_is_none() public {
        playEpochs(1, 1);
        playEpochs(3, 3);
        vm.expectRevert(abi.encodeWithSelector(LocalStakeSource.EpochMissing.selector, 2));
        source.read(BEGIN + 3 * EPOCH - 1, "");
    }

    function test_a_window_is_not_read_early_nor_within_an_epoch() public {
        playEpochs(1, 3);
        vm.expectRevert(abi.encodeWithSelector(LocalStakeSource.NotAnEpochEnd.selector, BEGIN + 3 * EPOCH));
        source.read(BEGIN + 3 * EPOCH, "");
        vm.expectRevert(
            abi.encodeWithSelector(
                LocalStakeSource.EpochNotOver.selector, 4, BEGIN + 4 * EPOCH - 1, BEGIN + 3 * EPOCH
            )
        );
        source.read(BEGIN + 4 * EPOCH - 1, "");
    }

    // --- the feed ---

    function test_a_round_is_answered_by_its_own_proof_alone() public {
        playEpochs(1, 3);
        (int256[] memory inputs,,) = stakeFeed.features(1, "");
        int256[] memory out = outputs(ONE * 7 / 8, 0, 0, 0);
        address feed_ = address(stakeFeed);
        for (uint256 k; k < inputs.length; ++k) {
            inputs[k] += 1;
            Evidence memory shifted = proven(oracle, feed_, 1, inputs, out);
            inputs[k] -= 1;
            submitRefused(inputDiffers(k, inputs[k], inputs[k] + 1), 1, out, shifted);
        }
        bytes memory another = contextMismatch(feed_, 1);
        submitRefused(another, 1, out, proven(other, feed_, 1, inputs, out));
        submitRefused(another, 1, out, proven(oracle, feed_, 2, inputs, out));
        submitRefused(another, 1, out, proven(oracle, address(controller), 1, inputs, out));
        submitRefused(stateDiffers(), 1, out, provenBy(state(3), oracle, feed_, 1, inputs, out));
        Evidence memory evidence = proven(oracle, feed_, 1, inputs, out);
        bytes memory differs =
            abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, ONE, out[0]);
        submitRefused(differs, 1, outputs(ONE, 0, 0, 0), evidence);
        spoil(evidence);
        submitRefused(proofRejected(), 1, out, evidence);
        assertEq(stakeFeed.status().latest.round, 0);

        evidence = proven(oracle, feed_, 1, inputs, out);
        stakeFeed.submit(1, "", out, evidence);
        (, int256 answer,,,) = stakeFeed.latestRoundData();
        assertEq(answer, 0.875e8);
        submitRefused(abi.encodeWithSelector(IProvenFeed.RoundNotNew.selector, 1, 1), 1, out, evidence);
    }

    function test_an_answer_beyond_the_bounds_is_refused_and_never_clamped() public {
        playEpochs(1, 3);
        (int256[] memory inputs,,) = stakeFeed.features(1, "");
        int256[2] memory answers = [2 * ONE, -1];
        int256[2] memory read = [int256(2e8), -24_415]; // -1e8 / 2^12, rounded down
        for (uint256 k; k < 2; ++k) {
            int256[] memory out = outputs(answers[k], 0, 0, 0);
            bytes memory refusal =
                abi.encodeWithSelector(IProvenFeed.AnswerOutOfBounds.selector, read[k], int256(0), int256(1.1e8));
            submitRefused(refusal, 1, out, proven(oracle, address(stakeFeed), 1, inputs, out));
        }
        assertEq(stakeFeed.status().latest.round, 0);
    }

    function test_the_window_of_one_round_is_not_that_of_the_next() public {
        playEpochs(1, 3);
        (int256[] memory old,,) = stakeFeed.features(1, "");
        stakes.open();
        // The next window begins two epochs later; its gas and delays are others.
        playEpochs(4, 4);
        go(stakes.startOf(5));
        stakes.open();
        go(stakes.startOf(6));
        (int256[] memory inputs,,) = stakeFeed.features(2, "");
        int256[] memory out = outputs(ONE / 2, 0, 0, 0);
        submitRefused(
            inputDiffers(0, inputs[0], old[0]), 2, out, proven(oracle, address(stakeFeed), 2, old, out)
        );
        Evidence memory evidence = proven(oracle, address(stakeFeed), 2, inputs, out);
        stakeFeed.submit(2, "", out, evidence);
        assertEq(stakeFeed.status().latest.round, 2);
    }

    function test_a_round_has_its_time() public {
        playEpochs(1, 2);
        int256[] memory out = outputs(ONE / 2, 0, 0, 0);
        Evidence memory none;
        uint256 end = stakeFeed.windowEnd(1);
        go(end);
        submitRefused(abi.encodeWithSelector(IProvenFeed.RoundNotDue.selector, 1, end, end), 1, out, none);
        playEpochs(3, 3);
        uint256 last = stakeFeed.lastBlockOf(1);
        go(last + 1);
        submitRefused(
            abi.encodeWithSelector(IProvenFeed.RoundExpired.selector, 1, last, last + 1), 1, out, none
        );
        go(last);
        vm.expectRevert(abi.encodeWithSelector(IStakeSource.SourceHasNoEvidence.selector, 1));
        stakeFeed.submit(1, hex"00", out, none);
        (int256[] memory inputs,,) = stakeFeed.features(1, "");
        Evidence memory evidence = proven(oracle, address(stakeFeed), 1, inputs, out);
        stakeFeed.submit(1, "", out, evidence);
    }

    // --- the controller ---

    function test_parameters_move_a_step_on_their_own_proof_alone() public {
        playEpochs(1, 3);
        int256[] memory inputs = controller.features();
        // Far beyond every rail.
        int256[] memory out = outputs(ONE, 5 * ONE, 5 * ONE, -5 * ONE);
        address self = address(controller);
        for (uint256 k; k < inputs.length; ++k) {
            inputs[k] -= 1;
            Evidence memory shifted = proven(oracle, self, 1, inputs, out);
            inputs[k] += 1;
            moveRefused(inputDiffers(k, inputs[k], inputs[k] - 1), out, shifted);
        }
        bytes memory another = contextMismatch(self, 1);
        moveRefused(another, out, proven(other, self, 1, inputs, out));
        moveRefused(another, out, proven(oracle, self, 2, inputs, out));
        moveRefused(another, out, proven(oracle, address(stakeFeed), 1, inputs, out));
        moveRefused(stateDiffers(), out, provenBy(state(3), oracle, self, 1, inputs, out));
        Evidence memory evidence = proven(oracle, self, 1, inputs, out);
        bytes memory differs =
            abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 2, 4 * ONE, 5 * ONE);
        moveRefused(differs, outputs(ONE, 4 * ONE, 5 * ONE, -5 * ONE), evidence);
        spoil(evidence);
        moveRefused(proofRejected(), out, evidence);
        assertEq(controller.parameter(0), 100);
        assertEq(controller.nextUpdate(), 1);

        evidence = proven(oracle, self, 1, inputs, out);
        controller.move(out, evidence);
        StakeParameters memory live = controller.stakeParameters();
        assertEq(live.baseReward, 160);
        assertEq(live.committeeSize, 8);
        assertEq(live.attestationDeadline, 2);
        bytes memory cooling = abi.encodeWithSelector(
            IParameterController.CoolingDown.selector, controller.nextMoveBlock(), block.number
        );
        moveRefused(cooling, out, proven(oracle, self, 2, inputs, out));
        playEpochs(4, 4);
        assertEq(stakes.summary(4).parameters.baseReward, 160);
    }

    function testFuzz_no_output_moves_beyond_step_or_rail(int64 reward, int64 committee, int64 deadline)
        public
        view
    {
        int256[] memory out = outputs(0, reward, committee, deadline);
        (, int64[] memory values) = controller.preview(out);
        assertTrue(values[0] >= 40 && values[0] <= 160, "reward");
        assertTrue(values[1] >= 4 && values[1] <= 8, "committee");
        assertTrue(values[2] >= 2 && values[2] <= 4, "deadline");
    }
}
