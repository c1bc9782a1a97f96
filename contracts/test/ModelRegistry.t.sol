// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {ModelRegistry} from "../src/ModelRegistry.sol";
import {CircuitId, CircuitSpec, Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {ERC7992Errors, IERC7992Registry, IERC7992Storage, IERC7992Verifier} from "../src/interfaces/IERC7992.sol";
import {IModelRegistry, Provenance} from "../src/interfaces/IModelRegistry.sol";
import {ITrainingLedger, RunId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Fixture} from "./utils/Fixture.sol";

contract ModelRegistryTest is Fixture {
    RunId private run;
    uint256 private model;
    bytes32 private weights;

    function setUp() public {
        run = openRun(taskSpec(), 0);
        train(run);
        vm.prank(payee);
        model = registry.mint(run, "ipfs://model");
        weights = state(TOTAL);
    }

    // --- an inference and its twins ---

    struct Call {
        uint256 model;
        address requester;
        uint256 nonce;
        int256[] inputs;
        int256[] outputs;
        Evidence evidence;
    }

    function good() private view returns (Call memory c) {
        (c.model, c.requester, c.nonce) = (model, stranger, 3);
        c.inputs = new int256[](2);
        (c.inputs[0], c.inputs[1]) = (4096, -5);
        c.outputs = new int256[](1);
        c.outputs[0] = -7;
        c.evidence = prove(c, weights);
    }

    /// What an honest prover makes for the values of `c`.
    function prove(Call memory c, bytes32 state_) private view returns (Evidence memory) {
        uint256[] memory values = new uint256[](3);
        values[0] = field(c.inputs[0]);
        values[1] = field(c.inputs[1]);
        values[2] = field(c.outputs[0]);
        return inferenceEvidence(registry.inferenceContextOf(c.model, c.requester, c.nonce), state_, values);
    }

    function field(int256 v) private pure returns (uint256) {
        return v < 0 ? Fixed.R - uint256(-v) : uint256(v);
    }

    function check(Call memory c) private view {
        registry.checkInference(c.model, c.requester, c.nonce, c.inputs, c.outputs, c.evidence);
    }

    function refuse(Call memory c, bytes memory reason) private {
        vm.expectRevert(reason);
        registry.checkInference(c.model, c.requester, c.nonce, c.inputs, c.outputs, c.evidence);
    }

    function refuseContext(Call memory c) private {
        uint256 context = registry.inferenceContextOf(c.model, c.requester, c.nonce);
        refuse(c, abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
    }

    function test_checkInference_accepts_a_proven_inference() public view {
        check(good());
    }

    function test_checkInference_rejects_other_weights() public {
        Call memory c = good();
        c.evidence = prove(c, "other");
        refuse(
            c,
            abi.encodeWithSelector(IModelRegistry.StateDiffers.selector, tensorHash(weights), tensorHash("other"))
        );
    }

    function test_checkInference_rejects_a_changed_input() public {
        Call memory c = good();
        c.inputs[1] = -6;
        refuse(c, abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 1, int256(-6), int256(-5)));
    }

    function test_checkInference_rejects_a_changed_output() public {
        Call memory c = good();
        c.outputs[0] = 7;
        refuse(c, abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, int256(7), int256(-7)));
    }

    function test_checkInference_rejects_an_input_that_wraps_the_field() public {
        Call memory c = good();
        c.inputs[0] = 4096 + int256(Fixed.R);
        refuse(c, abi.encodeWithSelector(IModelRegistry.InputDiffers.selector, 0, c.inputs[0], int256(4096)));
    }

    function test_checkInference_rejects_a_value_that_is_no_integer() public {
        Call memory c = good();
        c.evidence.publicValues[2] = Fixed.R / 2;
        refuse(c, abi.encodeWithSelector(Fixed.NotAnInteger.selector, Fixed.R / 2));
    }

    function test_checkInference_rejects_other_counts() public {
        Call memory c = good();
        c.inputs = new int256[](3);
        refuse(c, abi.encodeWithSelector(IModelRegistry.InputCount.selector, 2, 3));
        c = good();
        c.outputs = new int256[](2);
        refuse(c, abi.encodeWithSelector(IModelRegistry.OutputCount.selector, 1, 2));
        c = good();
        c.evidence.publicValues = new uint256[](4);
        refuse(c, abi.encodeWithSelector(ICircuits.PublicValueCount.selector, 3, 4));
    }

    function test_checkInference_rejects_another_requester() public {
        Call memory c = good();
        c.requester = payee;
        refuseContext(c);
    }

    function test_checkInference_rejects_another_nonce() public {
        Call memory c = good();
        c.nonce = 4;
        refuseContext(c);
    }

    function test_checkInference_rejects_another_chain() public {
        Call memory c = good();
        vm.chainId(10);
        refuseContext(c);
    }

    function test_checkInference_rejects_a_proof_for_another_model() public {
        TaskSpec memory spec = taskSpec();
        spec.salt = "twin";
        RunId twin = openRun(spec, 0);
        train(twin); // ends in the same weights
        vm.prank(payee);
        uint256 other = registry.mint(twin, "");
        Call memory c = good();
        c.model = other;
        refuseContext(c);
    }

    function test_checkInference_rejects_a_proof_for_another_registry() public {
        ModelRegistry other = new ModelRegistry(ledger);
        vm.prank(payee);
        other.mint(run, "");
        Call memory c = good();
        uint256 context = other.inferenceContextOf(c.model, c.requester, c.nonce);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ContextMismatch.selector, context));
        other.checkInference(c.model, c.requester, c.nonce, c.inputs, c.outputs, c.evidence);
    }

    function test_checkInference_rejects_a_bad_proof() public {
        Call memory c = good();
        spoil(c.evidence);
        refuse(c, abi.encodeWithSelector(ICircuits.ProofRejected.selector, inference));
    }

    function test_checkInference_rejects_a_deprecated_model() public {
        Call memory c = good();
        vm.prank(payee);
        registry.deprecateModel(model);
        refuse(c, abi.encodeWithSelector(IERC7992Verifier.VerificationRefused_ModelDeprecated.selector, model));
    }

    /// Who relies on a model registers its inference circuit: then nobody else can stop it by retiring.
    function test_checkInference_stops_with_its_circuit_unless_somebody_stands_behind_it() public {
        Call memory c = good();
        CircuitSpec memory spec = inferenceSpec();
        circuits.retire(inference); // by the only one who had registered it
        refuse(c, abi.encodeWithSelector(ICircuits.CircuitRetired.selector, inference));
        vm.prank(stranger);
        circuits.register(spec);
        check(c);
    }

    function test_checkInference_rejects_an_unknown_model() public {
        Call memory c = good();
        c.model = 1;
        refuse(c, abi.encodeWithSelector(IERC7992Registry.ModelNotFound.selector, 1));
    }

    // --- mint ---

    function test_mint_makes_the_payee_the_owner_and_the_state_the_model() public view {
        (IERC7992Registry.ModelCommitment memory m, bool deprecated, address owner) = registry.getModel(model);
        assertEq(owner, payee);
        assertEq(m.modelHash, tensorHash(weights));
        assertEq(m.circuitHash, CircuitId.unwrap(inference));
        assertEq(m.vkHash, inferenceSpec().vkHash);
        assertEq(bytes32(m.proofSystemId), bytes32(bytes4(0x301c92ec)));
        assertEq(keccak256(bytes(m.uri)), keccak256("ipfs://model"));
        assertTrue(!deprecated, "live");
        assertEq(model, uint256(RunId.unwrap(run)));
    }

    function test_mint_by_the_sponsor_still_belongs_to_the_payee() public {
        TaskSpec memory spec = taskSpec();
        spec.salt = "another";
        RunId other = openRun(spec, 0);
        train(other);
        vm.prank(sponsor);
        uint256 id = registry.mint(other, "");
        (,, address owner) = registry.getModel(id);
        assertEq(owner, payee);
    }

    function test_mint_rejects_a_second_model_of_a_run() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyMinted.selector, model));
        vm.prank(payee);
        registry.mint(run, "again");
    }

    function test_mint_rejects_an_unfinished_run() public {
        TaskSpec memory spec = taskSpec();
        spec.salt = "another";
        RunId open = openRun(spec, 0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunNotFinalised.selector, open));
        vm.prank(payee);
        registry.mint(open, "");
        vm.prank(payee);
        ledger.abort(open);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunNotFinalised.selector, open));
        vm.prank(payee);
        registry.mint(open, "");
    }

    function test_mint_rejects_strangers_and_unknown_runs() public {
        TaskSpec memory spec = taskSpec();
        spec.salt = "another";
        RunId other = openRun(spec, 0);
        train(other);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotPayeeOrSponsor.selector, other, stranger));
        vm.prank(stranger);
        registry.mint(other, "");
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunUnknown.selector, RunId.wrap("unknown")));
        registry.mint(RunId.wrap("unknown"), "");
    }

    function test_provenanceOf_tells_the_whole_chain_of_custody() public view {
        Provenance memory p = registry.provenanceOf(model);
        assertEq(RunId.unwrap(p.runId), RunId.unwrap(run));
        assertEq(p.datasetRoot, datasetRoot());
        assertEq(p.genesis, tensorHash(GENESIS));
        assertEq(p.finalState, tensorHash(weights));
        assertEq(p.hyperparameters, taskSpec().hyperparameters);
        assertEq(p.transcript, ledger.run(run).transcript);
        assertEq(p.seed, ledger.seedOf(p.taskId));
        assertTrue(p.stepCircuit == step && p.rangeCircuit == range && p.inferenceCircuit == inference, "circuits");
        assertEq(p.totalProofs, TOTAL);
        assertEq(p.stepsPerProof, 8);
        assertEq(p.sponsor, sponsor);
        assertEq(p.payee, payee);
    }

    // --- ERC-7992 ---

    function test_supportsInterface_answers_the_published_ids() public view {
        assertEq(bytes32(type(IERC7992Registry).interfaceId), bytes32(bytes4(0xd28519b1)));
        assertEq(bytes32(type(IERC7992Verifier).interfaceId), bytes32(bytes4(0x5df65472)));
        assertEq(bytes32(type(IERC7992Storage).interfaceId), bytes32(bytes4(0x29c6ba89)));
        bytes4[5] memory ids =
            [bytes4(0x01ffc9a7), bytes4(0xd28519b1), bytes4(0x5df65472), bytes4(0x80b171ef), bytes4(0x29c6ba89)];
        for (uint256 k; k < ids.length; ++k) {
            assertTrue(IERC165(address(registry)).supportsInterface(ids[k]), "supported");
        }
        assertTrue(!IERC165(address(registry)).supportsInterface(0xffffffff), "not supported");
    }

    function test_helper_views_of_the_verifier_interface() public {
        assertEq(registry.registry(), address(registry));
        assertEq(bytes32(registry.proofSystemOf(model)), bytes32(bytes4(keccak256("halo2-kzg-bn254-v1"))));
        vm.expectRevert(abi.encodeWithSelector(IERC7992Registry.ModelNotFound.selector, 1));
        registry.proofSystemOf(1);
    }

    function test_models_are_immutable() public {
        IERC7992Registry.ModelCommitment memory m;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.MintInstead.selector, ledger));
        registry.registerModel(m);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsAreImmutable.selector, model));
        vm.prank(payee);
        registry.updateModel(model, m);
        vm.expectRevert(abi.encodeWithSelector(IERC7992Registry.NotModelOwner.selector, model, stranger));
        vm.prank(stranger);
        registry.updateModel(model, m);
    }

    function test_deprecateModel_is_for_the_owner_and_one_way() public {
        vm.expectRevert(abi.encodeWithSelector(IERC7992Registry.NotModelOwner.selector, model, stranger));
        vm.prank(stranger);
        registry.deprecateModel(model);
        vm.prank(payee);
        registry.deprecateModel(model);
        (, bool deprecated,) = registry.getModel(model);
        assertTrue(deprecated, "deprecated");
        vm.expectRevert(abi.encodeWithSelector(ERC7992Errors.ModelDeprecated.selector, model));
        vm.prank(payee);
        registry.deprecateModel(model);
    }

    function commitment(Call memory c) private view returns (bytes32) {
        return registry.inputCommitmentOf(c.model, c.requester, c.nonce, c.inputs);
    }

    function payload(Call memory c) private pure returns (bytes memory) {
        return abi.encode(c.nonce, c.inputs, c.evidence);
    }

    function test_verifyInference_accepts_the_requester_alone() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        vm.prank(stranger);
        registry.verifyInference(model, committed, abi.encode(c.outputs), payload(c));
        vm.expectRevert(abi.encodeWithSelector(IERC7992Verifier.InputCommitmentMismatch.selector));
        vm.prank(payee);
        registry.verifyInference(model, committed, abi.encode(c.outputs), payload(c));
    }

    function test_verifyInference_rejects_another_input_commitment() public {
        Call memory c = good();
        vm.expectRevert(abi.encodeWithSelector(IERC7992Verifier.InputCommitmentMismatch.selector));
        vm.prank(stranger);
        registry.verifyInference(model, "other", abi.encode(c.outputs), payload(c));
    }

    function test_verifyInference_rejects_another_output() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        c.outputs[0] = 8;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.OutputDiffers.selector, 0, int256(8), int256(-7)));
        vm.prank(stranger);
        registry.verifyInference(model, committed, abi.encode(c.outputs), payload(c));
    }

    /// The same numbers in other bytes would be a second inference id.
    function test_verifyInference_rejects_a_second_encoding_of_the_output() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        bytes memory output = bytes.concat(abi.encode(c.outputs), bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(IERC7992Verifier.OutputMismatch.selector));
        vm.prank(stranger);
        registry.verifyInference(model, committed, output, payload(c));
    }

    function test_verifyInference_rejects_a_bad_proof() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        spoil(c.evidence);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.ProofRejected.selector, inference));
        vm.prank(stranger);
        registry.verifyInference(model, committed, abi.encode(c.outputs), payload(c));
    }

    function test_verifyAndStoreInference_keeps_each_inference_once() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        bytes memory output = abi.encode(c.outputs);
        vm.prank(stranger);
        bytes32 id = registry.verifyAndStoreInference(model, committed, output, payload(c));
        assertEq(id, keccak256(abi.encodePacked(model, committed, output)));
        (uint256 modelId, bytes32 inputCommitment, bytes memory stored) = registry.getInference(id);
        assertEq(modelId, model);
        assertEq(inputCommitment, committed);
        assertEq(keccak256(stored), keccak256(output));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InferenceAlreadyStored.selector, id));
        vm.prank(stranger);
        registry.verifyAndStoreInference(model, committed, output, payload(c));
    }

    function test_getInference_rejects_an_unknown_id() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InferenceNotFound.selector, bytes32("unknown")));
        registry.getInference("unknown");
    }

    function test_inputCommitmentOf_binds_chain_registry_model_requester_nonce_and_inputs() public {
        Call memory c = good();
        bytes32 committed = commitment(c);
        assertEq(committed, Statement.inputCommitment(address(registry), model, stranger, 3, c.inputs));
        vm.chainId(10);
        assertTrue(commitment(c) != committed, "chain");
    }
}
