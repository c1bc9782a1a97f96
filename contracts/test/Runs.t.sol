// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrainingLedger} from "../src/TrainingLedger.sol";
import {ICircuits} from "../src/interfaces/ICircuits.sol";
import {BlockProof, ITrainingLedger, Run, RunId, RunStatus, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Fixture} from "./utils/Fixture.sol";

contract RunsTest is Fixture {
    event BlockProven(RunId indexed runId, uint32 i, uint32 batchIndex, bytes32 stateOut, bytes32 transcript);

    RunId private run;

    function setUp() public {
        run = openRun(taskSpec(), 0);
    }

    function refuse(bytes memory reason, BlockProof[] memory blocks) private {
        bytes32 before = keccak256(abi.encode(ledger.run(run)));
        vm.expectRevert(reason);
        ledger.submit(run, blocks);
        assertEq(keccak256(abi.encode(ledger.run(run))), before);
    }

    function wrongHead(bytes32 expected, bytes32 got) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuits.StateInMismatch.selector, tensorHash(expected), tensorHash(got));
    }

    function contextMismatch(RunId of_, uint32 i) private view returns (bytes memory) {
        return abi.encodeWithSelector(ICircuits.ContextMismatch.selector, ledger.contextOf(of_, i));
    }

    function notOpen(RunStatus status) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITrainingLedger.RunNotOpen.selector, run, status);
    }

    // --- openRun ---

    function test_openRun_starts_at_genesis() public view {
        Run memory r = ledger.run(run);
        assertEq(r.head, tensorHash(GENESIS));
        assertEq(r.transcript, RunId.unwrap(run));
        assertEq(r.payee, payee);
        assertEq(r.proofs, 0);
    }

    function test_openRun_is_for_payee_and_sponsor_only() public {
        TaskId task = ledger.run(run).taskId;
        vm.prank(sponsor);
        ledger.openRun(task, payee, 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NotAllowed.selector, stranger));
        vm.prank(stranger);
        ledger.openRun(task, payee, 2);
    }

    function test_openRun_rejects_the_same_run_twice() public {
        TaskId task = ledger.run(run).taskId;
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunExists.selector, run));
        vm.prank(payee);
        ledger.openRun(task, payee, 0);
    }

    function test_openRun_rejects_no_payee() public {
        TaskId task = ledger.run(run).taskId;
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.PayeeIsZero.selector));
        vm.prank(sponsor);
        ledger.openRun(task, address(0), 0);
    }

    function test_openRun_needs_a_seed() public {
        TaskSpec memory spec = taskSpec();
        (spec.seedDelay, spec.declaredSeed) = (2, 0);
        TaskId task = createTask(spec);
        admitAll(task);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NotSealed.selector, task));
        vm.prank(payee);
        ledger.openRun(task, payee, 0);
    }

    function test_openRun_needs_every_block_admitted() public {
        TaskSpec memory spec = taskSpec();
        spec.salt = "another task";
        TaskId task = createTask(spec);
        ledger.admit(task, 3, merkleProof(3), rangeEvidence(GENESIS, batch(3)));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.AdmissionIncomplete.selector, 1, BLOCKS));
        vm.prank(payee);
        ledger.openRun(task, payee, 0);
    }

    function test_openRun_rejects_a_passed_deadline() public {
        TaskSpec memory spec = taskSpec();
        spec.deadline = uint64(block.timestamp + 100);
        TaskId task = createTask(spec);
        admitAll(task);
        vm.warp(spec.deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingLedger.DeadlinePassed.selector, spec.deadline, block.timestamp)
        );
        vm.prank(payee);
        ledger.openRun(task, payee, 0);
    }

    // --- submit ---

    function test_submit_advances_the_head_and_folds_the_transcript() public {
        bytes32 transcript = RunId.unwrap(run);
        for (uint32 i; i < 3; ++i) {
            transcript = Statement.transcript(transcript, i, blockIndex(run, i), tensorHash(state(i + 1)));
        }
        BlockProof[] memory blocks = blockProofs(run, 0, 3);
        vm.prank(stranger); // permissionless
        ledger.submit(run, blocks);
        Run memory r = ledger.run(run);
        assertEq(r.head, tensorHash(state(3)));
        assertEq(r.transcript, transcript);
        assertEq(r.proofs, 3);
    }

    function test_submit_emits_each_step() public {
        uint32 index = ledger.expectedBlock(run);
        bytes32 stateOut = tensorHash(state(1));
        bytes32 transcript = Statement.transcript(RunId.unwrap(run), 0, index, stateOut);
        BlockProof[] memory blocks = blockProofs(run, 0, 1);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit BlockProven(run, 0, index, stateOut, transcript);
        ledger.submit(run, blocks);
    }

    function test_submit_visits_each_block_once_an_epoch() public {
        ledger.submit(run, blockProofs(run, 0, 8));
        for (uint32 epoch; epoch < 2; ++epoch) {
            uint256 seen;
            for (uint32 k; k < BLOCKS; ++k) {
                seen |= 1 << blockIndex(run, epoch * BLOCKS + k);
            }
            assertEq(seen, (1 << BLOCKS) - 1);
        }
    }

    function test_submit_rejects_a_bad_proof() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 2);
        spoil(blocks[1].evidence);
        refuse(abi.encodeWithSelector(ICircuits.ProofRejected.selector, step), blocks);
    }

    function test_submit_rejects_a_skipped_proof() public {
        refuse(wrongHead(state(0), state(1)), blockProofs(run, 1, 1));
    }

    function test_submit_rejects_a_repeated_proof() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 1);
        ledger.submit(run, blocks);
        refuse(wrongHead(state(1), state(0)), blocks);
    }

    function test_submit_rejects_swapped_proofs() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 2);
        (blocks[0], blocks[1]) = (blocks[1], blocks[0]);
        refuse(wrongHead(state(0), state(1)), blocks);
    }

    function test_submit_rejects_another_genesis() public {
        BlockProof memory b = blockProof(run, 0);
        b.evidence = stepEvidence(ledger.contextOf(run, 0), "other", batch(blockIndex(run, 0)), state(1));
        refuse(wrongHead(state(0), "other"), one(b));
    }

    function withSlots(uint32 i, bytes32 stateIn, bytes32 hints_, bytes32 stateOut)
        private
        view
        returns (BlockProof memory b)
    {
        b = blockProof(run, i);
        b.evidence =
            stepEvidence(ledger.contextOf(run, i), stateIn, batch(blockIndex(run, i)), hints_, stateOut);
    }

    /// The verifier of these tests takes anything: only the place of a tensor says what it is.
    function test_submit_chains_by_the_state_out_and_not_by_the_hints() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 2);
        blocks[0] = withSlots(0, state(0), state(1), hints(state(1)));
        refuse(wrongHead(hints(state(1)), state(1)), blocks); // hints and state out swapped
        blocks[0] = withSlots(0, state(0), state(1), "other");
        refuse(wrongHead("other", state(1)), blocks); // the state out in the place of the hints alone
        blocks[0] = withSlots(0, state(0), hints(state(1)), state(1));
        ledger.submit(run, blocks);
        assertEq(ledger.run(run).head, tensorHash(state(2)));
    }

    function test_submit_rejects_hints_as_the_next_state_in() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 2);
        blocks[1] = withSlots(1, hints(state(1)), hints(state(2)), state(2));
        refuse(wrongHead(state(1), hints(state(1))), blocks);
        blocks[1] = withSlots(1, state(1), hints(state(2)), state(2));
        ledger.submit(run, blocks);
    }

    function test_submit_rejects_a_block_out_of_order() public {
        uint32 index = ledger.expectedBlock(run);
        uint256 other = (index + 1) % BLOCKS;
        BlockProof memory b = BlockProof(
            merkleProof(other), stepEvidence(ledger.contextOf(run, 0), state(0), batch(other), state(1))
        );
        bytes32 leaf = Statement.leaf(index, tensorHash(batch(other)));
        refuse(abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, index, leaf), one(b));
    }

    function test_submit_rejects_another_dataset() public {
        uint32 index = ledger.expectedBlock(run);
        BlockProof memory b =
            BlockProof(merkleProof(index), stepEvidence(ledger.contextOf(run, 0), state(0), "other", state(1)));
        bytes32 leaf = Statement.leaf(index, tensorHash("other"));
        refuse(abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, index, leaf), one(b));
    }

    function test_submit_rejects_a_proof_of_another_position() public {
        BlockProof memory b = blockProof(run, 0);
        b.evidence = stepEvidence(ledger.contextOf(run, 5), state(0), batch(blockIndex(run, 0)), state(1));
        refuse(contextMismatch(run, 0), one(b));
    }

    function test_submit_rejects_a_proof_of_another_run() public {
        TaskId task = ledger.run(run).taskId;
        vm.prank(sponsor);
        RunId other = ledger.openRun(task, payee, 1);
        refuse(contextMismatch(run, 0), blockProofs(other, 0, 1));
    }

    /// A copier who opens a run of his own finds that the proofs name the payee they were made for.
    function test_submit_rejects_a_proof_for_another_payee() public {
        TaskId task = ledger.run(run).taskId;
        BlockProof[] memory copied = blockProofs(run, 0, 1);
        vm.prank(stranger);
        RunId own = ledger.openRun(task, stranger, 0);
        bytes memory reason = contextMismatch(own, 0);
        vm.expectRevert(reason);
        ledger.submit(own, copied);
    }

    function test_submit_rejects_a_proof_for_another_chain() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 1);
        vm.chainId(10);
        refuse(contextMismatch(run, 0), blocks);
    }

    function test_submit_rejects_a_proof_for_another_ledger() public {
        BlockProof memory b = blockProof(run, 0);
        uint256 context = Statement.stepContext(address(new TrainingLedger(circuits)), run, 0, payee);
        b.evidence = stepEvidence(context, state(0), batch(blockIndex(run, 0)), state(1));
        refuse(contextMismatch(run, 0), one(b));
    }

    function test_submit_rejects_a_proof_of_another_circuit() public {
        BlockProof memory b = blockProof(run, 0);
        b.evidence.vka[0] = "another circuit";
        refuse(
            abi.encodeWithSelector(
                ICircuits.VkaMismatch.selector,
                keccak256(abi.encodePacked(vka)),
                keccak256(abi.encodePacked(b.evidence.vka))
            ),
            one(b)
        );
    }

    function test_submit_rejects_a_retired_circuit() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 1);
        circuits.retire(step);
        refuse(abi.encodeWithSelector(ICircuits.CircuitRetired.selector, step), blocks);
    }

    function test_submit_rejects_none_and_too_many_at_once() public {
        refuse(abi.encodeWithSelector(ITrainingLedger.BlockProofCount.selector, 0, 8), new BlockProof[](0));
        refuse(abi.encodeWithSelector(ITrainingLedger.BlockProofCount.selector, 9, 8), blockProofs(run, 0, 9));
    }

    function test_submit_rejects_proofs_past_the_total() public {
        ledger.submit(run, blockProofs(run, 0, 8));
        refuse(
            abi.encodeWithSelector(ITrainingLedger.TooManyProofs.selector, TOTAL + 1, TOTAL),
            blockProofs(run, 8, TOTAL - 8 + 1)
        );
        ledger.submit(run, blockProofs(run, 8, TOTAL - 8));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.TooManyProofs.selector, TOTAL + 1, TOTAL));
        ledger.expectedBlock(run);
    }

    function test_submit_rejects_an_unknown_run() public {
        BlockProof[] memory blocks = blockProofs(run, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunUnknown.selector, RunId.wrap("unknown")));
        ledger.submit(RunId.wrap("unknown"), blocks);
    }

    // --- finalise and abort ---

    function test_finalise_closes_a_complete_run_for_good() public {
        train(run);
        assertEq(ledger.finalState(run), tensorHash(state(TOTAL)));
        refuse(notOpen(RunStatus.Finalised), blockProofs(run, 0, 1));
        vm.expectRevert(notOpen(RunStatus.Finalised));
        ledger.finalise(run);
        vm.expectRevert(notOpen(RunStatus.Finalised));
        vm.prank(payee);
        ledger.abort(run);
    }

    function test_finalise_rejects_an_incomplete_run() public {
        ledger.submit(run, blockProofs(run, 0, 8));
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunIncomplete.selector, 8, TOTAL));
        ledger.finalise(run);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunNotFinalised.selector, run));
        ledger.finalState(run);
    }

    function test_abort_by_the_payee_ends_a_run() public {
        vm.prank(payee);
        ledger.abort(run);
        refuse(notOpen(RunStatus.Aborted), blockProofs(run, 0, 1));
        TaskId task = ledger.run(run).taskId;
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunExists.selector, run));
        vm.prank(payee);
        ledger.openRun(task, payee, 0);
    }

    function test_abort_by_the_sponsor_waits_for_the_deadline() public {
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingLedger.DeadlineNotReached.selector, uint64(0), block.timestamp)
        );
        vm.prank(sponsor);
        ledger.abort(run);

        TaskSpec memory spec = taskSpec();
        spec.deadline = uint64(block.timestamp + 100);
        RunId timed = openRun(spec, 0);
        vm.warp(spec.deadline);
        vm.expectRevert(
            abi.encodeWithSelector(ITrainingLedger.DeadlineNotReached.selector, spec.deadline, block.timestamp)
        );
        vm.prank(sponsor);
        ledger.abort(timed);
        vm.warp(spec.deadline + 1);
        vm.prank(sponsor);
        ledger.abort(timed);
        assertTrue(ledger.run(timed).status == RunStatus.Aborted, "aborted");
    }

    function test_abort_by_the_sponsor_spares_a_complete_run() public {
        TaskSpec memory spec = taskSpec();
        spec.deadline = uint64(block.timestamp + 100);
        RunId timed = openRun(spec, 0);
        ledger.submit(timed, blockProofs(timed, 0, 8));
        ledger.submit(timed, blockProofs(timed, 8, TOTAL - 8));
        vm.warp(spec.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.RunComplete.selector, timed));
        vm.prank(sponsor);
        ledger.abort(timed);
        ledger.finalise(timed);
        assertTrue(ledger.run(timed).status == RunStatus.Finalised, "finalised");
    }

    function test_abort_is_not_for_strangers() public {
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.NotAllowed.selector, stranger));
        vm.prank(stranger);
        ledger.abort(run);
    }

    // --- a dataset with two leaves of one index ---

    /// The tree of the honest leaves and, beside it, another leaf of block 0 that nobody range-checked.
    function test_admit_and_submit_reject_a_second_leaf_of_an_index() public {
        bytes32 evil = keccak256("a block without a range proof");
        bytes32 evilLeaf = Statement.leaf(0, tensorHash(evil));
        (bytes32 honestRoot,) = merkle(leaves(), 0);
        TaskSpec memory spec = taskSpec();
        spec.datasetRoot = pair(honestRoot, evilLeaf);
        TaskId task = createTask(spec);
        for (uint32 k; k < BLOCKS; ++k) {
            bytes32[] memory path = merkleProof(k);
            bytes32[] memory longer = new bytes32[](path.length + 1);
            for (uint256 j; j < path.length; ++j) {
                longer[j] = path[j];
            }
            longer[path.length] = evilLeaf;
            vm.expectRevert(
                abi.encodeWithSelector(
                    ITrainingLedger.BlockNotInDataset.selector, k, Statement.leaf(k, tensorHash(batch(k)))
                )
            );
            ledger.admit(task, k, longer, rangeEvidence(GENESIS, batch(k)));
        }
        bytes32[] memory short = new bytes32[](1);
        short[0] = honestRoot;
        vm.expectRevert(abi.encodeWithSelector(ITrainingLedger.BlockNotInDataset.selector, 0, evilLeaf));
        ledger.admit(task, 0, short, rangeEvidence(GENESIS, evil));
    }
}
