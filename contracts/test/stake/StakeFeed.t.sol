// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeController} from "../../src/control/StakeController.sol";
import {PinnedModel} from "../../src/control/PinnedModel.sol";
import {StakeFeed} from "../../src/feeds/StakeFeed.sol";
import {ParameterSpec} from "../../src/interfaces/IParameterController.sol";
import {FeedTerms, IProvenFeed} from "../../src/interfaces/IProvenFeed.sol";
import {StakeParameters} from "../../src/interfaces/IStakeRegistry.sol";
import {LocalStakeSource} from "../../src/stake/LocalStakeSource.sol";
import {StakeRegistry} from "../../src/stake/StakeRegistry.sol";
import {FeedFixture} from "../utils/FeedFixture.sol";

/// @dev Rounds of a stake feed end where epochs end, or it would never answer.
contract StakeFeedTest is FeedFixture {
    uint64 private constant BEGIN = 2000;
    uint32 private constant EPOCH = 16;
    uint64 private constant WINDOW = 3;

    LocalStakeSource private source;
    FeedTerms private fine;

    function setUp() public {
        StakeRegistry stakes =
            new StakeRegistry(StakeParameters(100, 4, 3), address(this), BEGIN, EPOCH, 2, 2);
        source = new LocalStakeSource(stakes, WINDOW, EPOCH, 100, 4);
        fine = terms();
        (fine.modelId, fine.commitmentHash) = mintModel(source.count(), 5, 12, 9);
        (fine.firstBlock, fine.cadence) = (BEGIN + WINDOW * EPOCH - 1, 2 * EPOCH);
    }

    function test_the_ends_of_windows_are_those_of_epochs() public view {
        uint256 first = BEGIN + WINDOW * EPOCH - 1;
        assertTrue(source.isWindowEnd(first) && source.isWindowEnd(first + EPOCH), "ends");
        assertTrue(!source.isWindowEnd(first - EPOCH), "too few epochs before it");
        assertTrue(!source.isWindowEnd(first + 1) && !source.isWindowEnd(first - 1), "within an epoch");
        assertTrue(!source.isWindowEnd(BEGIN - 1) && !source.isWindowEnd(0), "before the chain");
    }

    function test_a_feed_wants_its_windows_to_end_with_epochs() public {
        FeedTerms memory t = fine;
        new StakeFeed(t, source, 5);
        t.firstBlock += 1;
        refuses(t, "firstBlock");
        t.firstBlock = BEGIN + (WINDOW - 1) * EPOCH - 1;
        refuses(t, "firstBlock");
        t = fine;
        t.cadence += 1;
        refuses(t, "cadence");
        t.cadence = EPOCH / 2;
        refuses(t, "cadence");
    }

    function refuses(FeedTerms memory t, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.TermsInvalid.selector, field));
        new StakeFeed(t, source, 5);
    }

    function test_a_controller_wants_its_windows_to_end_with_epochs() public {
        deployController(fine.firstBlock, fine.cadence);
        bytes4 refusal = StakeController.NotAWindowEnd.selector;
        vm.expectRevert(abi.encodeWithSelector(refusal, fine.firstBlock + 1));
        deployController(fine.firstBlock + 1, fine.cadence);
        vm.expectRevert(abi.encodeWithSelector(refusal, fine.firstBlock + fine.cadence + 1));
        deployController(fine.firstBlock, fine.cadence + 1);
    }

    function deployController(uint256 firstBlock, uint256 cadence) private {
        ParameterSpec[] memory specs = new ParameterSpec[](3);
        for (uint256 k; k < 3; ++k) {
            specs[k] = ParameterSpec({
                initial: 8, min: 4, max: 12, maxStep: 1, smoothing: 1, scale: 16, offset: 1
            });
        }
        PinnedModel.ModelPin memory pinned = PinnedModel.ModelPin(
            registry, fine.modelId, fine.commitmentHash, owner, guard, 1 days, 1 hours
        );
        new StakeController(pinned, uint32(cadence), specs, source, firstBlock, cadence);
    }
}
