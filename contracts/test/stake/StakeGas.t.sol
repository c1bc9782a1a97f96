// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {Aggregate} from "../../src/interfaces/IStakeRegistry.sol";
import {GasGate} from "../utils/GasGate.sol";
import {StakeOracleFixture} from "./StakeOracleFixture.sol";

/// @dev As GasTest, of the stake oracle: epochs and votes, and rounds and moves without a verifier, over windows
/// of three epochs.
contract StakeGasTest is StakeOracleFixture, GasGate {
    function test_gas_of_the_stake_oracle() public {
        playEpochs(1, 3);
        round(1, "submit, the first round of a stake feed");
        move(1, "move, the first of a stake controller");
        stakes.open();
        playEpochs(5, 5); // 4 is open, and has no votes
        move(2, "move, a stake controller");
        round(2, "submit, a round of a stake feed");
        stakes.open();
        snap("open, an epoch");
        go(stakes.dutyBlock(6, 0) + 1);
        attest(1, "attest, one vote");
        attest(14, "attest, three votes more");
    }

    function test_gas_of_an_own_vote() public {
        go(stakes.startOf(1));
        stakes.open();
        go(stakes.dutyBlock(1, 0) + 1);
        for (uint256 member; member < 2; ++member) {
            address owner_ = stakes.validator(stakes.memberAt(1, 0, member)).owner;
            vm.prank(owner_);
            stakes.attestOwn(1, 0, member);
        }
        snap("attestOwn");
    }

    function round(uint256 number, string memory label) private {
        (int256[] memory inputs,,) = stakeFeed.features(number, "");
        int256[] memory out = outputs(ONE / 2, 0, 0, 0);
        Evidence memory evidence = proven(oracle, address(stakeFeed), number, inputs, out);
        stakeFeed.submit(number, "", out, evidence);
        snap(label);
    }

    function move(uint256 update, string memory label) private {
        int256[] memory inputs = controller.features();
        int256[] memory out = outputs(0, ONE, 0, ONE);
        Evidence memory evidence = proven(oracle, address(controller), update, inputs, out);
        controller.move(out, evidence);
        snap(label);
    }

    /// `members` of the first committee vote.
    function attest(uint256 members, string memory label) private {
        uint256 epoch = stakes.latestEpoch();
        bytes32 digest = stakes.attestationDigest(epoch, 0);
        bytes memory signatures;
        for (uint256 member; members >> member != 0; ++member) {
            if (members >> member & 1 == 0) continue;
            uint256 key = keyOf(stakes.validator(stakes.memberAt(epoch, 0, member)).owner);
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
            signatures = bytes.concat(signatures, r, bytes32(uint256(v - 27) << 255 | uint256(s)));
        }
        Aggregate[] memory all = new Aggregate[](1);
        all[0] = Aggregate(0, members, signatures);
        stakes.attest(epoch, all);
        snap(label);
    }

    function keyOf(address owner_) private pure returns (uint256 key) {
        for (key = 0xB0B; vm.addr(key) != owner_; ++key) {}
    }
}
