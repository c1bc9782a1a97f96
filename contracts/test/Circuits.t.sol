// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec, CircuitStatus, Claim, Evidence, ICircuits, Prover} from "../src/interfaces/ICircuits.sol";
import {Commitment} from "../src/libraries/Commitment.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {Fixture} from "./utils/Fixture.sol";
import {ConstantVerifier, WritingVerifier} from "./utils/MockVerifiers.sol";

/// @dev Evidence is made before `expectRevert`: making it calls precompiles, which would count as the
/// call that must revert.
contract CircuitsTest is Fixture {
    uint256 private constant CONTEXT = 0x1234;

    function good() private view returns (Evidence memory) {
        return stepEvidence(CONTEXT, "in", "batch", "out");
    }

    function refuse(bytes memory reason, Evidence memory evidence) private {
        vm.expectRevert(reason);
        circuits.check(step, CONTEXT, evidence);
    }

    function refuseSpec(CircuitSpec memory spec, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.SpecInvalid.selector, field));
        circuits.register(spec);
    }

    // --- check ---

    function test_check_names_the_tensors_of_a_step() public view {
        Claim memory claim = circuits.check(step, CONTEXT, good());
        assertEq(claim.stateIn, tensorHash("in"));
        assertEq(claim.batch, tensorHash("batch"));
        assertEq(claim.stateOut, tensorHash("out"));
    }

    function test_check_names_the_tensors_of_a_range_proof() public view {
        Claim memory claim = circuits.check(range, 0, rangeEvidence("state", "batch"));
        assertEq(claim.stateIn, tensorHash("state"));
        assertEq(claim.batch, tensorHash("batch"));
        assertEq(claim.stateOut, bytes32(0));
    }

    function test_check_names_the_state_of_an_inference() public view {
        Claim memory claim = circuits.check(inference, 7, inferenceEvidence(7, "state", new uint256[](3)));
        assertEq(claim.stateIn, tensorHash("state"));
        assertEq(claim.batch | claim.stateOut, bytes32(0));
    }

    /// Slot 3 is the prover's own: what stands there changes nothing that a step claims.
    function testFuzz_check_reads_no_hints(bytes32 hints_) public view {
        Evidence memory evidence = stepEvidence(CONTEXT, "in", "batch", hints_, "out");
        assertEq(
            keccak256(abi.encode(circuits.check(step, CONTEXT, evidence))),
            keccak256(abi.encode(circuits.check(step, CONTEXT, good())))
        );
    }

    function test_check_names_what_stands_behind_the_hints_as_the_state_out() public view {
        Claim memory claim = circuits.check(step, CONTEXT, stepEvidence(CONTEXT, "in", "batch", "out", "hints"));
        assertEq(claim.stateOut, tensorHash("hints"));
    }

    function test_claimOf_agrees_with_check() public view {
        assertEq(
            keccak256(abi.encode(circuits.claimOf(step, good().proof))),
            keccak256(abi.encode(circuits.check(step, CONTEXT, good())))
        );
    }

    function test_claimOf_rejects_a_short_proof() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofLength.selector, PROOF_LENGTH, 64));
        circuits.claimOf(step, new bytes(64));
    }

    function test_check_accepts_a_dedicated_verifier() public {
        CircuitId id = circuits.register(dedicatedSpec());
        Evidence memory evidence = good();
        evidence.vka = new bytes32[](0);
        assertEq(circuits.check(id, CONTEXT, evidence).stateOut, tensorHash("out"));
    }

    function test_check_rejects_a_vka_for_a_dedicated_verifier() public {
        CircuitId id = circuits.register(dedicatedSpec());
        bytes32 got = keccak256(abi.encodePacked(vka));
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.VkaMismatch.selector, bytes32(0), got));
        circuits.check(id, CONTEXT, evidence);
    }

    function test_check_rejects_a_bad_proof_of_a_dedicated_verifier() public {
        CircuitId id = circuits.register(dedicatedSpec());
        Evidence memory evidence = good();
        evidence.vka = new bytes32[](0);
        spoil(evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, evidence);
    }

    function test_check_rejects_a_bad_proof() public {
        Evidence memory evidence = good();
        spoil(evidence);
        refuse(abi.encodeWithSelector(ICircuits.ProofRejected.selector, step), evidence);
    }

    function test_check_rejects_another_context() public {
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, CONTEXT + 1));
        circuits.check(step, CONTEXT + 1, evidence);
    }

    function test_check_rejects_a_context_plus_the_group_order() public {
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, CONTEXT + Fixed.R));
        circuits.check(step, CONTEXT + Fixed.R, evidence);
    }

    function testFuzz_check_binds_the_context(uint256 proven, uint256 wanted) public {
        proven >>= 8;
        vm.assume(proven != wanted);
        Evidence memory evidence = stepEvidence(proven, "in", "batch", "out");
        circuits.check(step, proven, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, wanted));
        circuits.check(step, wanted, evidence);
    }

    function test_check_rejects_a_context_for_a_range_proof() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, 1));
        circuits.check(range, 1, rangeEvidence("state", "batch"));
    }

    function test_check_rejects_a_proof_of_another_length() public {
        Evidence memory evidence = good();
        evidence.proof = bytes.concat(evidence.proof, bytes32(0));
        refuse(abi.encodeWithSelector(ICircuits.ProofLength.selector, PROOF_LENGTH, PROOF_LENGTH + 32), evidence);
    }

    function test_check_rejects_another_number_of_public_values() public {
        Evidence memory evidence = good();
        evidence.publicValues = new uint256[](1);
        refuse(abi.encodeWithSelector(ICircuits.PublicValueCount.selector, 0, 1), evidence);
    }

    function test_check_rejects_a_value_outside_the_field() public {
        uint256[] memory values = new uint256[](3);
        values[2] = Fixed.R;
        Evidence memory evidence = inferenceEvidence(7, "state", values);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ValueNotInField.selector, 2));
        circuits.check(inference, 7, evidence);
        evidence.publicValues[2] = Fixed.R - 1;
        circuits.check(inference, 7, evidence);
    }

    function test_check_rejects_another_verifying_key() public {
        Evidence memory evidence = good();
        evidence.vka[1] = "another";
        refuse(
            abi.encodeWithSelector(
                ICircuits.VkaMismatch.selector,
                keccak256(abi.encodePacked(vka)),
                keccak256(abi.encodePacked(evidence.vka))
            ),
            evidence
        );
    }

    function test_check_rejects_changed_verifier_code() public {
        bytes32 expected = address(reusable).codehash;
        vm.etch(address(reusable), address(dedicated).code);
        refuse(
            abi.encodeWithSelector(ICircuits.VerifierChanged.selector, expected, address(reusable).codehash), good()
        );
    }

    function test_check_rejects_an_unknown_circuit() public {
        CircuitId unknown = CircuitId.wrap("unknown");
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitUnknown.selector, unknown));
        circuits.check(unknown, CONTEXT, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitUnknown.selector, unknown));
        circuits.spec(unknown);
    }

    /// The caller of `check` may use any encoding that Solidity decodes: the verifier gets the canonical one.
    function test_check_sends_canonical_calldata_to_the_verifier() public view {
        Evidence memory evidence = good();
        bytes memory call = abi.encodeCall(ICircuits.check, (step, CONTEXT, evidence));
        // A gap of one word before the evidence's tails: each relative offset grows by 32.
        bytes memory gapped = new bytes(call.length + 32);
        uint256 head = 4 + 3 * 32 + 3 * 32;
        for (uint256 k; k < call.length; ++k) {
            gapped[k < head ? k : k + 32] = call[k];
        }
        for (uint256 k; k < 3; ++k) {
            uint256 place = 4 + 3 * 32 + 32 * k + 32;
            assembly ("memory-safe") {
                let p := add(gapped, place)
                mstore(p, add(mload(p), 32))
            }
        }
        (bool ok, bytes memory answer) = address(circuits).staticcall(gapped);
        assertTrue(ok, "gapped encoding decodes to the same evidence");
        assertEq(abi.decode(answer, (Claim)).stateOut, tensorHash("out"));
    }

    // --- answers of verifiers ---

    function answering(bytes memory answer, Prover prover) private returns (CircuitId) {
        address verifier = address(new ConstantVerifier(answer));
        CircuitSpec memory spec = prover == Prover.EzklReusable ? stepSpec() : dedicatedSpec();
        spec.verifier = verifier;
        spec.verifierCodeHash = verifier.codehash;
        return circuits.register(spec);
    }

    function refuseAnswer(bytes memory answer, Prover prover) private {
        CircuitId id = answering(answer, prover);
        Evidence memory evidence = good();
        if (prover == Prover.EzklDedicated) evidence.vka = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, evidence);
    }

    function test_check_rejects_wrong_answers_of_a_reusable_verifier() public {
        bytes32 digest = keccak256(abi.encodePacked(vka));
        circuits.check(answering(abi.encode(1, digest, 0), Prover.EzklReusable), CONTEXT, good());
        refuseAnswer("", Prover.EzklReusable);
        refuseAnswer(abi.encode(1), Prover.EzklReusable);
        refuseAnswer(abi.encode(0, digest), Prover.EzklReusable);
        refuseAnswer(abi.encode(2, digest), Prover.EzklReusable);
        refuseAnswer(abi.encode(1, keccak256("another key")), Prover.EzklReusable);
    }

    function test_check_rejects_wrong_answers_of_a_dedicated_verifier() public {
        refuseAnswer("", Prover.EzklDedicated);
        refuseAnswer(abi.encode(0), Prover.EzklDedicated);
        refuseAnswer(abi.encode(2), Prover.EzklDedicated);
        refuseAnswer(abi.encode(1, 1), Prover.EzklDedicated);
        refuseAnswer(hex"01", Prover.EzklDedicated);
    }

    function test_check_calls_verifiers_without_letting_them_write() public {
        CircuitSpec memory spec = dedicatedSpec();
        spec.verifier = address(new WritingVerifier());
        spec.verifierCodeHash = spec.verifier.codehash;
        CircuitId id = circuits.register(spec);
        Evidence memory evidence = good();
        evidence.vka = new bytes32[](0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, evidence);
    }

    // --- registration ---

    function test_register_is_content_addressed_and_idempotent() public {
        assertTrue(circuits.register(stepSpec()) == step, "same id");
        assertTrue(circuits.circuitIdOf(stepSpec()) == step, "same id");
        assertEq(circuits.spec(step).stepsPerProof, 8);
        vm.chainId(5);
        assertTrue(circuits.circuitIdOf(stepSpec()) == step, "on every chain");
    }

    function test_register_gives_another_spec_another_id() public {
        CircuitSpec memory spec = stepSpec();
        spec.fractionBits = 13;
        assertTrue(circuits.register(spec) != step, "another id");
    }

    function test_register_rejects_other_verifier_code() public {
        CircuitSpec memory spec = stepSpec();
        spec.verifierCodeHash = "another";
        vm.expectRevert(
            abi.encodeWithSelector(
                ICircuits.VerifierChanged.selector, bytes32("another"), address(reusable).codehash
            )
        );
        circuits.register(spec);
    }

    function test_register_rejects_an_account_without_code() public {
        CircuitSpec memory spec = stepSpec();
        spec.verifier = stranger;
        spec.verifierCodeHash = stranger.codehash;
        refuseSpec(spec, "verifier");
    }

    function test_register_rejects_malformed_specs() public {
        CircuitSpec memory spec = stepSpec();
        spec.vkaDigest = 0;
        refuseSpec(spec, "vkaDigest");
        spec = dedicatedSpec();
        spec.vkaDigest = "digest";
        refuseSpec(spec, "vkaDigest");
        spec = stepSpec();
        spec.vkHash = 0;
        refuseSpec(spec, "vkHash");
        spec = stepSpec();
        spec.proofLength = PROOF_LENGTH + 1;
        refuseSpec(spec, "proofLength");
        spec = stepSpec();
        spec.publicValues = 1;
        refuseSpec(spec, "publicValues");
        spec = inferenceSpec();
        spec.features = 3;
        refuseSpec(spec, "publicValues");
        spec = inferenceSpec();
        (spec.features, spec.outputs) = (0, 3);
        refuseSpec(spec, "features");
        (spec.features, spec.outputs) = (3, 0);
        refuseSpec(spec, "outputs");
        spec = stepSpec();
        (spec.features, spec.publicValues) = (1, 1);
        refuseSpec(spec, "features");
        spec = stepSpec();
        spec.stepsPerProof = 0;
        refuseSpec(spec, "stepsPerProof");
        spec = rangeSpec();
        spec.stepsPerProof = 1;
        refuseSpec(spec, "stepsPerProof");
    }

    /// A proof that ends before its last slot has no state out, whatever its circuit says.
    function test_register_takes_no_proof_shorter_than_its_slots() public {
        CircuitSpec[3] memory specs = [stepSpec(), rangeSpec(), inferenceSpec()];
        uint32[3] memory slots = [uint32(5), 4, 4];
        for (uint256 k; k < 3; ++k) {
            specs[k].proofLength = slots[k] * uint32(Commitment.SIZE) - 32;
            refuseSpec(specs[k], "proofLength");
            specs[k].proofLength += 32;
            circuits.register(specs[k]);
        }
    }

    function refuseOpening(CircuitSpec memory spec) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.OpeningInvalid.selector, spec.opening));
        circuits.register(spec);
    }

    function test_register_rejects_an_opening_that_binds_nothing() public {
        CircuitSpec memory spec = stepSpec();
        (spec.opening[0], spec.opening[1]) = (0, 0);
        refuseOpening(spec);
        spec = stepSpec();
        spec.opening[1] = 3; // not on the curve
        refuseOpening(spec);
        spec = stepSpec();
        spec.opening[2] = 1; // not on the curve
        refuseOpening(spec);
        spec = stepSpec();
        spec.opening[0] += 21888242871839275222246405745257275088696311157297823662689037894645226208583;
        refuseOpening(spec); // the same point by a second encoding
        spec = rangeSpec();
        spec.opening[3] = 1;
        refuseOpening(spec);
    }

    // --- retirement ---

    function test_retire_blocks_new_use_and_keeps_history() public {
        circuits.retire(step);
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, step));
        circuits.check(step, CONTEXT, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, step));
        circuits.claimOf(step, evidence.proof);
        assertEq(circuits.spec(step).stepsPerProof, 8);
        assertTrue(circuits.statusOf(step) == CircuitStatus.Retired, "retired");
    }

    function test_retire_is_for_registrants_only() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.NotRegistrant.selector, step, stranger));
        vm.prank(stranger);
        circuits.retire(step);
    }

    function test_retire_is_one_way() public {
        circuits.retire(step);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.AlreadyRetired.selector, step, address(this)));
        circuits.retire(step);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.AlreadyRetired.selector, step, address(this)));
        circuits.register(stepSpec());
    }

    /// Registering and retiring before others does not keep a circuit from them.
    function test_retire_by_a_front_runner_does_not_block_registration() public {
        circuits.retire(step);
        vm.prank(sponsor);
        circuits.register(stepSpec());
        assertTrue(circuits.statusOf(step) == CircuitStatus.Live, "live");
        circuits.check(step, CONTEXT, good());
    }

    /// Being first gives no power over others: a front-runner can't retire what others stand behind.
    function test_retire_leaves_a_circuit_that_others_registered() public {
        vm.prank(sponsor);
        circuits.register(stepSpec());
        circuits.retire(step);
        assertTrue(circuits.statusOf(step) == CircuitStatus.Live, "live");
        assertTrue(circuits.registrationOf(step, address(this)) == CircuitStatus.Retired, "mine");
        circuits.check(step, CONTEXT, good());
        vm.prank(sponsor);
        circuits.retire(step);
        assertTrue(circuits.statusOf(step) == CircuitStatus.Retired, "retired");
    }
}
