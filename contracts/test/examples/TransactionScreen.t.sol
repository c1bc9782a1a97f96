// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PinnedConsumer} from "../../src/examples/PinnedConsumer.sol";
import {TransactionScreen} from "../../src/examples/TransactionScreen.sol";
import {Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ConsumerFixture} from "./ConsumerFixture.sol";

contract TransactionScreenTest is ConsumerFixture {
    address private processor = address(0x9C0C);
    address private reviewer = address(0x4EF1);
    address private payer = address(0xFA1E);
    address private shop = address(0x5409);
    TransactionScreen private screen;
    int256[] private inputs = new int256[](2);
    int256[] private outputs = new int256[](2);

    function setUp() public {
        model = mintShaped(2, 2);
        // At most a half, on average.
        screen = new TransactionScreen(
            registry, model, pinOf(model), processor, reviewer, uint256(ONE / 2), 1 hours
        );
        vm.deal(processor, 10 ether);
        (inputs[0], inputs[1]) = (ONE, -2 * ONE);
        (outputs[0], outputs[1]) = (ONE, -2 * ONE + ONE); // squared errors 0 and 1: the mean is the threshold
    }

    function announce() private returns (uint256) {
        vm.prank(processor);
        return screen.announce{value: 1 ether}(payer, shop, keccak256(abi.encode(inputs)));
    }

    function status(uint256 id) private view returns (uint256) {
        return uint256(screen.payment(id).status);
    }

    function pass(uint256 id) private {
        screen.screen(id, inputs, outputs, proof(address(screen), uint64(id), inputs, outputs));
    }

    function is_(TransactionScreen.Status value) private pure returns (bytes memory) {
        return abi.encodeWithSelector(TransactionScreen.StatusIs.selector, value);
    }

    function test_a_usual_payment_is_paid() public {
        pass(announce());
        assertEq(status(0), uint256(TransactionScreen.Status.Paid));
        vm.prank(shop);
        screen.withdraw();
        assertEq(shop.balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.NothingToWithdraw.selector, shop));
        vm.prank(shop);
        screen.withdraw();
    }

    function test_an_unusual_payment_is_held_until_the_reviewer_decides() public {
        outputs[0] += 100; // the least that is over a threshold of mean squares, at this size
        announce();
        announce();
        (uint256 one, uint256 two) = (0, 1);
        pass(one);
        pass(two);
        assertEq(status(one), uint256(TransactionScreen.Status.Held));
        assertEq(screen.creditOf(shop), 0);
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.NotTheReviewer.selector, reviewer, shop));
        vm.prank(shop);
        screen.review(one, true);
        vm.prank(reviewer);
        screen.review(one, true);
        vm.prank(reviewer);
        screen.review(two, false);
        assertEq(screen.creditOf(shop), 1 ether);
        assertEq(screen.creditOf(payer), 1 ether);
        vm.expectRevert(is_(TransactionScreen.Status.Refunded));
        vm.prank(reviewer);
        screen.review(two, true);
    }

    function test_screen_rejects_inputs_that_were_not_announced() public {
        announce();
        bytes32 announced = keccak256(abi.encode(inputs));
        inputs[0] += 1;
        outputs[0] += 1;
        Evidence memory evidence = proof(address(screen), 0, inputs, outputs);
        bytes32 other = keccak256(abi.encode(inputs));
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.OtherInputs.selector, announced, other));
        screen.screen(0, inputs, outputs, evidence);
    }

    function test_screen_rejects_claimed_reconstructions() public {
        outputs[1] = 5 * ONE; // what the model really makes of it
        announce();
        Evidence memory evidence = proof(address(screen), 0, inputs, outputs);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 1, inputs[1], 5 * ONE));
        screen.screen(0, inputs, inputs, evidence);
    }

    function test_screen_rejects_another_payments_proof() public {
        announce();
        announce();
        Evidence memory first = proof(address(screen), 0, inputs, outputs);
        uint256 context = contextFor(address(screen), 1);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
        screen.screen(1, inputs, outputs, first);
    }

    function test_screen_rejects_a_second_time() public {
        pass(announce());
        Evidence memory again = proof(address(screen), 0, inputs, outputs);
        vm.expectRevert(is_(TransactionScreen.Status.Paid));
        screen.screen(0, inputs, outputs, again);
    }

    function test_an_undecided_payment_is_refunded_and_not_before() public {
        announce();
        uint256 deadline = block.timestamp + 1 hours;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.TooEarly.selector, deadline + 1, deadline));
        screen.refund(0);
        vm.warp(deadline + 1);
        Evidence memory late = proof(address(screen), 0, inputs, outputs);
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.TooLate.selector, deadline, deadline + 1));
        screen.screen(0, inputs, outputs, late);
        screen.refund(0);
        assertEq(screen.creditOf(payer), 1 ether);
        vm.expectRevert(is_(TransactionScreen.Status.Refunded));
        screen.refund(0);
    }

    function test_announce_rejects_strangers_and_nothing() public {
        vm.expectRevert(
            abi.encodeWithSelector(TransactionScreen.NotTheProcessor.selector, processor, stranger)
        );
        vm.prank(stranger);
        screen.announce(payer, shop, 0);
        vm.expectRevert(abi.encodeWithSelector(TransactionScreen.AmountInvalid.selector, 0));
        vm.prank(processor);
        screen.announce(payer, shop, 0);
    }

    function test_constructor_rejects_what_is_no_autoencoder() public {
        uint256 other = mintShaped(3, 1);
        bytes32 pin = pinOf(other);
        vm.expectRevert(abi.encodeWithSelector(PinnedConsumer.ModelDoesNotFit.selector, 3, 1));
        new TransactionScreen(registry, other, pin, processor, reviewer, 1, 1);
    }

    function test_error_is_the_mean_square(int64 a, int64 b, int64 c, int64 d) public view {
        int256[] memory x = new int256[](2);
        int256[] memory y = new int256[](2);
        (x[0], x[1], y[0], y[1]) = (a, b, c, d);
        uint256 first = uint256((int256(a) - c) * (int256(a) - c));
        uint256 second = uint256((int256(b) - d) * (int256(b) - d));
        assertEq(screen.errorOf(x, y), (first + second) / 2 / uint256(ONE));
    }
}
