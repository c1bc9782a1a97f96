// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BlockProof,
    ITrainingLedger,
    Run,
    RunId,
    RunStatus,
    TaskId,
    TaskSpec
} from "../../src/interfaces/ITrainingLedger.sol";
import {CircuitId, Evidence} from "../../src/interfaces/ICircuits.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {HonkFixture} from "../utils/HonkFixture.sol";
import {BAD_PROOF} from "../utils/MockVerifiers.sol";

/// @dev Cheat code of halmos: bytes that may be anything.
interface Symbolic {
    function createBytes(uint256 size, string calldata name) external returns (bytes memory);
}

/// @dev Proven by `make halmos` for every value of the arguments. The verifier is the mock, which accepts
/// what does not end in BAD_PROOF: what is proven is about the ledger and the gateway. Lengths are concrete,
/// those of a valid call; whatever else call data may look like is tried in tests/attacks/test_call_data.py.
contract LedgerProofs is HonkFixture {
    Symbolic private constant SVM = Symbolic(address(uint160(uint256(keccak256("svm cheat code")))));

    /// The run that is looked at, its task, another run of the task, and a task that others share nothing with.
    RunId private run;
    TaskId private task;
    RunId private second;
    TaskId private admitting;

    function setUp() public {
        run = openHonkRun(honkTaskSpec(), 0);
        ledger.submit(run, honkBlockProofs(run, 0, 1));
        task = ledger.run(run).taskId;
        vm.prank(payee);
        second = ledger.openRun(task, payee, 1);
        admitting = createTask(taskSpec());
        owe(sponsor);
    }

    /// A reward that nobody earned, so that there is something to withdraw.
    function owe(address to) private {
        TaskSpec memory spec = honkTaskSpec();
        (spec.reward, spec.deadline) = (1 ether, uint64(block.timestamp));
        TaskId abandoned = createTask(spec);
        vm.warp(block.timestamp + 1);
        ledger.reclaim(abandoned);
        assert(ledger.creditOf(to) == 1 ether);
    }

    /// A block proof of any words is rejected and changes nothing; or it is accepted, and then it started
    /// from the head, was made for this run, place and payee, over the batch block that is due, was not
    /// refused by the verifier, and the run is exactly one step further.
    function check_submit_moves_the_head_by_a_verified_step_only(
        uint256 context,
        bytes32 stateIn,
        bytes32 batch_,
        bytes32 stateOut,
        bytes32 last,
        address caller
    ) public {
        Run memory before = ledger.run(run);
        uint256 due = blockIndex(run, before.proofs);
        BlockProof[] memory blocks = one(blockOf(context, stateIn, batch_, stateOut, last, due));
        bytes32 untouched = digest(run);
        vm.prank(caller);
        (bool ok,) = address(ledger).call(abi.encodeCall(ITrainingLedger.submit, (run, blocks)));
        if (!ok) {
            assert(digest(run) == untouched);
            return;
        }
        Run memory moved = ledger.run(run);
        assert(keccak256(abi.encode(stateIn)) == before.head);
        assert(context == Statement.stepContext(address(ledger), run, before.proofs, payee));
        assert(keccak256(abi.encode(batch_)) == name(batch(due)));
        assert(last != BAD_PROOF);
        assert(moved.head == keccak256(abi.encode(stateOut)));
        assert(moved.transcript == Statement.transcript(before.transcript, before.proofs, due, moved.head));
        assert(moved.proofs == before.proofs + 1);
        assert(moved.payee == before.payee && moved.status == RunStatus.Open);
    }

    /// The path is part of the proof as well: with any path of the tree's height the batch is the one due.
    function check_no_path_admits_another_batch(bytes32[3] memory path, bytes32 batch_) public {
        Run memory before = ledger.run(run);
        uint256 due = blockIndex(run, before.proofs);
        uint256 context = ledger.contextOf(run, before.proofs);
        BlockProof[] memory blocks = one(blockOf(context, word(state(1)), batch_, word(state(2)), 0, due));
        blocks[0].merkleProof = new bytes32[](honkPath(due).length);
        for (uint256 k; k < blocks[0].merkleProof.length; ++k) {
            blocks[0].merkleProof[k] = path[k];
        }
        (bool ok,) = address(ledger).call(abi.encodeCall(ITrainingLedger.submit, (run, blocks)));
        if (ok) assert(batch_ == word(batch(due)));
        else assert(ledger.run(run).head == before.head);
    }

    /// Two block proofs in a transaction: both or none.
    function check_two_block_proofs_are_taken_whole_or_not_at_all(
        bytes32 stateOut,
        bytes32 stateIn,
        bytes32 last
    ) public {
        uint256 context = ledger.contextOf(run, 1);
        BlockProof[] memory blocks = new BlockProof[](2);
        uint256 due = blockIndex(run, 1);
        blocks[0] = blockOf(context, word(state(1)), word(batch(due)), stateOut, 0, due);
        context = ledger.contextOf(run, 2);
        due = blockIndex(run, 2);
        blocks[1] = blockOf(context, stateIn, word(batch(due)), word(state(3)), last, due);
        bytes32 untouched = digest(run);
        (bool ok,) = address(ledger).call(abi.encodeCall(ITrainingLedger.submit, (run, blocks)));
        if (!ok) {
            assert(digest(run) == untouched);
            return;
        }
        assert(stateIn == stateOut);
        assert(last != BAD_PROOF);
        assert(ledger.run(run).head == name(state(3)) && ledger.run(run).proofs == 3);
    }

    /// An aggregate is rejected and changes nothing, or it started from the head, for this run's next places
    /// and over the blocks that are due there. One of its places has any words, the others an honest trainer's.
    function check_an_aggregate_moves_the_head_by_verified_steps_only(
        bytes32 stateIn,
        bytes32 context,
        bytes32 batch_,
        bytes32 stateOut,
        bytes32 last,
        uint256 which
    ) public {
        for (uint32 k; k < PER_AGGREGATE; ++k) {
            if (which == k) aggregateWith(stateIn, [context, batch_, stateOut], last, k);
        }
    }

    function aggregateWith(bytes32 stateIn, bytes32[3] memory words, bytes32 last, uint32 k) private {
        Run memory before = ledger.run(run);
        Evidence memory evidence = aggregateEvidence(run, before.proofs);
        bytes memory proof = evidence.proof;
        replaceWord(proof, 0, stateIn);
        for (uint256 j; j < 3; ++j) {
            replaceWord(proof, 1 + 3 * k + j, words[j]);
        }
        replaceWord(proof, proof.length / 32 - 1, last);
        bytes memory data = abi.encodeCall(
            ITrainingLedger.submitAggregate, (run, aggregatePaths(run, before.proofs), evidence)
        );
        bytes32 untouched = digest(run);
        (bool ok,) = address(ledger).call(data);
        if (!ok) {
            assert(digest(run) == untouched);
            return;
        }
        uint32 place = before.proofs + k;
        assert(keccak256(abi.encode(stateIn)) == before.head);
        assert(uint256(words[0]) == Statement.stepContext(address(ledger), run, place, payee));
        assert(words[1] == word(batch(blockIndex(run, place))));
        assert(last != BAD_PROOF);
        Run memory moved = ledger.run(run);
        assert(moved.head == (k + 1 == PER_AGGREGATE ? keccak256(abi.encode(words[2])) : name(state(5))));
        assert(moved.proofs == before.proofs + PER_AGGREGATE);
    }

    /// Proofs for another run of the same task and payee, of any words, move no head but that run's.
    function check_another_runs_proofs_move_no_head(
        uint256 context,
        bytes32 stateIn,
        bytes32 batch_,
        bytes32 stateOut
    ) public {
        BlockProof[] memory blocks =
            one(blockOf(context, stateIn, batch_, stateOut, 0, blockIndex(second, 0)));
        keepsTheHead(abi.encodeCall(ITrainingLedger.submit, (second, blocks)), address(this), 0);
    }

    /// Whatever names a task or a run that there is not is refused, for every such id.
    function check_unknown_ids_are_refused(bytes32 id, address payee_, uint256 nonce, address caller) public {
        vm.assume(id != TaskId.unwrap(task) && id != TaskId.unwrap(admitting));
        vm.assume(id != RunId.unwrap(run) && id != RunId.unwrap(second));
        (TaskId t, RunId r) = (TaskId.wrap(id), RunId.wrap(id));
        Evidence memory evidence = anyEvidence();
        BlockProof[] memory blocks = one(BlockProof(new bytes32[](3), evidence));
        refused(abi.encodeCall(ITrainingLedger.admit, (t, 0, new bytes32[](3), evidence)), caller);
        refused(abi.encodeCall(ITrainingLedger.seal, (t, evidence.proof)), caller);
        refused(abi.encodeCall(ITrainingLedger.rearm, (t)), caller);
        refused(abi.encodeCall(ITrainingLedger.openRun, (t, payee_, nonce)), caller);
        refused(abi.encodeCall(ITrainingLedger.reclaim, (t)), caller);
        refused(abi.encodeCall(ITrainingLedger.submit, (r, blocks)), caller);
        refused(abi.encodeCall(ITrainingLedger.submitAggregate, (r, new bytes32[][](4), evidence)), caller);
        refused(abi.encodeCall(ITrainingLedger.finalise, (r)), caller);
        refused(abi.encodeCall(ITrainingLedger.abort, (r)), caller);
    }

    function check_closing_this_run_moves_no_head(address caller, uint64 time) public {
        vm.warp(time);
        keepsTheHead(abi.encodeCall(ITrainingLedger.finalise, (run)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.abort, (run)), caller, 0);
    }

    function check_its_task_moves_no_head(address caller, address payee_, uint256 nonce, uint64 time) public {
        vm.warp(time);
        keepsTheHead(abi.encodeCall(ITrainingLedger.openRun, (task, payee_, nonce)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.rearm, (task)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.reclaim, (task)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.seal, (task, anyEvidence().proof)), caller, 0);
    }

    /// Admission of blocks, with a range proof of any bytes, moves no head.
    function check_admission_moves_no_head(uint32 index, bytes32[3] memory path, address caller) public {
        bytes32[] memory siblings = new bytes32[](3);
        for (uint256 k; k < 3; ++k) {
            siblings[k] = path[k];
        }
        bytes memory proof = SVM.createBytes(PROOF_LENGTH, "proof");
        Evidence memory evidence = Evidence(proof, new uint256[](0), vka);
        keepsTheHead(abi.encodeCall(ITrainingLedger.admit, (admitting, index, siblings, evidence)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.admit, (task, index, siblings, evidence)), caller, 0);
    }

    /// Nor does a new task of circuits that there are with any other words in its specification, and any ether.
    function check_a_new_task_moves_no_head(TaskSpec memory spec, address caller, uint128 value) public {
        (spec.stepCircuit, spec.rangeCircuit) = (honkStep, CircuitId.wrap(0));
        (spec.inferenceCircuit, spec.aggregateCircuit) = (honkInference, CircuitId.wrap(0));
        keepsTheHead(abi.encodeCall(ITrainingLedger.createTask, (spec)), caller, value);
    }

    /// For every id but those that are registered.
    function check_a_task_of_an_unknown_circuit_is_refused(bytes32 id, address caller) public {
        vm.assume(id != CircuitId.unwrap(step) && id != CircuitId.unwrap(honkStep));
        vm.assume(id != CircuitId.unwrap(range) && id != CircuitId.unwrap(aggregate));
        vm.assume(id != CircuitId.unwrap(inference) && id != CircuitId.unwrap(honkInference));
        TaskSpec memory spec = honkTaskSpec();
        spec.stepCircuit = CircuitId.wrap(id);
        refused(abi.encodeCall(ITrainingLedger.createTask, (spec)), caller);
        spec = honkTaskSpec();
        spec.inferenceCircuit = CircuitId.wrap(id);
        refused(abi.encodeCall(ITrainingLedger.createTask, (spec)), caller);
        vm.assume(id != 0);
        spec = honkTaskSpec();
        spec.aggregateCircuit = CircuitId.wrap(id);
        refused(abi.encodeCall(ITrainingLedger.createTask, (spec)), caller);
    }

    function check_a_withdrawal_moves_no_head(address caller) public {
        keepsTheHead(abi.encodeCall(ITrainingLedger.withdraw, ()), caller, 0);
    }

    function digest(RunId id) private view returns (bytes32) {
        return keccak256(abi.encode(ledger.run(id)));
    }

    /// Evidence of a step proof's length in which every word may be anything.
    function anyEvidence() private returns (Evidence memory) {
        bytes memory proof = SVM.createBytes(4 * 32 + ARGUMENT, "proof");
        return Evidence(proof, new uint256[](0), new bytes32[](0));
    }

    function blockOf(
        uint256 context,
        bytes32 stateIn,
        bytes32 batch_,
        bytes32 stateOut,
        bytes32 last,
        uint256 due
    ) private pure returns (BlockProof memory) {
        bytes memory words = abi.encode(context, stateIn, batch_, stateOut, bytes32(0), bytes32(0), last);
        return BlockProof(honkPath(due), Evidence(words, new uint256[](0), new bytes32[](0)));
    }

    function refused(bytes memory data, address caller) private {
        bytes32 untouched = digest(run);
        vm.prank(caller);
        (bool ok,) = address(ledger).call(data);
        assert(!ok);
        assert(digest(run) == untouched);
    }

    function keepsTheHead(bytes memory data, address caller, uint256 value) private {
        Run memory before = ledger.run(run);
        vm.deal(caller, value);
        vm.prank(caller);
        (bool ok,) = address(ledger).call{value: value}(data);
        ok; // either way
        Run memory after_ = ledger.run(run);
        assert(after_.head == before.head);
        assert(after_.transcript == before.transcript);
        assert(after_.proofs == before.proofs);
        assert(after_.payee == before.payee);
    }
}
