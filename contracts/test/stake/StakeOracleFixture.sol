// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {StakeController} from "../../src/control/StakeController.sol";
import {StakeFeed} from "../../src/feeds/StakeFeed.sol";
import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {FeedTerms} from "../../src/interfaces/IProvenFeed.sol";
import {StakeParameters} from "../../src/interfaces/IStakeRegistry.sol";
import {LocalStakeSource} from "../../src/stake/LocalStakeSource.sol";
import {StakeRegistry} from "../../src/stake/StakeRegistry.sol";
import {FeedFixture} from "../utils/FeedFixture.sol";

/// @dev Eight validators, of which the last one never comes; a feed and a controller over their registry.
abstract contract StakeOracleFixture is FeedFixture {
    uint64 internal constant BEGIN = 2000;
    uint32 internal constant EPOCH = 16;
    uint64 internal constant WINDOW = 3;
    uint32 internal constant EVERY = 2 * EPOCH;
    uint256 internal constant COUNT = 8;

    StakeRegistry internal stakes;
    LocalStakeSource internal source;
    StakeFeed internal stakeFeed;
    StakeController internal controller;
    uint256 internal oracle;
    uint256 internal other;

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

    function who(uint256 k) internal pure returns (address) {
        return vm.addr(0xB0B + k);
    }

    function playEpochs(uint256 from, uint256 to) internal {
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

    function go(uint256 number) internal {
        vm.roll(number);
        vm.warp(1_000_000 + 12 * number);
        vm.setBlockhash(number - 1, keccak256(abi.encode("block", number - 1)));
    }

    function outputs(int256 first, int256 reward, int256 committee, int256 deadline)
        internal
        pure
        returns (int256[] memory all)
    {
        all = new int256[](5);
        (all[0], all[1], all[2], all[3], all[4]) = (first, ONE / 2, reward, committee, deadline);
    }

    function proven(uint256 model_, address requester, uint256 nonce, int256[] memory inputs, int256[] memory out)
        internal
        view
        returns (Evidence memory)
    {
        return provenBy(modelState, model_, requester, nonce, inputs, out);
    }

    /// As of any weights: a prover may have trained others for the same circuit.
    function provenBy(
        bytes32 weights,
        uint256 model_,
        address requester,
        uint256 nonce,
        int256[] memory inputs,
        int256[] memory out
    ) internal view returns (Evidence memory) {
        uint256[] memory values = new uint256[](inputs.length + out.length);
        for (uint256 k; k < inputs.length; ++k) {
            values[k] = toField(inputs[k]);
        }
        for (uint256 k; k < out.length; ++k) {
            values[inputs.length + k] = toField(out[k]);
        }
        return honkInferenceEvidence(registry.inferenceContextOf(model_, requester, nonce), weights, values);
    }
}
