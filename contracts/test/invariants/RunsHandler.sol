// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitSpec, Evidence} from "../../src/interfaces/ICircuits.sol";
import {BlockProof, RunId, RunStatus, TaskId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {HonkFixture} from "../utils/HonkFixture.sol";

/// @dev Several actors push a few tasks and runs of both provers in any order, with honest and spoiled
/// calls mixed. Next to the ledger it keeps a model of its own, from accepted calls alone.
abstract contract RunsHandler is HonkFixture {
    struct Shadow {
        uint256 task;
        address payee;
        bytes32 head;
        bytes32 transcript;
        uint32 proofs;
        RunStatus status;
    }

    uint256 internal constant EZKL = 0;
    uint256 internal constant HONK = 1;
    /// Its step circuit may be retired.
    uint256 internal constant DEDICATED = 2;
    uint256 internal constant TASKS = 3;

    TaskId[] public tasks;
    RunId[] public runs;
    mapping(RunId => Shadow) public shadows;
    mapping(RunId => mapping(uint256 epoch => bytes32)) public checkpoints;
    /// Batch blocks that a run has visited in an epoch.
    mapping(RunId => mapping(uint256 epoch => uint256 bits)) public visited;
    mapping(uint256 task => uint256 bits) public admitted;
    bool public retired;
    uint256 public wronglyAccepted;
    uint256 public acceptedProofs;
    uint256 public acceptedAggregates;

    /// Cheat codes that move time do not outlive a call.
    uint256 internal clock;
    uint256 internal height;

    constructor() {
        (clock, height) = (block.timestamp, block.number);
        CircuitSpec memory circuit = dedicatedSpec();
        circuits.register(circuit);
        TaskSpec memory spec = rewarded(taskSpec());
        tasks.push(createTask(spec));
        tasks.push(createTask(rewarded(honkTaskSpec())));
        spec = taskSpec();
        spec.stepCircuit = circuits.circuitIdOf(circuit);
        tasks.push(createTask(spec));
        admitAll(tasks[EZKL]);
        admitted[EZKL] = (1 << BLOCKS) - 1;
    }

    modifier now_() {
        vm.warp(clock);
        vm.roll(height);
        _;
    }

    function rewarded(TaskSpec memory spec) internal view returns (TaskSpec memory) {
        (spec.reward, spec.deadline) = (1 ether, uint64(clock + 1000));
        return spec;
    }

    function actor(uint256 seed) public view returns (address) {
        return [sponsor, payee, stranger][seed % 3];
    }

    function count() public view returns (uint256) {
        return runs.length;
    }

    function ledgerOf() external view returns (address) {
        return address(ledger);
    }

    // --- actions ---

    function admit(uint32 index, uint256 which, bool honest) external now_ {
        uint256 task = which % 2 == 0 ? EZKL : DEDICATED;
        index = index % (BLOCKS + 1);
        Evidence memory evidence = rangeEvidence(GENESIS, batch(honest ? index : index + 1));
        try ledger.admit(tasks[task], index, merkleProof(index % BLOCKS), evidence) {
            if (!honest || index == BLOCKS || admitted[task] >> index & 1 == 1) ++wronglyAccepted;
            admitted[task] |= 1 << index;
        } catch {}
    }

    function open(uint256 who, uint256 forWhom, uint256 which, uint256 nonce) external now_ {
        (address caller, address to) = (actor(who), actor(forWhom));
        uint256 task = which % TASKS;
        vm.prank(caller);
        try ledger.openRun(tasks[task], to, nonce % 2) returns (RunId id) {
            if (caller != to && caller != sponsor) ++wronglyAccepted;
            if (task != HONK && admitted[task] != (1 << BLOCKS) - 1) ++wronglyAccepted;
            runs.push(id);
            bytes32 genesis = task == HONK ? name(GENESIS) : tensorHash(GENESIS);
            shadows[id] = Shadow(task, to, genesis, RunId.unwrap(id), 0, RunStatus.Open);
        } catch {}
    }

    function submit(uint256 who, uint256 which, uint256 how, uint256 size) external now_ {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        uint32 n = uint32(bound(size, 1, 8));
        how = how % 16 < 11 ? 0 : how % 16 - 10;
        if (s.proofs + n > TOTAL && how < 3) n = TOTAL - s.proofs;
        if (n == 0) return;
        BlockProof[] memory blocks = proofsOf(id, s, n);
        bool honest = spoilBlocks(blocks, how);
        vm.prank(actor(who));
        try ledger.submit(id, blocks) {
            if (!honest) ++wronglyAccepted;
            fold(id, s, n);
            acceptedProofs += n;
        } catch {}
    }

    function submitAggregate(uint256 who, uint256 which, uint256 how) external now_ {
        if (runs.length == 0) return;
        RunId id = runs[which % runs.length];
        Shadow storage s = shadows[id];
        if (s.proofs + PER_AGGREGATE > TOTAL) return;
        Evidence memory evidence = aggregateEvidence(id, s.proofs);
        bytes32[][] memory paths = aggregatePaths(id, s.proofs);
        how = how % 8 < 5 ? 0 : how % 8 - 4;
        if (how == 1) spoil(evidence);
        if (how == 2) replaceWord(evidence.proof, 4, bytes32(uint256(1))); // the second context
        if (how == 3) (paths[0], paths[1]) = (paths[1], paths[0]);
        bool honest = how == 0 || (how == 3 && keccak256(abi.encode(paths[0])) == keccak256(abi.encode(paths[1])));
        vm.prank(actor(who));
        try ledger.submitAggregate(id, paths, evidence) {
            if (!honest || s.task != HONK) ++wronglyAccepted;
            fold(id, s, PER_AGGREGATE);
            ++acceptedAggregates;
        } catch {}
    }

    /// Proofs that are good for one run, sent for another that stands at the same place.
    function replay(uint256 from, uint256 to) external now_ {
        if (runs.length < 2) return;
        (RunId source, RunId target) = (runs[from % runs.length], runs[to % runs.length]);
        Shadow storage s = shadows[target];
        if (RunId.unwrap(source) == RunId.unwrap(target) || s.proofs == TOTAL) return;
        if ((shadows[source].task == HONK) != (s.task == HONK)) return;
        BlockProof[] memory blocks = s.task == HONK
            ? honkBlockProofs(source, s.proofs, 1)
            : blockProofs(source, s.proofs, 1);
        if (s.task == DEDICATED) blocks[0].evidence.vka = new bytes32[](0);
        try ledger.submit(target, blocks) {
            ++wronglyAccepted;
        } catch {}
    }

    function retire(uint256 who) external now_ {
        if (who % 32 != 0 || retired) return;
        circuits.retire(circuits.circuitIdOf(dedicatedSpec()));
        retired = true;
    }

    // --- what an honest trainer sends, and lies about it ---

    function proofsOf(RunId id, Shadow storage s, uint32 n) private view returns (BlockProof[] memory blocks) {
        if (s.task == HONK) return honkBlockProofs(id, s.proofs, n);
        blocks = blockProofs(id, s.proofs, n);
        if (s.task == EZKL) return blocks;
        for (uint256 k; k < n; ++k) {
            blocks[k].evidence.vka = new bytes32[](0);
        }
    }

    /// @return honest Whether the last block proof was left alone.
    function spoilBlocks(BlockProof[] memory blocks, uint256 how) private pure returns (bool honest) {
        BlockProof memory last = blocks[blocks.length - 1];
        bytes memory proof = last.evidence.proof;
        if (how == 1) spoil(last.evidence); // an invalid proof
        if (how == 2) proof[proof.length > 300 ? 70 : 40] ^= 0x01; // another state in
        if (how == 3) proof[proof.length > 300 ? 130 : 70] ^= 0x01; // another batch block
        if (how == 4) proof[10] ^= 0x01; // another context
        if (how == 5) last.evidence.vka = new bytes32[](1); // another circuit
        return how == 0;
    }

    function fold(RunId id, Shadow storage s, uint32 n) private {
        if (s.status != RunStatus.Open || s.proofs + n > TOTAL) ++wronglyAccepted;
        if (s.task == DEDICATED && retired) ++wronglyAccepted;
        for (uint32 k; k < n; ++k) {
            uint256 index = blockIndex(id, s.proofs);
            uint256 epoch = s.proofs / BLOCKS;
            if (visited[id][epoch] >> index & 1 == 1) ++wronglyAccepted;
            visited[id][epoch] |= 1 << index;
            bytes32 reached = state(s.proofs + 1);
            bytes32 out = s.task == HONK ? name(reached) : tensorHash(reached);
            s.transcript = Statement.transcript(s.transcript, s.proofs, index, out);
            s.head = out;
            if (++s.proofs % BLOCKS == 0) checkpoints[id][s.proofs / BLOCKS] = out;
        }
    }
}
