// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockRecord} from "../src/interfaces/IChainHistory.sol";
import {Evidence} from "../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {GasFeatures} from "../src/libraries/GasFeatures.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";

contract GasFeaturesTest is FeedFixture {
    function setUp() public {
        mineTo(1010);
    }

    /// forge-config: default.fuzz.runs = 100
    function testFuzz_a_feature_off_by_one(uint256 place, bool up) public {
        place = bound(place, 0, FEATURES - 1);
        int256[] memory features = featuresOf(1);
        int256 honestValue = features[place];
        features[place] += up ? int256(1) : -1;
        Evidence memory evidence = proofOf(model, modelState, address(feed), 1, features, 7);
        bytes[] memory headers = windowOf(1);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, place, honestValue, features[place])
        );
        feed.submit(1, headers, only(7), evidence);
    }

    /// The worked example of the Python twin.
    function test_features_and_answer_of_the_worked_example() public pure {
        BlockRecord[] memory blocks = new BlockRecord[](2);
        blocks[0] = BlockRecord(1, 0, 30, 30, 9);
        blocks[1] = BlockRecord(2, 0, 14, 30, 8);
        int256[] memory features = GasFeatures.derive(blocks, 8);
        assertEq(features.length, 3);
        assertEq(features[0], int256(256));
        assertEq(features[1], int256(-17)); // -17.07: toward zero
        assertEq(features[2], int256(32));
        assertEq(GasFeatures.answer(800, -17, 8), int256(747)); // -53.1: toward zero
        assertEq(GasFeatures.answer(800, 17, 8), int256(853));
    }

    /// Whatever authenticated blocks say, nothing overflows: a feed can't be stopped by a block.
    function testFuzz_no_block_overflows(BlockRecord[4] memory raw, uint8 bits, int128 output) public pure {
        bits = uint8(bound(bits, 0, 32));
        BlockRecord[] memory blocks = new BlockRecord[](4);
        for (uint256 k; k < 4; ++k) {
            blocks[k] = raw[k];
            if (blocks[k].gasLimit == 0) blocks[k].gasLimit = 1;
            blocks[k].gasUsed = uint40(bound(blocks[k].gasUsed, 0, blocks[k].gasLimit));
        }
        if (blocks[3].baseFee == 0) blocks[3].baseFee = 1;
        int256[] memory features = GasFeatures.derive(blocks, bits);
        int256 one = int256(1 << bits);
        for (uint256 k; k < 4; ++k) {
            assertTrue(features[k] >= -one && features[k] <= one, "fullness within [-1, 1]");
        }
        for (uint256 k = 4; k < 7; ++k) {
            assertTrue(features[k] >= -one, "a base fee is not negative");
        }
        GasFeatures.answer(blocks[3].baseFee, output, bits);
    }
}
