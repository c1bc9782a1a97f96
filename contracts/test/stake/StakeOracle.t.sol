// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {StakeController} from "../../src/control/StakeController.sol";
import {StakeFeed} from "../../src/feeds/StakeFeed.sol";
import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {IParameterController, ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {FeedTerms, IProvenFeed} from "../../src/interfaces/IProvenFeed.sol";
import {StakeParameters} from "../../src/interfaces/IStakeRegistry.sol";
import {Share} from "../../src/interfaces/IStakeSource.sol";
import {LocalStakeSource} from "../../src/stake/LocalStakeSource.sol";
import {StakeRegistry} from "../../src/stake/StakeRegistry.sol";
import {FeedFixture} from "../utils/FeedFixture.sol";

/// @dev Eight validators, of which the last one never comes; a feed and a controller over their registry.
contract StakeOracleTest is FeedFixture {
    uint64 private constant BEGIN = 2000;
    uint32 private constant EPOCH = 16;
    uint64 private constant WINDOW = 3;
    uint32 private constant EVERY = 2 * EPOCH;
    uint256 private constant COUNT = 8;

    StakeRegistry private stakes;
    LocalStakeSource private source;
    StakeFeed private stakeFeed;
    StakeController private controller;
    uint256 private oracle;
    uint256 private other;

    function setUp() public {
        vm.roll(BEGIN - 1);
        stakes = new StakeRegistry(StakeParameters(100, 4, 3), address(this), BEGIN, EPOCH, 2, 2);
        stakes.fund{value: 1 ether}();
        for (uint256 k; k < COUNT; ++k) {
            vm.deal(who(k), 32 ether);
            vm.prank(who(k));
            stakes.deposit{value: 32 ether}();
        }
        source = new LocalStakeSource(stakes, WINDOW, EPOCH, 600, 32);
        FeedTerms memory t = terms();
        (t.modelId, t.commitmentHash) = mintModel(source.count(), 5, 12, 9);
        (oracle, t.minAnswer, t.maxAnswer) = (t.modelId, 0, 1.1e8);
        (t.firstBlock, t.cadence) = (BEGIN + WINDOW * EPOCH - 1, EVERY);
        (other,) = mintModel(source.count(), 5, 12, 10);
        stakeFeed = new StakeFeed(t, source, 5);
        PinnedModel.ModelPin memory pinned =
            PinnedModel.ModelPin(registry, oracle, t.commitmentHash, owner, guard, 1 days, 1 hours);
        ParameterSpec[] memory specs = new ParameterSpec[](3);
        specs[0] = ParameterSpec(100, 20, 600, 60, 1, 580, 20);
        specs[1] = ParameterSpec(4, 4, 32, 4, 1, 28, 4);
        specs[2] = ParameterSpec(3, 1, 8, 1, 1, 7, 1);
        controller = new StakeController(pinned, EVERY, specs, source, t.firstBlock, EVERY);
        stakes.bind(controller);
    }

    function who(uint256 k) private pure returns (address) {
        return vm.addr(0xB0B + k);
    }

    function playEpochs(uint256 from, uint256 to) private {
        for (uint256 epoch = from; epoch <= to; ++epoch) {
            uint256 start = stakes.startOf(epoch);
            go(start);
            stakes.open();
            for (uint256 committee; committee < stakes.committeesOf(epoch); ++committee) {
                go(stakes.dutyBlock(epoch, committee) + 1);
                for (uint256 member; member < 4; ++member) {
                    uint256 seat = stakes.memberAt(epoch, committee, member);
                    if (seat == COUNT - 1) continue;
                    vm.prank(stakes.validator(seat).owner);
                    stakes.attestOwn(epoch, committee, member);
                }
            }
        }
        go(stakes.startOf(to + 1));
    }

    function go(uint256 number) private {
        vm.roll(number);
        vm.warp(1_000_000 + 12 * number);
        vm.setBlockhash(number - 1, keccak256(abi.encode("block", number - 1)));
    }

    function outputs(int256 first, int256 reward, int256 committee, int256 deadline)
        private
        pure
        returns (int256[] memory all)
    {
        all = new int256[](5);
        (all[0], all[1], all[2], all[3], all[4]) = (first, ONE / 2, reward, committee, deadline);
    }

    function proven(uint256 model_, address requester, uint256 nonce, int256[] memory inputs, int256[] memory out)
        private
        view
        returns (Evidence memory)
    {
        uint256[] memory values = new uint256[](inputs.length + out.length);
        for (uint256 k; k < inputs.length; ++k) {
            values[k] = toField(inputs[k]);
        }
        for (uint256 k; k < out.length; ++k) {
            values[inputs.length + k] = toField(out[k]);
        }
        return honkInferenceEvidence(registry.inferenceContextOf(model_, requester, nonce), modelState, values);
    }

    function submit(uint256 round, int256[] memory out, Evidence memory evidence) private returns (bool ok) {
        (ok,) = address(stakeFeed).call(abi.encodeCall(stakeFeed.submit, (round, "", out, evidence)));
    }

    function move(int256[] memory out, Evidence memory evidence) private returns (bool ok) {
        (ok,) = address(controller).call(abi.encodeCall(controller.move, (out, evidence)));
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
            assertTrue(!submit(1, out, proven(oracle, feed_, 1, inputs, out)), "feature off by one");
            inputs[k] -= 1;
        }
        assertTrue(!submit(1, out, proven(other, feed_, 1, inputs, out)), "another model");
        assertTrue(!submit(1, out, proven(oracle, feed_, 2, inputs, out)), "another round");
        assertTrue(!submit(1, out, proven(oracle, address(controller), 1, inputs, out)), "another requester");
        int256[] memory beyond = outputs(2 * ONE, 0, 0, 0);
        assertTrue(!submit(1, beyond, proven(oracle, feed_, 1, inputs, beyond)), "beyond the bounds");
        Evidence memory evidence = proven(oracle, feed_, 1, inputs, out);
        stakeFeed.submit(1, "", out, evidence);
        (, int256 answer,,,) = stakeFeed.latestRoundData();
        assertEq(answer, 0.875e8);
        assertTrue(!submit(1, out, evidence), "twice");
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
        assertTrue(inputs[0] != old[0], "another window");
        assertTrue(!submit(2, out, proven(oracle, address(stakeFeed), 2, old, out)), "an old window");
        assertTrue(submit(2, out, proven(oracle, address(stakeFeed), 2, inputs, out)), "its own");
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
            assertTrue(!move(out, proven(oracle, self, 1, inputs, out)), "feature off by one");
            inputs[k] += 1;
        }
        assertTrue(!move(out, proven(other, self, 1, inputs, out)), "another model");
        assertTrue(!move(out, proven(oracle, self, 2, inputs, out)), "another update");
        assertTrue(!move(out, proven(oracle, address(stakeFeed), 1, inputs, out)), "the feed's own");
        assertTrue(!move(outputs(ONE, 4 * ONE, 0, 0), proven(oracle, self, 1, inputs, out)), "other outputs");
        assertEq(controller.parameter(0), 100);
        Evidence memory evidence = proven(oracle, self, 1, inputs, out);
        controller.move(out, evidence);
        StakeParameters memory live = controller.stakeParameters();
        assertEq(live.baseReward, 160);
        assertEq(live.committeeSize, 8);
        assertEq(live.attestationDeadline, 2);
        assertTrue(!move(out, proven(oracle, self, 2, inputs, out)), "the window a second time");
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
