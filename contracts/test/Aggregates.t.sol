// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec, Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {
    ITrainingLedger,
    Run,
    RunId,
    RunStatus,
    TaskId,
    TaskSpec
} from "../src/interfaces/ITrainingLedger.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {HonkFixture} from "./utils/HonkFixture.sol";
import {MockPointVerifier} from "./utils/MockVerifiers.sol";

/// @dev Tasks and runs of UltraHonk circuits: no admission, and aggregates beside block proofs.
contract AggregatesTest is HonkFixture {
    event BlockProven(RunId indexed runId, uint32 i, uint32 batchIndex, bytes32 stateOut, bytes32 transcript);

    RunId private run;

    function setUp() public {
        run = openHonkRun(honkTaskSpec(), 0);
    }

    function refuse(bytes memory reason, bytes32[][] memory paths, Evidence memory evidence) private {
        bytes32 before = keccak256(abi.encode(ledger.run(run)));
        vm.expectRevert(reason);
        ledger.submitAggregate(run, paths, evidence);
        assertEq(keccak256(abi.encode(ledger.run(run))), before);
    }

    function refuseTask(TaskSpec memory spec, bytes memory reason) private {
        vm.expectRevert(reason);
        ledger.createTask(spec);
    }

    function incompatible(bytes32 what, CircuitId a, CircuitId b) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingLedger.CircuitsIncompatible.selector, what, a, b);
    }

    // --- tasks ---

    function test_a_run_opens_without_admissions_and_nothing_can_be_admitted() public {
        assertTrue(ledger.run(run).status == RunStatus.Open, "open");
        TaskId task = ledger.run(run).taskId;
        Evidence memory evidence = rangeEvidence(GENESIS, batch(0));
        bytes32[] memory path = honkPath(0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NothingToAdmit.selector, task));
        ledger.admit(task, 0, path, evidence);
    }

    function test_createTask_wants_a_range_circuit_from_ezkl_alone() public {
        TaskSpec memory spec = honkTaskSpec();
        spec.rangeCircuit = range;
        refuseTask(spec, incompatible("rangeCircuit", honkStep, range));
        spec = taskSpec();
        spec.rangeCircuit = CircuitId.wrap(0);
        refuseTask(
            spec, abi.encodeWithSelector(ITrainingLedger.FieldIsZero.selector, bytes32("rangeCircuit"))
        );
    }

    function test_createTask_rejects_circuits_of_another_prover() public {
        TaskSpec memory spec = honkTaskSpec();
        spec.inferenceCircuit = inference;
        refuseTask(spec, incompatible("prover", honkStep, inference));
        spec = taskSpec();
        spec.inferenceCircuit = honkInference;
        refuseTask(spec, incompatible("prover", step, honkInference));
        spec = taskSpec();
        CircuitSpec memory circuit = aggregateSpec();
        circuit.child = step;
        spec.aggregateCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("prover", step, spec.aggregateCircuit));
    }

    function test_createTask_rejects_aggregates_of_something_else() public {
        CircuitSpec memory circuit = aggregateSpec();
        circuit.child = honkInference;
        TaskSpec memory spec = honkTaskSpec();
        spec.aggregateCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("child", honkStep, spec.aggregateCircuit));
        circuit = aggregateSpec();
        circuit.stepsPerProof -= 1;
        spec.aggregateCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("stepsPerProof", honkStep, spec.aggregateCircuit));
        circuit = aggregateSpec();
        circuit.fractionBits = 11;
        spec.aggregateCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("fractionBits", honkStep, spec.aggregateCircuit));
        spec.aggregateCircuit = honkStep;
        refuseTask(spec, abi.encodeWithSelector(ITrainingLedger.WrongRole.selector, honkStep, 3, 0));
        spec.aggregateCircuit = CircuitId.wrap("unknown");
        refuseTask(
            spec, abi.encodeWithSelector(ITrainingLedger.CircuitNotLive.selector, spec.aggregateCircuit)
        );
        circuits.retire(aggregate);
        refuseTask(honkTaskSpec(), abi.encodeWithSelector(ITrainingLedger.CircuitNotLive.selector, aggregate));
    }

    /// Production is a property of all circuits of a task or of none.
    function test_createTask_rejects_production_mixed_with_other_circuits() public {
        CircuitSpec memory circuit = honkInferenceSpec();
        circuit.verifier = address(new MockPointVerifier());
        (circuit.verifierCodeHash, circuit.production) = (circuit.verifier.codehash, true);
        TaskSpec memory spec = honkTaskSpec();
        spec.inferenceCircuit = circuits.register(circuit);
        refuseTask(spec, incompatible("production", honkStep, spec.inferenceCircuit));
    }

    // --- submitAggregate ---

    function test_submitAggregate_is_as_if_each_proof_had_been_submitted() public {
        TaskSpec memory spec = honkTaskSpec();
        spec.salt = "the same, proof by proof";
        RunId single = openHonkRun(spec, 0);
        ledger.submit(single, honkBlockProofs(single, 0, PER_AGGREGATE));

        bytes32 transcript = RunId.unwrap(run);
        Evidence memory evidence = aggregateEvidence(run, 0);
        bytes32[][] memory paths = aggregatePaths(run, 0);
        for (uint32 i; i < PER_AGGREGATE; ++i) {
            uint32 index = uint32(blockIndex(run, i));
            transcript = Statement.transcript(transcript, i, index, name(state(i + 1)));
            vm.expectEmit(true, true, true, true, address(ledger));
            emit BlockProven(run, i, index, name(state(i + 1)), transcript);
        }
        ledger.submitAggregate(run, paths, evidence);
        Run memory r = ledger.run(run);
        assertEq(r.head, ledger.run(single).head);
        assertEq(r.proofs, ledger.run(single).proofs);
        assertEq(r.transcript, transcript);
    }

    /// The transcript does not show which way the proofs came.
    function test_submitAggregate_and_submit_lead_to_one_final_state_and_transcript() public {
        ledger.submit(run, honkBlockProofs(run, 0, 3));
        ledger.submitAggregate(run, aggregatePaths(run, 3), aggregateEvidence(run, 3));
        ledger.submit(run, honkBlockProofs(run, 7, 1));
        ledger.submitAggregate(run, aggregatePaths(run, 8), aggregateEvidence(run, 8));
        ledger.finalise(run);
        assertEq(ledger.finalState(run), name(state(TOTAL)));
        bytes32 transcript = RunId.unwrap(run);
        for (uint32 i; i < TOTAL; ++i) {
            transcript = Statement.transcript(transcript, i, blockIndex(run, i), name(state(i + 1)));
        }
        assertEq(ledger.run(run).transcript, transcript);
    }

    function test_submitAggregate_mints_a_model_that_answers() public {
        for (uint32 i; i < TOTAL; i += PER_AGGREGATE) {
            ledger.submitAggregate(run, aggregatePaths(run, i), aggregateEvidence(run, i));
        }
        ledger.finalise(run);
        vm.prank(payee);
        uint256 model = registry.mint(run, "");
        assertTrue(registry.provenanceOf(model).aggregateCircuit == aggregate, "aggregate circuit");
        assertEq(bytes32(registry.proofSystemOf(model)), bytes32(bytes4(keccak256("ultrahonk-kzg-bn254-v1"))));
        uint256[] memory values = new uint256[](3);
        (values[0], values[1], values[2]) = (1, Fixed.R - 2, 3);
        int256[] memory inputs = new int256[](2);
        int256[] memory outputs = new int256[](1);
        (inputs[0], inputs[1], outputs[0]) = (1, -2, 3);
        uint256 context = registry.inferenceContextOf(model, stranger, 0);
        registry.checkInference(
            model, stranger, 0, inputs, outputs, honkInferenceEvidence(context, state(TOTAL), values)
        );
        Evidence memory other = honkInferenceEvidence(context, state(TOTAL - 1), values);
        vm.expectRevert(
            abi.encodeWithSelector(
                IModelRegistry.StateDiffers.selector, name(state(TOTAL)), name(state(TOTAL - 1))
            )
        );
        registry.checkInference(model, stranger, 0, inputs, outputs, other);
    }

    function test_submitAggregate_rejects_another_head() public {
        Evidence memory evidence = aggregateEvidence(run, 1);
        refuse(
            abi.encodeWithSelector(ICircuits.StateInMismatch.selector, name(GENESIS), name(state(1))),
            aggregatePaths(run, 0),
            evidence
        );
        evidence = aggregateEvidence(run, 0);
        bytes32[][] memory paths = aggregatePaths(run, 0);
        ledger.submitAggregate(run, paths, evidence);
        refuse(
            abi.encodeWithSelector(
                ICircuits.StateInMismatch.selector, name(state(PER_AGGREGATE)), name(GENESIS)
            ),
            paths,
            evidence
        );
    }

    function test_submitAggregate_rejects_another_batch_block_at_any_place() public {
        for (uint32 k; k < PER_AGGREGATE; ++k) {
            Evidence memory evidence = aggregateEvidence(run, 0);
            uint256 due = blockIndex(run, k);
            uint256 other = (due + 1) % BLOCKS;
            replaceWord(evidence.proof, 3 * k + 2, word(batch(other)));
            bytes32 leaf = Statement.leaf(due, name(batch(other)));
            bytes32[][] memory paths = aggregatePaths(run, 0);
            bytes memory reason =
                abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, uint32(due), leaf);
            refuse(reason, paths, evidence);
            paths[k] = honkPath(other); // nor with the path of that block
            refuse(reason, paths, evidence);
        }
    }

    function test_submitAggregate_rejects_a_context_of_another_run_place_payee_or_chain() public {
        for (uint32 k; k < PER_AGGREGATE; ++k) {
            uint256 right = ledger.contextOf(run, k);
            uint256[3] memory wrong = [
                ledger.contextOf(run, k + 1),
                Statement.stepContext(address(ledger), RunId.wrap("another run"), k, payee),
                Statement.stepContext(address(ledger), run, k, stranger)
            ];
            for (uint256 j; j < wrong.length; ++j) {
                Evidence memory evidence = aggregateEvidence(run, 0);
                replaceWord(evidence.proof, 3 * k + 1, bytes32(wrong[j]));
                refuse(
                    abi.encodeWithSelector(ICircuits.ContextMismatch.selector, right),
                    aggregatePaths(run, 0),
                    evidence
                );
            }
        }
        Evidence memory here = aggregateEvidence(run, 0);
        bytes32[][] memory paths = aggregatePaths(run, 0);
        vm.chainId(10);
        refuse(
            abi.encodeWithSelector(ICircuits.ContextMismatch.selector, ledger.contextOf(run, 0)), paths, here
        );
    }

    function test_submitAggregate_rejects_a_bad_proof() public {
        Evidence memory evidence = aggregateEvidence(run, 0);
        spoil(evidence);
        refuse(
            abi.encodeWithSelector(ICircuits.ProofRejected.selector, aggregate),
            aggregatePaths(run, 0),
            evidence
        );
    }

    function test_submitAggregate_rejects_other_numbers_of_paths() public {
        Evidence memory evidence = aggregateEvidence(run, 0);
        bytes32[][] memory paths = aggregatePaths(run, 0);
        for (uint256 n; n < 2 * PER_AGGREGATE; ++n) {
            if (n == PER_AGGREGATE) continue;
            bytes32[][] memory other = new bytes32[][](n);
            for (uint256 k; k < n && k < PER_AGGREGATE; ++k) {
                other[k] = paths[k];
            }
            refuse(abi.encodeWithSelector(ICircuits.ContextCount.selector, PER_AGGREGATE, n), other, evidence);
        }
    }

    function test_submitAggregate_rejects_proofs_past_the_total() public {
        ledger.submit(run, honkBlockProofs(run, 0, 8));
        ledger.submit(run, honkBlockProofs(run, 8, 1));
        refuse(
            abi.encodeWithSelector(ITrainingLedger.TooManyProofs.selector, TOTAL + 1, TOTAL),
            aggregatePaths(run, 9),
            aggregateEvidence(run, 9)
        );
    }

    function test_submitAggregate_needs_an_open_run_and_a_task_with_aggregates() public {
        TaskSpec memory spec = honkTaskSpec();
        spec.aggregateCircuit = CircuitId.wrap(0);
        RunId plain = openHonkRun(spec, 0);
        TaskId task = ledger.run(plain).taskId;
        Evidence memory evidence = aggregateEvidence(plain, 0);
        bytes32[][] memory paths = aggregatePaths(plain, 0);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NoAggregateCircuit.selector, task));
        ledger.submitAggregate(plain, paths, evidence);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunUnknown.selector, RunId.wrap("unknown")));
        ledger.submitAggregate(RunId.wrap("unknown"), paths, evidence);
        evidence = aggregateEvidence(run, 0);
        paths = aggregatePaths(run, 0);
        vm.prank(payee);
        ledger.abort(run);
        refuse(
            abi.encodeWithSelector(ITrainingLedger.RunNotOpen.selector, run, RunStatus.Aborted),
            paths,
            evidence
        );
    }

    function test_submitAggregate_rejects_a_retired_circuit() public {
        Evidence memory evidence = aggregateEvidence(run, 0);
        bytes32[][] memory paths = aggregatePaths(run, 0);
        circuits.retire(aggregate);
        refuse(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, aggregate), paths, evidence);
    }

    /// What a step circuit was retired for is in the aggregates of its proofs.
    function test_submitAggregate_rejects_aggregates_of_a_retired_step_circuit() public {
        (bytes32[][] memory paths, Evidence memory evidence) =
            (aggregatePaths(run, 0), aggregateEvidence(run, 0));
        circuits.retire(honkStep);
        refuse(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, honkStep), paths, evidence);
    }

    function test_checkBlocks_rejects_aggregates_of_an_unknown_step_circuit() public {
        CircuitSpec memory spec = aggregateSpec();
        spec.child = CircuitId.wrap("unknown");
        CircuitId orphan = circuits.register(spec);
        (bytes32 from, uint256[] memory contexts) = (name(GENESIS), new uint256[](PER_AGGREGATE));
        Evidence memory evidence = aggregateEvidence(run, 0);
        vm.expectRevert(abi.encodeWithSelector(ICircuits.CircuitUnknown.selector, spec.child));
        circuits.checkBlocks(orphan, from, contexts, evidence);
    }

    /// A block proof is checked against the step circuit, an aggregate against its own: neither passes
    /// for the other, by its length already.
    function test_submitAggregate_rejects_a_block_proof() public {
        Evidence memory evidence = honkBlockProofs(run, 0, 1)[0].evidence;
        refuse(
            abi.encodeWithSelector(
                ICircuits.ProofLength.selector, 32 * AGGREGATE_WORDS + ARGUMENT, 4 * 32 + ARGUMENT
            ),
            aggregatePaths(run, 0),
            evidence
        );
    }
}
