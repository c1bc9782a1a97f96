// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../src/interfaces/ICircuits.sol";
import {BlockProof, Run, RunId, RunStatus, Task, TaskId, TaskSpec} from "../src/interfaces/ITrainingLedger.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Fixture} from "./utils/Fixture.sol";

/// @dev Several actors push two tasks and a handful of runs in any order, with honest and spoiled
/// calls mixed. Next to the ledger it keeps a model of its own, from accepted calls alone.
contract Handler is Fixture {
    struct Shadow {
        bytes32 head;
        bytes32 transcript;
        uint32 proofs;
        RunStatus status;
    }

    TaskId[] public tasks;
    RunId[] public runs;
    mapping(RunId => Shadow) public shadows;
    uint256 public accepted;
    uint256 public wronglyAccepted;

    constructor() {
        for (uint256 k; k < 2; ++k) {
            TaskSpec memory spec = taskSpec();
            spec.salt = bytes32(k);
            tasks.push(createTask(spec));
        }
        admitAll(tasks[0]);
    }

    function count() external view returns (uint256) {
        return runs.length;
    }

    function actor(uint256 seed) private view returns (address) {
        return [sponsor, payee, stranger][seed % 3];
    }

    function runOf(RunId id) external view returns (Run memory) {
        return ledger.run(id);
    }

    function taskOf(uint256 k) external view returns (Task memory) {
        return ledger.task(tasks[k]);
    }

    function isAdmitted(uint256 k, uint32 index) external view returns (bool) {
        return ledger.isAdmitted(tasks[k], index);
    }

    function admit(uint32 index, uint256 which, bool honest) external {
        index = index % (BLOCKS + 1);
        Evidence memory evidence = rangeEvidence(GENESIS, batch(honest ? index : index + 1));
        try ledger.admit(tasks[which % 2], index, merkleProof(index % BLOCKS), evidence) {
            if (!honest) ++wronglyAccepted;
        } catch {}
    }

    function open(uint256 who, uint256 forWhom, uint256 which, uint256 nonce) external {
        (address caller, address to) = (actor(who), actor(forWhom));
        vm.prank(caller);
        try ledger.openRun(tasks[which % 2], to, nonce % 2) returns (RunId id) {
            if (caller != to && caller != sponsor) ++wronglyAccepted;
            runs.push(id);
            shadows[id] = Shadow(tensorHash(GENESIS), RunId.unwrap(id), 0, RunStatus.Open);
        } catch {}
    }

    function submit(uint256 who, uint256 which, uint256 spoiledBy, uint256 size) external {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        uint32 n = uint32(bound(size, 1, 8));
        if (s.proofs + n > TOTAL && spoiledBy % 16 < 12) n = TOTAL - s.proofs;
        if (n == 0) return;
        BlockProof[] memory blocks = blockProofs(id, s.proofs, n);
        bool honest = spoil(blocks, spoiledBy % 16 < 11 ? 0 : spoiledBy % 16 - 10, id);
        vm.prank(actor(who));
        try ledger.submit(id, blocks) {
            if (!honest || s.status != RunStatus.Open || s.proofs + n > TOTAL) ++wronglyAccepted;
            ++accepted;
            for (uint32 k; k < n; ++k) {
                uint256 index = blockIndex(id, s.proofs);
                bytes32 out = tensorHash(state(s.proofs + 1));
                s.transcript = Statement.transcript(s.transcript, s.proofs, index, out);
                s.head = out;
                ++s.proofs;
            }
        } catch {}
    }

    /// @return honest Whether the last block proof was left alone.
    function spoil(BlockProof[] memory blocks, uint256 how, RunId id) private view returns (bool honest) {
        BlockProof memory last = blocks[blocks.length - 1];
        if (how == 1) spoil(last.evidence); // an invalid proof
        if (how == 2) last.evidence.proof[70] ^= 0x01; // another state in
        if (how == 3) last.evidence.proof[130] ^= 0x01; // another batch block
        if (how == 4) last.evidence.vka[0] ^= bytes32(uint256(1)); // another circuit
        if (how == 5) {
            // Made for another run; the same bytes would be honest.
            RunId other = RunId.wrap(keccak256(abi.encode(id)));
            bytes memory point_ = contextPoint(Statement.stepContext(address(ledger), other, 0, payee));
            for (uint256 k; k < 64; ++k) {
                last.evidence.proof[k] = point_[k];
            }
        }
        return how == 0;
    }

    function finalise(uint256 which) external {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        try ledger.finalise(id) {
            if (s.proofs != TOTAL || s.status != RunStatus.Open) ++wronglyAccepted;
            s.status = RunStatus.Finalised;
        } catch {}
    }

    function abort(uint256 who, uint256 which) external {
        // Rare, or no run would ever be finished.
        if (runs.length < 3 || who % 8 != 0) return;
        RunId id = runs[which % runs.length];
        address caller = actor(who / 8);
        Shadow storage s = shadows[id];
        vm.prank(caller);
        try ledger.abort(id) {
            if (caller != ledger.run(id).payee || s.status != RunStatus.Open) ++wronglyAccepted;
            s.status = RunStatus.Aborted;
        } catch {}
    }
}

contract InvariantsTest is Fixture {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_nothing_spoiled_is_accepted() public view {
        assertEq(handler.wronglyAccepted(), 0);
    }

    /// Head, transcript, count and status are the fold of the accepted calls and of nothing else, so a
    /// rejected call changes nothing, and closed runs never change.
    function invariant_runs_equal_the_fold_of_accepted_proofs() public view {
        for (uint256 k; k < handler.count(); ++k) {
            RunId id = handler.runs(k);
            Run memory run = handler.runOf(id);
            (bytes32 head, bytes32 transcript, uint32 proofs, RunStatus status) = handler.shadows(id);
            assertEq(run.head, head);
            assertEq(run.transcript, transcript);
            assertEq(run.proofs, proofs);
            assertEq(uint256(run.status), uint256(status));
            assertTrue(run.proofs <= TOTAL, "never past the total");
            assertTrue(run.status != RunStatus.Finalised || run.proofs == TOTAL, "finalised implies complete");
        }
    }

    function invariant_admissions_equal_their_bits() public view {
        for (uint256 k; k < 2; ++k) {
            uint256 bits;
            for (uint32 index; index < BLOCKS; ++index) {
                if (handler.isAdmitted(k, index)) ++bits;
            }
            assertEq(handler.taskOf(k).admitted, bits);
        }
    }
}
