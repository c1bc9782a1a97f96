// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GasFeed} from "../src/feeds/GasFeed.sol";
import {BlockRecord, IChainHistory} from "../src/interfaces/IChainHistory.sol";
import {Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {AggregatorV3Interface} from "../src/interfaces/IFeedReaders.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {FeedStatus, FeedTerms, IProvenFeed} from "../src/interfaces/IProvenFeed.sol";
import {GasFeatures} from "../src/libraries/GasFeatures.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";
import {Headers} from "./utils/Headers.sol";

contract GasFeedTest is FeedFixture {
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event RoundsMissed(uint256 firstRound, uint256 lastRound);
    event BreakerTripped(uint256 indexed round, int256 held, int256 refused, uint256 allowedDeviation);

    function refused(bytes memory refusal, uint256 round, bytes[] memory headers, int256 output, Evidence memory evidence)
        private
    {
        vm.expectRevert(refusal);
        feed.submit(round, headers, only(output), evidence);
    }

    function answerOf(uint256 round, int256 output) private view returns (int256) {
        int256 fee = int256(uint256(blockOf[feed.windowEnd(round)].baseFee));
        return fee + fee * output / ONE;
    }

    // --- an honest round ---

    function test_submit_stores_the_answer_for_every_face() public {
        mineTo(1010);
        int256 expected = answerOf(1, -100);
        vm.expectEmit(true, true, true, true, address(feed));
        emit AnswerUpdated(expected, 1, blockOf[1010].timestamp);
        vm.prank(stranger); // anybody
        submit(1, -100);

        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) = feed.latestRoundData();
        assertEq(answer, expected);
        assertTrue(id == 1 && answeredIn == 1, "round 1");
        assertEq(startedAt, blockOf[1010 + 1 - N].timestamp);
        assertEq(updatedAt, blockOf[1010].timestamp);
        (, answer,,,) = feed.getRoundData(1);
        assertEq(answer, expected);
        (int256 value, uint256 timestamp, uint256 code) = feed.valueFor(keccak256("Base fee in 5 blocks, wei"));
        assertEq(value, expected);
        assertTrue(timestamp == updatedAt && code == 200, "EIP-2362");
        (int224 api3, uint32 time) = feed.read();
        assertTrue(api3 == expected && time == updatedAt, "API3");
        assertTrue(!feed.status().tripped && !feed.status().stale, "usable");
    }

    function test_faces_before_the_first_round() public {
        assertEq(feed.currentRound(), 0);
        assertTrue(feed.status().stale, "stale");
        (int256 value, uint256 timestamp, uint256 code) = feed.valueFor(feed.feedId());
        assertTrue(value == 0 && timestamp == 0 && code == 404, "not yet");
        (,, code) = feed.valueFor("another id");
        assertEq(code, 400);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NoAnswerYet.selector));
        feed.latestRoundData();
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NoAnswerYet.selector));
        feed.read();
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.RoundNotKept.selector, 0));
        feed.getRoundData(0);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.RoundNotKept.selector, 8));
        feed.getRoundData(8);
    }

    /// Published selectors of Chainlink's interface.
    function test_the_chainlink_face_has_its_selectors() public view {
        assertTrue(AggregatorV3Interface.decimals.selector == 0x313ce567, "decimals");
        assertTrue(AggregatorV3Interface.description.selector == 0x7284e416, "description");
        assertTrue(AggregatorV3Interface.version.selector == 0x54fd4d50, "version");
        assertTrue(AggregatorV3Interface.getRoundData.selector == 0x9a6fc8f5, "getRoundData");
        assertTrue(AggregatorV3Interface.latestRoundData.selector == 0xfeaf968c, "latestRoundData");
        assertTrue(type(AggregatorV3Interface).interfaceId == 0x73851258, "all");
        assertEq(keccak256(bytes(feed.description())), feed.feedId());
        assertTrue(feed.decimals() == 0 && feed.version() == 1, "wei");
    }

    function test_past_rounds_are_kept_for_a_while() public {
        for (uint256 round = 1; round <= 9; ++round) {
            mineTo(feed.windowEnd(round));
            submit(round, 0);
        }
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.RoundNotKept.selector, 1));
        feed.getRoundData(1);
        (, int256 answer,, uint256 updatedAt,) = feed.getRoundData(2);
        assertEq(answer, answerOf(2, 0));
        assertEq(updatedAt, blockOf[feed.windowEnd(2)].timestamp);
    }

    function test_headers_recorded_before_are_not_needed() public {
        mineTo(1010);
        history.record(windowOf(1));
        Evidence memory evidence = honest(1, 5);
        feed.submit(1, new bytes[](0), only(5), evidence);
        assertEq(feed.currentRound(), 1);
        int256[] memory features = feed.featuresOf(1);
        for (uint256 k; k < FEATURES; ++k) {
            assertEq(features[k], featuresOf(1)[k]);
        }
    }

    // --- lies ---

    function test_a_header_of_a_fork() public {
        mineTo(1010);
        Evidence memory evidence = honest(1, 7);
        bytes[] memory headers = windowOf(1);
        BlockRecord memory b = blockOf[1010];
        b.gasUsed += 1;
        headers[N - 1] = Headers.linked(hashOf[1009], b);
        bytes32 got = keccak256(headers[N - 1]);
        bytes memory refusal =
            abi.encodeWithSelector(IChainHistory.NotThisChain.selector, 1010, hashOf[1010], got);
        refused(refusal, 1, headers, 7, evidence);

        headers = windowOf(1);
        b = blockOf[1008];
        b.baseFee += 1;
        headers[N - 3] = Headers.linked(hashOf[1007], b);
        got = keccak256(headers[N - 3]);
        refusal = abi.encodeWithSelector(IChainHistory.NotTheParent.selector, N - 3, hashOf[1008], got);
        refused(refusal, 1, headers, 7, evidence);
    }

    function test_headers_out_of_order_or_with_a_gap() public {
        mineTo(1010);
        Evidence memory evidence = honest(1, 7);
        bytes[] memory headers = windowOf(1);
        (headers[1], headers[2]) = (headers[2], headers[1]);
        bytes memory refusal =
            abi.encodeWithSelector(IChainHistory.NotTheParent.selector, 2, hashOf[1009], hashOf[1008]);
        refused(refusal, 1, headers, 7, evidence);

        headers = windowOf(1);
        headers[1] = headerOf(1006); // and not 1008
        headers[2] = headerOf(1009);
        refusal = abi.encodeWithSelector(IChainHistory.NotTheParent.selector, 1, hashOf[1008], hashOf[1006]);
        refused(refusal, 1, headers, 7, evidence);

        headers = headersOf(1010, N - 1); // the oldest is missing
        refusal = abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 1007);
        refused(refusal, 1, headers, 7, evidence);
    }

    /// Its own proof for a round of the past, with that round's blocks, is none for this round.
    function test_an_old_window_presented_as_new() public {
        mineTo(1010);
        submit(1, 7);
        mineTo(1015);
        Evidence memory old = honest(1, 7);
        uint256 context = registry.inferenceContextOf(model, address(feed), 2);
        refused(
            abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context), 2, windowOf(2), 7, sameValues(old, 2)
        );
        // A new proof over the old window.
        int256[] memory features = featuresOf(1);
        Evidence memory evidence = proofOf(model, modelState, address(feed), 2, features, 7);
        bytes memory refusal =
            abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 0, featuresOf(2)[0], features[0]);
        refused(refusal, 2, windowOf(2), 7, evidence);
        // The old blocks are no window of round 2.
        refusal = abi.encodeWithSelector(IChainHistory.BlockNotRecorded.selector, 1012);
        refused(refusal, 2, windowOf(1), 7, evidence);
    }

    /// An old proof with the public values that the new round must have.
    function sameValues(Evidence memory evidence, uint256 round) private view returns (Evidence memory) {
        int256[] memory features = featuresOf(round);
        for (uint256 k; k < FEATURES; ++k) {
            evidence.publicValues[k] = toField(features[k]);
        }
        return evidence;
    }

    function test_a_proof_of_another_model() public {
        mineTo(1010);
        bytes[] memory headers = windowOf(1);
        Evidence memory evidence = proofOf(model, state(3), address(feed), 1, featuresOf(1), 7);
        bytes memory refusal = abi.encodeWithSelector(
            IModelRegistry.StateDiffers.selector, name(modelState), name(state(3))
        );
        refused(refusal, 1, headers, 7, evidence);
        evidence = proofOf(model + 1, modelState, address(feed), 1, featuresOf(1), 7);
        uint256 context = registry.inferenceContextOf(model, address(feed), 1);
        refused(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context), 1, headers, 7, evidence);
    }

    function test_a_proof_for_another_feed() public {
        mineTo(1010);
        FeedTerms memory t = terms();
        t.description = "another";
        GasFeed other = new GasFeed(t, history, N);
        Evidence memory evidence = proofOf(model, modelState, address(other), 1, featuresOf(1), 7);
        uint256 context = registry.inferenceContextOf(model, address(feed), 1);
        refused(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context), 1, windowOf(1), 7, evidence);
        other.submit(1, windowOf(1), only(7), evidence);
    }

    function test_a_spoiled_proof_and_a_changed_output() public {
        mineTo(1010);
        Evidence memory evidence = honest(1, 7);
        bytes memory refusal =
            abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, int256(8), int256(7));
        refused(refusal, 1, windowOf(1), 8, evidence);
        spoil(evidence);
        (bool ok,) = address(feed).call(abi.encodeCall(GasFeed.submit, (1, windowOf(1), only(7), evidence)));
        assertTrue(!ok, "spoiled");
        assertEq(feed.status().latest.round, 0);
    }

    function test_an_answer_beyond_the_bounds_is_refused_and_never_clamped() public {
        FeedTerms memory t = terms();
        mineTo(1010);
        int256 fee = int256(uint256(blockOf[1010].baseFee));
        (t.minAnswer, t.maxAnswer) = (int128(fee - 1), int128(fee + 1));
        feed = new GasFeed(t, history, N);
        int256 above = fee + fee / ONE;
        refused(
            abi.encodeWithSelector(IProvenFeed.AnswerOutOfBounds.selector, above, fee - 1, fee + 1),
            1,
            windowOf(1),
            1,
            honest(1, 1)
        );
        int256 below = fee - fee / ONE;
        refused(
            abi.encodeWithSelector(IProvenFeed.AnswerOutOfBounds.selector, below, fee - 1, fee + 1),
            1,
            windowOf(1),
            -1,
            honest(1, -1)
        );
        submit(1, 0);
    }

    // --- the breaker ---

    function trip() private returns (int256 held) {
        mineTo(1010);
        submit(1, 0);
        held = answerOf(1, 0);
        mineTo(1015);
        int256 output = outputFor(2, held * 2);
        uint256 allowed = uint256(held) / 2 + 10;
        vm.expectEmit(true, true, true, true, address(feed));
        emit BreakerTripped(2, held, answerOf(2, output), allowed);
        submit(2, output);
    }

    function test_a_jump_beyond_the_breaker_trips_and_holds() public {
        int256 held = trip();
        FeedStatus memory s = feed.status();
        assertTrue(s.tripped && s.latest.round == 1, "held");
        assertEq(s.latest.value, held);
        (, int256 answer,, uint256 updatedAt,) = feed.latestRoundData();
        assertEq(answer, held);
        assertEq(updatedAt, blockOf[1010].timestamp);
        (,, uint256 code) = feed.valueFor(feed.feedId());
        assertEq(code, 404);
        mineTo(1020);
        refused(abi.encodeWithSelector(IProvenFeed.FeedTripped.selector, 1), 3, windowOf(3), 0, honest(3, 0));
    }

    function test_a_jump_up_to_the_breaker_is_an_answer() public {
        mineTo(1010);
        submit(1, 0);
        mineTo(1015);
        int256 held = answerOf(1, 0);
        int256 output = outputFor(2, held * 3 / 2 - held / 1000);
        submit(2, output);
        assertTrue(!feed.status().tripped && feed.status().latest.round == 2, "stored");
    }

    /// What may happen in one round may happen in each of those that were missed.
    function test_missed_rounds_widen_the_breaker_and_are_announced() public {
        mineTo(1010);
        submit(1, 0);
        mineTo(1020);
        int256 output = outputFor(3, answerOf(1, 0) * 19 / 10);
        vm.expectEmit(true, true, true, true, address(feed));
        emit RoundsMissed(2, 2);
        submit(3, output);
        assertTrue(!feed.status().tripped && feed.status().latest.round == 3, "stored");
    }

    function test_reset_needs_the_timelock_and_the_next_answer_is_compared_with_none() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.FeedNotTripped.selector));
        feed.announceReset();
        int256 held = trip();
        vm.prank(owner);
        bytes32 change = feed.announceReset();
        (uint256 readyAt,) = feed.changeOf(change);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ChangeNotReady.selector, change, readyAt));
        feed.reset();
        vm.warp(readyAt);
        vm.prank(owner);
        feed.reset();
        assertTrue(!feed.status().tripped, "reset");
        mineTo(1020);
        submit(3, outputFor(3, held * 5));
        assertTrue(!feed.status().tripped && feed.status().latest.round == 3, "no anchor");
        mineTo(1025);
        submit(4, 0);
        assertTrue(feed.status().tripped, "anchored again");
    }

    // --- cadence ---

    function test_a_submission_off_cadence() public {
        mineTo(1009);
        bytes[] memory none = new bytes[](0);
        Evidence memory empty;
        refused(abi.encodeWithSelector(IProvenFeed.RoundNotDue.selector, 1, 1010, 1010), 1, none, 0, empty);
        mineTo(1010);
        submit(1, 0);
        refused(abi.encodeWithSelector(IProvenFeed.RoundNotNew.selector, 1, 1), 1, windowOf(1), 0, honest(1, 0));
        refused(abi.encodeWithSelector(IProvenFeed.RoundNotKept.selector, 0), 0, none, 0, empty);
        refused(abi.encodeWithSelector(IProvenFeed.RoundNotDue.selector, 2, 1015, 1011), 2, none, 0, empty);
        uint256 last = feed.lastBlockOf(2);
        assertEq(last, 1015 + HORIZON + GRACE);
        mineTo(last - 1);
        feed.requireOpen(2); // in the last block of all
        mineTo(last);
        refused(
            abi.encodeWithSelector(IProvenFeed.RoundExpired.selector, 2, last, last + 1), 2, windowOf(2), 0, honest(2, 0)
        );
        submit(3, 0);
        refused(abi.encodeWithSelector(IProvenFeed.RoundExpired.selector, 2, last, last + 1), 2, none, 0, empty);
    }

    function test_an_earlier_round_that_is_still_open_comes_too_late() public {
        mineTo(1015);
        submit(2, 0);
        refused(abi.encodeWithSelector(IProvenFeed.RoundNotNew.selector, 1, 2), 1, windowOf(1), 0, honest(1, 0));
    }

    function testFuzz_current_round_is_the_newest_complete_one(uint256 number) public {
        number = bound(number, 1000, 1e9);
        vm.roll(number);
        uint256 round = feed.currentRound();
        assertTrue(round == 0 ? number <= 1010 : feed.windowEnd(round) < number, "complete");
        assertTrue(feed.windowEnd(round + 1) >= number, "the newest");
    }

    // --- deployment ---

    function invalid(FeedTerms memory t, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.TermsInvalid.selector, field));
        new GasFeed(t, history, N);
    }

    function test_constructor_rejects_terms_that_make_no_feed() public {
        FeedTerms memory t = terms();
        t.cadence = 0;
        invalid(t, "cadence");
        t = terms();
        t.firstBlock = 0;
        invalid(t, "firstBlock");
        t.firstBlock = uint64(N - 2);
        invalid(t, "firstBlock");
        t = terms();
        (t.horizon, t.grace) = (0, 0);
        invalid(t, "grace");
        t = terms();
        t.staleSeconds = 0;
        invalid(t, "staleSeconds");
        t = terms();
        t.pauseSeconds = 0;
        invalid(t, "pauseSeconds");
        t = terms();
        t.timelockSeconds = 59; // announced and made at once, or nearly
        invalid(t, "timelockSeconds");
        t.timelockSeconds = 60;
        assertEq(new GasFeed(t, history, N).timelockSeconds(), 60);
        t = terms();
        t.minAnswer = HIGH + 1;
        invalid(t, "minAnswer");
        t = terms();
        t.commitmentHash = "another";
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.NotThePinnedModel.selector, bytes32("another"), pin));
        new GasFeed(t, history, N);
        t = terms();
        vm.expectRevert(abi.encodeWithSelector(IProvenFeed.ModelShapeDiffers.selector, bytes32("features"), 9, 7));
        new GasFeed(t, history, N + 1);
    }

    function test_a_block_without_a_base_fee_is_no_input() public {
        mineTo(1009);
        mine(0, 0);
        bytes[] memory headers = windowOf(1);
        Evidence memory empty;
        refused(abi.encodeWithSelector(GasFeatures.BaseFeeIsZero.selector, 1010), 1, headers, 0, empty);
    }
}
