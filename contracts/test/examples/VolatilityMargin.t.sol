// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedConsumer} from "../../src/examples/PinnedConsumer.sol";
import {PostedPrice} from "../../src/examples/PostedPrice.sol";
import {VolatilityMargin} from "../../src/examples/VolatilityMargin.sol";
import {Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ConsumerFixture} from "./ConsumerFixture.sol";

contract VolatilityMarginTest is ConsumerFixture {
    uint32 private constant DAY = 1 days;

    PostedPrice private price = new PostedPrice(address(this));
    VolatilityMargin private margin;

    receive() external payable {}

    function setUp() public {
        model = mintShaped(3, 1);
        margin = new VolatilityMargin(registry, model, pinOf(model), price, terms());
        vm.deal(address(this), 100 ether);
    }

    function terms() private pure returns (VolatilityMargin.Terms memory) {
        return VolatilityMargin.Terms({
            day: DAY, slack: 1 hours, maxAge: 2 * DAY, multiple: 4, floorPpm: 50_000, ceilingPpm: 500_000
        });
    }

    function day(int192 value) private {
        vm.warp(block.timestamp + DAY);
        price.post(value);
        margin.observe();
    }

    /// 23 prices: up and down by 10, then a last day of `last`.
    function month(int192 last) private {
        for (uint256 k; k < 22; ++k) {
            day(k % 2 == 0 ? int192(1000) : int192(1010));
        }
        day(last);
    }

    function submit(int256 value) private {
        int256[] memory outputs = single(value);
        Evidence memory evidence =
            proof(address(margin), uint64(margin.daysSeen()), margin.features(), outputs);
        margin.submit(outputs, evidence);
    }

    function test_features_are_the_means_of_daily_moves() public {
        month(1111); // 10 % more than 1010
        int256[] memory values = margin.features();
        assertEq(values[0], 10 * ONE);
        int256 up = ONE; // 1000 -> 1010
        int256 down = (1000 * ONE) / 1010; // 1010 -> 1000, rounded down
        assertEq(values[1], (10 * ONE + 2 * up + 2 * down) / 5);
        assertEq(values[2], (10 * ONE + 11 * up + 10 * down) / 22);
    }

    function test_features_reject_a_short_history() public {
        for (uint256 k; k < 22; ++k) {
            day(1000);
        }
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.HistoryTooShort.selector, 23, 22));
        margin.features();
        day(1000);
        assertEq(margin.features()[2], int256(0));
    }

    function test_a_missed_day_begins_the_history_anew() public {
        month(1010);
        vm.warp(block.timestamp + DAY + 1 hours + 1);
        price.post(1000);
        margin.observe();
        day(1000);
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.HistoryTooShort.selector, 23, 3));
        this.featuresAfterAnother();
    }

    function featuresAfterAnother() external {
        day(1000);
        margin.features();
    }

    function test_observe_rejects_a_second_price_of_the_day() public {
        day(1000);
        uint256 first = block.timestamp;
        vm.warp(first + DAY - 1);
        price.post(1000);
        vm.expectRevert(
            abi.encodeWithSelector(VolatilityMargin.TooEarly.selector, first + DAY, first + DAY - 1)
        );
        margin.observe();
        vm.warp(first + DAY);
        price.post(1000);
        margin.observe();
        assertEq(margin.daysSeen(), 2);
    }

    function test_observe_rejects_an_old_price_and_none() public {
        price.post(1000);
        uint256 posted = block.timestamp;
        vm.warp(posted + 1 hours + 1);
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.PriceTooOld.selector, posted + 1, posted));
        margin.observe();
        price.post(0);
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.PriceInvalid.selector, int256(0)));
        margin.observe();
    }

    function test_only_the_poster_posts() public {
        vm.expectRevert(abi.encodeWithSelector(PostedPrice.NotThePoster.selector, address(this), stranger));
        vm.prank(stranger);
        price.post(1);
    }

    function test_margin_follows_the_forecast_within_its_rails() public {
        assertEq(margin.marginPpm(), 500_000);
        month(1010);
        submit(3 * ONE); // 3 percent a day, four times that
        assertEq(margin.marginPpm(), 120_000);
        day(1010);
        submit(-ONE);
        assertEq(margin.marginPpm(), 50_000);
        day(1010);
        submit(100 * ONE);
        assertEq(margin.marginPpm(), 500_000);
    }

    function test_an_old_forecast_counts_no_more() public {
        month(1010);
        submit(3 * ONE);
        vm.warp(block.timestamp + 2 * DAY);
        assertEq(margin.marginPpm(), 120_000);
        vm.warp(block.timestamp + 1);
        assertEq(margin.marginPpm(), 500_000);
    }

    function test_submit_rejects_a_feature_off_by_one() public {
        month(1010);
        int256[] memory inputs = margin.features();
        int256 true_ = inputs[1];
        inputs[1] = true_ + 1;
        Evidence memory lie = proof(address(margin), 23, inputs, single(ONE));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 1, true_, true_ + 1));
        margin.submit(single(ONE), lie);
        submit(ONE);
    }

    function test_submit_rejects_yesterdays_proof_and_another_contracts() public {
        month(1010);
        Evidence memory old = proof(address(margin), 22, margin.features(), single(ONE));
        uint256 context = contextFor(address(margin), 23);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
        margin.submit(single(ONE), old);
        Evidence memory foreign = proof(address(this), 23, margin.features(), single(ONE));
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
        margin.submit(single(ONE), foreign);
    }

    function test_submit_rejects_another_output_and_a_second_forecast() public {
        month(1010);
        Evidence memory honest = proof(address(margin), 23, margin.features(), single(ONE));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, int256(0), ONE));
        margin.submit(single(0), honest);
        margin.submit(single(ONE), honest);
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.AlreadyForecast.selector, 23));
        margin.submit(single(ONE), honest);
    }

    function test_positions_need_the_margin_of_the_day() public {
        month(1010);
        submit(ONE); // 4 %, so the floor of 5 %
        margin.deposit{value: 1 ether}();
        vm.expectRevert(
            abi.encodeWithSelector(VolatilityMargin.Undermargined.selector, 1 ether + 1, uint256(1 ether))
        );
        margin.setPosition(20 ether + 1);
        margin.setPosition(10 ether);
        margin.withdraw(0.5 ether);
        day(1010);
        submit(3 * ONE); // 12 %
        assertTrue(margin.isUndermargined(address(this)), "12 % of 10 are more than 0.5");
        vm.expectRevert(
            abi.encodeWithSelector(VolatilityMargin.Undermargined.selector, 1.2 ether, uint256(0.5 ether - 1))
        );
        margin.withdraw(1);
        margin.setPosition(5 ether); // smaller is always allowed, here below what is required too
        assertTrue(margin.isUndermargined(address(this)), "12 % of 5 are more than 0.5");
        margin.setPosition(4 ether);
        margin.withdraw(0.02 ether);
        assertTrue(!margin.isUndermargined(address(this)), "exactly enough");
    }

    function test_constructor_rejects_another_model_shape_and_rails() public {
        bytes32 pin = pinOf(model);
        vm.expectRevert(
            abi.encodeWithSelector(PinnedConsumer.NotThePinnedModel.selector, bytes32("pin"), pin)
        );
        new VolatilityMargin(registry, model, "pin", price, terms());
        uint256 other = mintShaped(2, 2);
        bytes32 otherPin = pinOf(other);
        vm.expectRevert(abi.encodeWithSelector(PinnedConsumer.ModelDoesNotFit.selector, 2, 2));
        new VolatilityMargin(registry, other, otherPin, price, terms());
        VolatilityMargin.Terms memory wrong = terms();
        wrong.floorPpm = wrong.ceilingPpm + 1;
        vm.expectRevert(abi.encodeWithSelector(VolatilityMargin.TermsInvalid.selector));
        new VolatilityMargin(registry, model, pin, price, wrong);
    }
}
