// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BlockClaim,
    CircuitId,
    CircuitSpec,
    Claim,
    Evidence,
    ICircuits,
    Role
} from "../src/interfaces/ICircuits.sol";
import {IHonkVerifier} from "../src/interfaces/IHonkVerifier.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {HashWords} from "../src/libraries/HashWords.sol";
import {HonkFixture} from "./utils/HonkFixture.sol";
import {
    ConstantVerifier,
    MockHonkVerifier,
    MockPointVerifier,
    WritingVerifier
} from "./utils/MockVerifiers.sol";
import {written} from "./utils/Written.sol";

/// @dev The gateway's rules for UltraHonk proofs.
contract HonkTest is HonkFixture {
    uint256 private constant CONTEXT = 0x1234;

    function good() private pure returns (Evidence memory) {
        return honkStepEvidence(CONTEXT, "in", "batch", "out");
    }

    function refuse(bytes memory reason, Evidence memory evidence) private {
        vm.expectRevert(reason);
        circuits.check(honkStep, CONTEXT, evidence);
    }

    function refuseSpec(CircuitSpec memory spec, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuits.SpecInvalid.selector, field));
        circuits.register(spec);
    }

    function pointSpec(address verifier) private view returns (CircuitSpec memory spec) {
        spec = honkStepSpec();
        (spec.verifier, spec.verifierCodeHash, spec.production) = (verifier, verifier.codehash, true);
    }

    // --- check ---

    function test_check_names_the_tensors_by_their_words() public view {
        Claim memory claim = circuits.check(honkStep, CONTEXT, good());
        assertEq(claim.stateIn, name("in"));
        assertEq(claim.batch, name("batch"));
        assertEq(claim.stateOut, name("out"));
        assertEq(
            keccak256(abi.encode(circuits.claimOf(honkStep, good().proof))), keccak256(abi.encode(claim))
        );
    }

    function test_check_names_the_state_of_an_inference() public view {
        Claim memory claim = circuits.check(honkInference, 7, honkInferenceEvidence(7, "w", new uint256[](3)));
        assertEq(claim.stateIn, name("w"));
        assertEq(claim.batch | claim.stateOut, bytes32(0));
    }

    function testFuzz_check_binds_the_context(uint256 proven, uint256 wanted) public {
        (proven, wanted) = (proven % Fixed.R, wanted);
        vm.assume(proven != wanted);
        Evidence memory evidence = honkStepEvidence(proven, "in", "batch", "out");
        circuits.check(honkStep, proven, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, wanted));
        circuits.check(honkStep, wanted, evidence);
    }

    /// A word and the same word plus R are one public input to a verifier that reduces.
    function test_check_rejects_a_second_encoding_of_each_word() public {
        for (uint256 k; k < 4; ++k) {
            Evidence memory evidence = good();
            uint256 context = CONTEXT;
            bytes32 w = k == 0 ? bytes32(CONTEXT) : [word("in"), word("batch"), word("out")][k - 1];
            replaceWord(evidence.proof, k, bytes32(uint256(w) + Fixed.R));
            if (k == 0) context += Fixed.R;
            vm.expectRevert(abi.encodeWithSelector(ICircuits.WordNotInField.selector, k));
            circuits.check(honkStep, context, evidence);
        }
    }

    function test_check_takes_the_largest_field_element_and_not_the_order() public {
        Evidence memory evidence = good();
        replaceWord(evidence.proof, 2, bytes32(Fixed.R - 1));
        circuits.check(honkStep, CONTEXT, evidence);
        replaceWord(evidence.proof, 2, bytes32(Fixed.R));
        refuse(abi.encodeWithSelector(ICircuits.WordNotInField.selector, 2), evidence);
    }

    function test_check_rejects_public_values_outside_the_field_or_too_many() public {
        Evidence memory evidence = honkInferenceEvidence(7, "w", new uint256[](3));
        evidence.publicValues[1] = Fixed.R;
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ValueNotInField.selector, 1));
        circuits.check(honkInference, 7, evidence);
        evidence = good();
        evidence.publicValues = new uint256[](1);
        refuse(abi.encodeWithSelector(ICircuits.PublicValueCount.selector, 0, 1), evidence);
    }

    function test_check_rejects_a_bad_proof_another_length_and_a_vka() public {
        Evidence memory evidence = good();
        spoil(evidence);
        refuse(abi.encodeWithSelector(ICircuits.ProofRejected.selector, honkStep), evidence);
        uint256 length = 4 * 32 + ARGUMENT;
        evidence = good();
        evidence.proof = bytes.concat(evidence.proof, bytes32(0));
        refuse(abi.encodeWithSelector(ICircuits.ProofLength.selector, length, length + 32), evidence);
        evidence = good();
        evidence.vka = vka;
        refuse(
            abi.encodeWithSelector(
                ICircuits.VkaMismatch.selector, bytes32(0), keccak256(abi.encodePacked(vka))
            ),
            evidence
        );
    }

    function test_check_rejects_changed_verifier_code() public {
        address verifier = honkStepSpec().verifier;
        bytes32 expected = verifier.codehash;
        vm.etch(verifier, address(dedicated).code);
        refuse(
            abi.encodeWithSelector(ICircuits.VerifierChanged.selector, expected, address(dedicated).codehash),
            good()
        );
    }

    /// The verifier gets the words and the values as public inputs and only its own proof as the proof:
    /// a mock that wants another number of inputs refuses.
    function test_check_gives_the_verifier_words_and_values_as_public_inputs() public {
        for (uint256 inputs = 3; inputs < 6; ++inputs) {
            CircuitSpec memory spec = honkStepSpec();
            spec.verifier = address(new MockHonkVerifier(inputs));
            spec.verifierCodeHash = spec.verifier.codehash;
            CircuitId id = circuits.register(spec);
            if (inputs != 4) vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
            circuits.check(id, CONTEXT, good());
        }
    }

    function answering(bytes memory answer) private returns (CircuitId) {
        CircuitSpec memory spec = honkStepSpec();
        spec.verifier = address(new ConstantVerifier(answer));
        spec.verifierCodeHash = spec.verifier.codehash;
        // All answer with the same code: told apart by their keys.
        spec.vkHash = keccak256(answer);
        return circuits.register(spec);
    }

    function test_check_takes_one_word_equal_to_one_as_the_verdict() public {
        circuits.check(answering(abi.encode(1)), CONTEXT, good());
        bytes[6] memory answers = [
            bytes(""),
            abi.encode(0),
            abi.encode(2),
            abi.encode(1, 1),
            bytes(hex"01"),
            bytes.concat(abi.encode(1), hex"00")
        ];
        for (uint256 k; k < answers.length; ++k) {
            CircuitId id = answering(answers[k]);
            vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
            circuits.check(id, CONTEXT, good());
        }
    }

    function test_check_calls_verifiers_without_letting_them_write() public {
        CircuitSpec memory spec = honkStepSpec();
        spec.verifier = address(new WritingVerifier());
        spec.verifierCodeHash = spec.verifier.codehash;
        CircuitId id = circuits.register(spec);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, id));
        circuits.check(id, CONTEXT, good());
    }

    // --- aggregates ---

    function several(uint256[] memory contexts) private pure returns (Evidence memory) {
        bytes memory words = abi.encode(word("s0"));
        for (uint256 k; k < PER_AGGREGATE; ++k) {
            words =
                bytes.concat(words, abi.encode(contexts[k], word(batch(k)), word(keccak256(abi.encode(k)))));
        }
        return honkEvidence(words, new uint256[](0));
    }

    function someContexts() private pure returns (uint256[] memory contexts) {
        contexts = new uint256[](PER_AGGREGATE);
        for (uint256 k; k < PER_AGGREGATE; ++k) {
            contexts[k] = 100 + k;
        }
    }

    function test_claimsOf_names_every_block() public view {
        Evidence memory evidence = several(someContexts());
        (bytes32 stateIn, BlockClaim[] memory blocks) = circuits.claimsOf(aggregate, evidence.proof);
        assertEq(
            keccak256(abi.encode(circuits.checkBlocks(aggregate, name("s0"), someContexts(), evidence))),
            keccak256(abi.encode(blocks))
        );
        assertEq(stateIn, name("s0"));
        assertEq(blocks.length, PER_AGGREGATE);
        for (uint256 k; k < PER_AGGREGATE; ++k) {
            assertEq(blocks[k].batch, name(batch(k)));
            assertEq(blocks[k].stateOut, name(keccak256(abi.encode(k))));
        }
    }

    function testFuzz_checkBlocks_binds_every_context(uint256 k, uint256 other) public {
        k = k % PER_AGGREGATE;
        uint256[] memory contexts = someContexts();
        vm.assume(other != contexts[k]);
        Evidence memory evidence = several(contexts);
        circuits.checkBlocks(aggregate, name("s0"), contexts, evidence);
        contexts[k] = other;
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, other));
        circuits.checkBlocks(aggregate, name("s0"), contexts, evidence);
    }

    function test_checkBlocks_rejects_another_state_in_before_it_verifies() public {
        Evidence memory evidence = several(someContexts());
        spoil(evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.StateInMismatch.selector, name("other"), name("s0")));
        circuits.checkBlocks(aggregate, name("other"), someContexts(), evidence);
    }

    function test_checkBlocks_wants_a_context_for_each_block() public {
        uint256[] memory contexts = someContexts();
        Evidence memory evidence = several(contexts);
        for (uint256 n = PER_AGGREGATE - 1; n < PER_AGGREGATE + 2; n += 2) {
            vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextCount.selector, PER_AGGREGATE, n));
            circuits.checkBlocks(aggregate, name("s0"), new uint256[](n), evidence);
        }
    }

    function testFuzz_checkBlocks_rejects_words_outside_the_field(uint256 k) public {
        k = k % AGGREGATE_WORDS;
        uint256[] memory contexts = someContexts();
        Evidence memory evidence = several(contexts);
        replaceWord(evidence.proof, k, bytes32(Fixed.R));
        if (k % 3 == 1) contexts[k / 3] = Fixed.R;
        bytes32 stateIn = k == 0 ? keccak256(abi.encode(Fixed.R)) : name("s0");
        vm.expectRevert(abi.encodeWithSelector(ICircuits.WordNotInField.selector, k));
        circuits.checkBlocks(aggregate, stateIn, contexts, evidence);
    }

    function test_checkBlocks_rejects_a_bad_proof_and_another_length() public {
        uint256[] memory contexts = someContexts();
        Evidence memory evidence = several(contexts);
        spoil(evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, aggregate));
        circuits.checkBlocks(aggregate, name("s0"), contexts, evidence);
        uint256 length = 32 * AGGREGATE_WORDS + ARGUMENT;
        evidence.proof = bytes.concat(evidence.proof, bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofLength.selector, length, length + 32));
        circuits.checkBlocks(aggregate, name("s0"), contexts, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofLength.selector, length, length + 32));
        circuits.claimsOf(aggregate, evidence.proof);
    }

    function test_aggregates_and_others_are_not_taken_for_one_another() public {
        uint256[] memory contexts = someContexts();
        Evidence memory evidence = several(contexts);
        bytes memory mismatch =
            abi.encodeWithSelector(ICircuits.RoleMismatch.selector, aggregate, Role.Aggregate);
        vm.expectRevert(mismatch);
        circuits.check(aggregate, contexts[0], evidence);
        vm.expectRevert(mismatch);
        circuits.claimOf(aggregate, evidence.proof);
        evidence = good();
        mismatch = abi.encodeWithSelector(ICircuits.RoleMismatch.selector, honkStep, Role.Step);
        vm.expectRevert(mismatch);
        circuits.checkBlocks(honkStep, name("s0"), contexts, evidence);
        vm.expectRevert(mismatch);
        circuits.claimsOf(honkStep, evidence.proof);
    }

    // --- block proofs ---

    function test_checkBlock_agrees_with_check() public view {
        BlockClaim memory said = circuits.checkBlock(honkStep, name("in"), CONTEXT, good());
        Claim memory claim = circuits.check(honkStep, CONTEXT, good());
        assertEq(said.batch, claim.batch);
        assertEq(said.stateOut, claim.stateOut);
        uint256 context = 77;
        Evidence memory evidence = stepEvidence(context, "in", "batch", "out");
        said = circuits.checkBlock(step, tensorHash("in"), context, evidence);
        claim = circuits.check(step, context, evidence);
        assertEq(said.batch, claim.batch);
        assertEq(said.stateOut, claim.stateOut);
    }

    function test_checkBlock_takes_no_other_role() public {
        Evidence memory evidence = honkInferenceEvidence(CONTEXT, "a", new uint256[](3));
        vm.expectRevert(abi.encodeWithSelector(ICircuits.RoleMismatch.selector, honkInference, Role.Inference));
        circuits.checkBlock(honkInference, name("a"), CONTEXT, evidence);
        evidence = rangeEvidence("a", "b");
        vm.expectRevert(abi.encodeWithSelector(ICircuits.RoleMismatch.selector, range, Role.Range));
        circuits.checkBlock(range, tensorHash("a"), 0, evidence);
        evidence = several(someContexts());
        vm.expectRevert(abi.encodeWithSelector(ICircuits.RoleMismatch.selector, aggregate, Role.Aggregate));
        circuits.checkBlock(aggregate, name("s0"), CONTEXT, evidence);
    }

    function test_checkBlock_rejects_another_state_context_and_proof() public {
        Evidence memory evidence = good();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.StateInMismatch.selector, name("other"), name("in")));
        circuits.checkBlock(honkStep, name("other"), CONTEXT, evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, CONTEXT + 1));
        circuits.checkBlock(honkStep, name("in"), CONTEXT + 1, evidence);
        spoil(evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, honkStep));
        circuits.checkBlock(honkStep, name("in"), CONTEXT, evidence);
    }

    /// What the gateway writes by hand is what Solidity would encode; the verifier compares it, too.
    function testFuzz_verifierCall_is_the_canonical_encoding(bytes32[8] memory words, uint256[3] memory values)
        public
        view
    {
        bytes memory proof;
        for (uint256 k; k < 8; ++k) {
            proof = bytes.concat(proof, words[k] >> 3);
        }
        uint256[] memory listed = new uint256[](3);
        for (uint256 k; k < 3; ++k) {
            listed[k] = values[k];
        }
        this.compareCalls(proof, listed);
    }

    function compareCalls(bytes calldata proof, uint256[] calldata values) external pure {
        for (uint256 words; words <= 8; ++words) {
            bytes32[] memory inputs = new bytes32[](words + values.length);
            for (uint256 k; k < inputs.length; ++k) {
                inputs[k] = k < words ? HashWords.word(proof, k) : bytes32(values[k - words]);
            }
            (uint256 from, uint256 end) = HashWords.verifierCall(proof, words, values);
            bytes memory call = written(from, end);
            bytes memory encoded = abi.encodeCall(IHonkVerifier.verify, (proof[32 * words:], inputs));
            assertEq(call.length, encoded.length);
            assertEq(keccak256(call), keccak256(encoded));
        }
    }

    function test_retired_aggregates_are_refused() public {
        Evidence memory evidence = several(someContexts());
        circuits.retire(aggregate);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, aggregate));
        circuits.checkBlocks(aggregate, name("s0"), someContexts(), evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, aggregate));
        circuits.claimsOf(aggregate, evidence.proof);
    }

    // --- registration ---

    function test_register_rejects_malformed_specs() public {
        CircuitSpec memory spec = honkStepSpec();
        spec.vkaDigest = "digest";
        refuseSpec(spec, "vkaDigest");
        spec = honkStepSpec();
        (spec.role, spec.stepsPerProof) = (Role.Range, 0);
        refuseSpec(spec, "role");
        spec = honkStepSpec();
        spec.blocks = 1;
        refuseSpec(spec, "blocks");
        spec = aggregateSpec();
        spec.blocks = 0;
        refuseSpec(spec, "blocks");
        spec = honkStepSpec();
        spec.child = honkStep;
        refuseSpec(spec, "child");
        spec = aggregateSpec();
        spec.child = CircuitId.wrap(0);
        refuseSpec(spec, "child");
        spec = aggregateSpec();
        spec.stepsPerProof = 0;
        refuseSpec(spec, "stepsPerProof");
        spec = aggregateSpec();
        spec.publicValues = 1;
        refuseSpec(spec, "publicValues");
        spec = dedicatedSpec();
        (spec.role, spec.blocks, spec.child) = (Role.Aggregate, 2, honkStep);
        refuseSpec(spec, "role");
    }

    function test_register_takes_no_opening() public {
        CircuitSpec memory spec = honkStepSpec();
        spec.opening = opening();
        vm.expectRevert(abi.encodeWithSelector(ICircuits.OpeningInvalid.selector, spec.opening));
        circuits.register(spec);
    }

    function test_register_takes_no_proof_shorter_than_its_words() public {
        CircuitSpec[3] memory specs = [honkStepSpec(), honkInferenceSpec(), aggregateSpec()];
        uint32[3] memory words = [uint32(4), 2, AGGREGATE_WORDS];
        for (uint256 k; k < 3; ++k) {
            specs[k].proofLength = 32 * words[k] - 32;
            refuseSpec(specs[k], "proofLength");
            specs[k].proofLength += 32;
            circuits.register(specs[k]);
        }
    }

    // --- production ---

    function test_production_wants_the_ceremonys_point_in_the_code() public {
        address verifier = address(new MockPointVerifier());
        assertTrue(circuits.spec(circuits.register(pointSpec(verifier))).production, "production");
        address other = honkStepSpec().verifier;
        vm.expectRevert(abi.encodeWithSelector(ICircuits.NotCeremonyVerifier.selector, other));
        circuits.register(pointSpec(other));
    }

    /// Each of the four words counts: a verifier for another string has others in their place.
    function test_production_wants_every_word_of_the_point() public {
        bytes memory code = address(new MockPointVerifier()).code;
        uint256 found;
        for (uint256 offset; offset < code.length; ++offset) {
            if (code[offset] != 0x7f) continue;
            address verifier = address(uint160(0xC0DE + offset));
            bytes memory changed = bytes.concat(code);
            changed[offset + 32] ^= 0x01; // the lowest byte of what is pushed
            vm.etch(verifier, changed);
            vm.expectRevert(abi.encodeWithSelector(ICircuits.NotCeremonyVerifier.selector, verifier));
            circuits.register(pointSpec(verifier));
            ++found;
            offset += 32;
        }
        assertEq(found, 4);
    }

    /// Bytes that are pushed as part of something else are not the words.
    function test_production_reads_instructions_and_not_bytes() public {
        bytes memory code = address(new MockPointVerifier()).code;
        address verifier = address(0xC0DE);
        vm.etch(verifier, bytes.concat(hex"00", code));
        circuits.register(pointSpec(verifier));
        verifier = address(0xC0DF);
        // A PUSH1 before each PUSH32 swallows it: the sweep goes on inside the word.
        bytes memory hidden;
        for (uint256 offset; offset < code.length; ++offset) {
            hidden =
                bytes.concat(hidden, code[offset] == 0x7f ? bytes(hex"607f") : bytes.concat(code[offset]));
        }
        vm.etch(verifier, hidden);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.NotCeremonyVerifier.selector, verifier));
        circuits.register(pointSpec(verifier));
        // Cut in the middle of the last word.
        verifier = address(0xC0E0);
        uint256 last;
        for (uint256 offset; offset < code.length; ++offset) {
            if (code[offset] == 0x7f) (last, offset) = (offset, offset + 32);
        }
        assembly ("memory-safe") {
            mstore(code, add(last, 20))
        }
        vm.etch(verifier, code);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.NotCeremonyVerifier.selector, verifier));
        circuits.register(pointSpec(verifier));
    }

    function test_production_is_refused_for_ezkl() public {
        CircuitSpec[4] memory specs = [stepSpec(), rangeSpec(), inferenceSpec(), dedicatedSpec()];
        for (uint256 k; k < specs.length; ++k) {
            specs[k].production = true;
            refuseSpec(specs[k], "production");
        }
    }
}
