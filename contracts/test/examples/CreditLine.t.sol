// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CreditLine} from "../../src/examples/CreditLine.sol";
import {PinnedConsumer} from "../../src/examples/PinnedConsumer.sol";
import {Evidence, ICircuits} from "../../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ConsumerFixture} from "./ConsumerFixture.sol";

contract CreditLineTest is ConsumerFixture {
    bytes32 private constant SALT = "salt";

    address private bureau = address(0xB04E);
    address private applicant = address(0xA551);
    CreditLine private credit;
    int256[] private inputs = new int256[](2);

    function setUp() public {
        model = mintShaped(2, 1);
        vm.deal(address(this), 100 ether);
        // Nothing up to a score of 1, everything from 3 on.
        credit = new CreditLine{value: 20 ether}(
            registry, model, pinOf(model), bureau, ONE, uint256(2 * ONE), 10 ether
        );
        (inputs[0], inputs[1]) = (7, -9);
    }

    function attest(uint64 validUntil) private {
        vm.prank(bureau);
        credit.attest(applicant, keccak256(abi.encode(applicant, SALT, inputs)), validUntil);
    }

    function attest() private {
        attest(uint64(block.timestamp + 30 days));
    }

    function score(int256 value, uint64 nonce) private {
        Evidence memory evidence = proof(applicant, nonce, inputs, single(value));
        vm.prank(applicant);
        credit.score(inputs, SALT, single(value), evidence);
    }

    function limit() private view returns (uint256 limit_) {
        (limit_,,) = credit.lines(applicant);
    }

    function drawn() private view returns (uint256 drawn_) {
        (, drawn_,) = credit.lines(applicant);
    }

    function test_the_limit_follows_the_score() public {
        attest();
        score(2 * ONE, 0);
        assertEq(limit(), 5 ether);
        attest();
        score(5 * ONE, 1);
        assertEq(limit(), 10 ether);
        attest();
        score(ONE, 2);
        assertEq(limit(), 0);
    }

    function test_draw_and_repay_within_the_limit() public {
        attest();
        score(2 * ONE, 0);
        vm.prank(applicant);
        credit.draw(4 ether);
        assertEq(applicant.balance, 4 ether);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.OverTheLimit.selector, 5 ether, 5 ether + 1));
        vm.prank(applicant);
        credit.draw(1 ether + 1);
        vm.prank(applicant);
        credit.repay{value: 3 ether}();
        assertEq(drawn(), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.MoreThanDrawn.selector, 1 ether, 1 ether + 1));
        vm.deal(applicant, 2 ether);
        vm.prank(applicant);
        credit.repay{value: 1 ether + 1}();
        vm.prank(applicant);
        credit.draw(4 ether);
    }

    function test_a_lower_score_leaves_the_debt_and_stops_drawing() public {
        attest();
        score(3 * ONE, 0);
        vm.prank(applicant);
        credit.draw(10 ether);
        attest();
        score(0, 1);
        assertEq(drawn(), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.OverTheLimit.selector, 0, 10 ether + 1));
        vm.prank(applicant);
        credit.draw(1);
    }

    function test_score_rejects_features_that_were_not_attested() public {
        attest();
        bytes32 attested = keccak256(abi.encode(applicant, SALT, inputs));
        inputs[1] = 9;
        bytes32 other = keccak256(abi.encode(applicant, SALT, inputs));
        Evidence memory evidence = proof(applicant, 0, inputs, single(5 * ONE));
        vm.expectRevert(abi.encodeWithSelector(CreditLine.OtherFeatures.selector, attested, other));
        vm.prank(applicant);
        credit.score(inputs, SALT, single(5 * ONE), evidence);
    }

    function test_score_rejects_a_claimed_score_and_keeps_the_attestation() public {
        attest();
        Evidence memory evidence = proof(applicant, 0, inputs, single(0));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, 5 * ONE, int256(0)));
        vm.prank(applicant);
        credit.score(inputs, SALT, single(5 * ONE), evidence);
        score(2 * ONE, 0);
        assertEq(limit(), 5 ether);
    }

    function test_score_rejects_somebody_else_with_the_applicants_proof() public {
        attest();
        Evidence memory copied = proof(applicant, 0, inputs, single(5 * ONE));
        vm.expectRevert(abi.encodeWithSelector(CreditLine.NotAttested.selector, stranger));
        vm.prank(stranger);
        credit.score(inputs, SALT, single(5 * ONE), copied);
        // Attested himself, with features of his own: the proof is still the other's.
        vm.prank(bureau);
        credit.attest(stranger, keccak256(abi.encode(stranger, SALT, inputs)), uint64(block.timestamp));
        uint256 context = contextFor(stranger, 0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
        vm.prank(stranger);
        credit.score(inputs, SALT, single(5 * ONE), copied);
    }

    function test_an_attestation_is_used_once_and_expires() public {
        attest();
        score(2 * ONE, 0);
        Evidence memory next = proof(applicant, 1, inputs, single(2 * ONE));
        vm.expectRevert(abi.encodeWithSelector(CreditLine.NotAttested.selector, applicant));
        vm.prank(applicant);
        credit.score(inputs, SALT, single(2 * ONE), next);
        uint64 until = uint64(block.timestamp + 10);
        attest(until);
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.Expired.selector, until, until + 1));
        vm.prank(applicant);
        credit.score(inputs, SALT, single(2 * ONE), next);
    }

    function test_draw_rejects_an_expired_line() public {
        uint64 until = uint64(block.timestamp + 10);
        attest(until);
        score(3 * ONE, 0);
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.Expired.selector, until, until + 1));
        vm.prank(applicant);
        credit.draw(1);
    }

    function test_attest_rejects_anybody_but_the_bureau() public {
        vm.expectRevert(abi.encodeWithSelector(CreditLine.NotTheBureau.selector, bureau, applicant));
        vm.prank(applicant);
        credit.attest(applicant, "mine", type(uint64).max);
    }

    function test_constructor_rejects_another_model_and_no_span() public {
        uint256 other = mintShaped(2, 2);
        bytes32 otherPin = pinOf(other);
        vm.expectRevert(abi.encodeWithSelector(PinnedConsumer.ModelDoesNotFit.selector, 2, 2));
        new CreditLine(registry, other, otherPin, bureau, ONE, 1, 1);
        bytes32 pin = pinOf(model);
        vm.expectRevert(abi.encodeWithSelector(CreditLine.TermsInvalid.selector));
        new CreditLine(registry, model, pin, bureau, ONE, 0, 1);
    }

    function test_limit_is_monotone_and_bounded(int128 a, int128 b) public view {
        (int128 low, int128 high) = a < b ? (a, b) : (b, a);
        assertTrue(credit.limitOf(low) <= credit.limitOf(high), "monotone");
        assertTrue(credit.limitOf(high) <= credit.highest(), "bounded");
    }
}
