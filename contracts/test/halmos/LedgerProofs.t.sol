// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockProof, ITrainingLedger, Run, RunId, RunStatus, TaskId} from "../../src/interfaces/ITrainingLedger.sol";
import {Evidence} from "../../src/interfaces/ICircuits.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {HonkFixture} from "../utils/HonkFixture.sol";
import {BAD_PROOF} from "../utils/MockVerifiers.sol";

/// @dev Cheat code of halmos: call data of any function of a contract, with any arguments.
interface Symbolic {
    function createCalldata(string calldata contractName) external returns (bytes memory);
}

/// @dev Proven by `make halmos` for every value of the arguments. The verifier is the mock, which accepts
/// what does not end in BAD_PROOF: what is proven is about the ledger and the gateway.
contract LedgerProofs is HonkFixture {
    Symbolic private constant SVM = Symbolic(address(uint160(uint256(keccak256("svm cheat code")))));

    RunId private run;

    function setUp() public {
        run = openHonkRun(honkTaskSpec(), 0);
        ledger.submit(run, honkBlockProofs(run, 0, 1));
    }

    function digest() private view returns (bytes32) {
        return keccak256(abi.encode(ledger.run(run)));
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
        BlockProof[] memory blocks = new BlockProof[](1);
        blocks[0].merkleProof = honkPath(due);
        bytes memory words = abi.encode(context, stateIn, batch_, stateOut, bytes32(0), bytes32(0), last);
        blocks[0].evidence = Evidence(words, new uint256[](0), new bytes32[](0));
        bytes32 untouched = digest();
        vm.prank(caller);
        (bool ok,) = address(ledger).call(abi.encodeCall(ITrainingLedger.submit, (run, blocks)));
        if (!ok) {
            assert(digest() == untouched);
            return;
        }
        Run memory moved = ledger.run(run);
        assert(keccak256(abi.encode(stateIn)) == before.head);
        assert(context == Statement.stepContext(address(ledger), run, before.proofs, payee));
        assert(keccak256(abi.encode(batch_)) == name(batch(due)));
        assert(last != BAD_PROOF);
        assert(moved.head == keccak256(abi.encode(stateOut)));
        assert(moved.proofs == before.proofs + 1);
        assert(moved.payee == before.payee && moved.status == RunStatus.Open);
    }

    /// No call by anybody but `submit` and `submitAggregate` moves a head, a transcript or a count: any
    /// function with any arguments. For the ids of unknown tasks and runs, whose code halmos can't know;
    /// what names this run and its task is below.
    function check_nothing_else_moves_a_head(address caller, uint128 value) public {
        bytes memory data = SVM.createCalldata("TrainingLedger");
        bytes4 selector = bytes4(data);
        if (selector == ITrainingLedger.submit.selector) return;
        if (selector == ITrainingLedger.submitAggregate.selector) return;
        keepsTheHead(data, caller, value);
    }

    function check_closing_this_run_moves_no_head(address caller) public {
        keepsTheHead(abi.encodeCall(ITrainingLedger.finalise, (run)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.abort, (run)), caller, 0);
    }

    function check_its_task_moves_no_head(address caller, address payee_, uint256 nonce, uint64 time) public {
        TaskId task = ledger.run(run).taskId;
        vm.warp(time);
        keepsTheHead(abi.encodeCall(ITrainingLedger.openRun, (task, payee_, nonce)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.rearm, (task)), caller, 0);
        keepsTheHead(abi.encodeCall(ITrainingLedger.reclaim, (task)), caller, 0);
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
