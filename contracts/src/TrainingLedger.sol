// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockClaim, CircuitId, Claim, Evidence, ICircuits} from "./interfaces/ICircuits.sol";
import {
    BlockProof,
    ITrainingLedger,
    Run,
    RunId,
    RunStatus,
    Task,
    TaskId,
    TaskSpec
} from "./interfaces/ITrainingLedger.sol";
import {Escrow} from "./Escrow.sol";
import {CodeStore} from "./libraries/CodeStore.sol";
import {EvidenceCall} from "./libraries/EvidenceCall.sol";
import {Header} from "./libraries/Header.sol";
import {KeyedStore} from "./libraries/KeyedStore.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";
import {Progress} from "./libraries/Progress.sol";
import {Shuffle} from "./libraries/Shuffle.sol";
import {Statement} from "./libraries/Statement.sol";
import {TaskRules} from "./libraries/TaskRules.sol";

/// @title TrainingLedger
/// @notice See {ITrainingLedger}.
contract TrainingLedger is Escrow {
    /// @dev What of a task can change. Its spec and its sponsor are kept as code.
    struct TaskEntry {
        address words;
        uint48 seedBlock;
        uint32 admitted;
        uint16 rearms;
        bytes32 seed;
        uint128 escrow;
        uint32 waiting;
    }

    /// @dev What of a run can change. The rest, {Terms}, is kept as code under the run's id.
    struct RunEntry {
        bytes32 head;
        /// Transcript, status and count: see Progress.
        bytes32 progress;
    }

    /// @dev What of a run is fixed when it opens, and all that a block proof is measured against.
    struct Terms {
        TaskId taskId;
        address payee;
        CircuitId stepCircuit;
        CircuitId aggregateCircuit;
        bytes32 datasetRoot;
        bytes32 seed;
        uint32 blocksPerEpoch;
        uint32 totalProofs;
        /// Whether the task was created with a reward.
        bool rewarded;
    }

    /// @dev A run being advanced: read from storage once, written back once.
    struct Cursor {
        RunId runId;
        bytes32 head;
        bytes32 transcript;
        uint256 i;
    }

    using Progress for bytes32;

    /// @dev EIP-7825 caps a transaction at 16,777,216 gas; a proof costs up to 0.8 million.
    uint256 private constant MAX_BLOCK_PROOFS = 8;
    /// @dev How far back BLOCKHASH reaches.
    uint256 private constant BLOCKHASH_WINDOW = 256;
    uint256 private constant SPEC_WORDS = 16;
    uint256 private constant TERMS_WORDS = 9;

    /// @inheritdoc ITrainingLedger
    ICircuits public immutable circuits;

    mapping(TaskId => TaskEntry) private _tasks;
    mapping(RunId => RunEntry) private _runs;
    /// @dev One bit per admitted batch block.
    mapping(TaskId => mapping(uint256 word => uint256 bits)) private _admitted;
    mapping(RunId => mapping(uint256 epoch => bytes32)) private _checkpoints;

    constructor(ICircuits circuits_) {
        circuits = circuits_;
    }

    /// @inheritdoc ITrainingLedger
    function createTask(TaskSpec calldata spec) external payable returns (TaskId taskId) {
        TaskRules.requireSound(spec);
        _requireParent(spec);
        TaskRules.requireCircuits(circuits, spec);
        if (msg.value != spec.reward) revert WrongValue(spec.reward, msg.value);
        taskId = taskIdOf(msg.sender, spec);
        TaskEntry storage t = _tasks[taskId];
        if (t.words != address(0)) revert TaskExists(taskId);

        t.words = CodeStore.write(abi.encode(spec, msg.sender));
        if (spec.reward != 0) t.escrow = spec.reward;
        uint256 seedBlock;
        if (spec.seedDelay > 0) {
            seedBlock = block.number + spec.seedDelay;
            // forge-lint: disable-next-line(unsafe-typecast)
            t.seedBlock = uint48(seedBlock);
        }
        emit TaskCreated(taskId, msg.sender, spec, seedBlock);
        if (spec.seedDelay == 0) _seal(taskId, t, spec.declaredSeed);
    }

    /// @inheritdoc ITrainingLedger
    function admit(TaskId taskId, uint32 index, bytes32[] calldata merkleProof, Evidence calldata evidence)
        external
    {
        TaskEntry storage t = _task(taskId);
        (TaskSpec memory spec,) = _words(t);
        CircuitId circuit = spec.rangeCircuit;
        if (TaskRules.isNone(circuit)) revert NothingToAdmit(taskId);
        if (index >= spec.blocksPerEpoch) revert IndexOutOfRange(index, spec.blocksPerEpoch);
        if (isAdmitted(taskId, index)) revert AlreadyAdmitted(index);

        Claim memory claim = circuits.claimOf(circuit, evidence.proof);
        if (claim.stateIn != spec.genesis) revert WrongGenesis(spec.genesis, claim.stateIn);
        _requireInDataset(spec.datasetRoot, spec.blocksPerEpoch, index, claim.batch, merkleProof);
        circuits.check(circuit, 0, evidence);

        _admitted[taskId][index >> 8] |= uint256(1) << (index & 0xff);
        ++t.admitted;
        emit BlockAdmitted(taskId, index, claim.batch);
    }

    /// @inheritdoc ITrainingLedger
    function seal(TaskId taskId, bytes calldata headerRlp) external {
        TaskEntry storage t = _task(taskId);
        if (t.seed != 0) revert AlreadySealed(taskId);
        uint256 seedBlock = t.seedBlock;
        if (block.number <= seedBlock) revert SeedBlockPending(seedBlock);
        bytes32 hash = blockhash(seedBlock);
        if (hash == 0) revert SeedBlockExpired(seedBlock);
        if (keccak256(headerRlp) != hash) revert WrongHeader(seedBlock);
        (uint256 number, bytes32 mixHash) = Header.parse(headerRlp);
        if (number != seedBlock) revert WrongHeader(seedBlock);
        _seal(taskId, t, mixHash);
    }

    /// @inheritdoc ITrainingLedger
    function rearm(TaskId taskId) external {
        TaskEntry storage t = _task(taskId);
        if (t.seed != 0) revert AlreadySealed(taskId);
        uint256 seedBlock = t.seedBlock;
        if (block.number <= seedBlock + BLOCKHASH_WINDOW) revert SeedBlockAvailable(seedBlock);
        (TaskSpec memory spec,) = _words(t);
        seedBlock = block.number + spec.seedDelay;
        // forge-lint: disable-next-line(unsafe-typecast)
        t.seedBlock = uint48(seedBlock);
        uint16 rearms = ++t.rearms;
        emit TaskRearmed(taskId, seedBlock, rearms);
    }

    /// @inheritdoc ITrainingLedger
    function openRun(TaskId taskId, address payee, uint256 nonce) external returns (RunId runId) {
        TaskEntry storage t = _task(taskId);
        (TaskSpec memory spec, address sponsor) = _words(t);
        if (payee == address(0)) revert PayeeIsZero();
        if (msg.sender != payee && msg.sender != sponsor) revert NotAllowed(msg.sender);
        if (t.seed == 0) revert NotSealed(taskId);
        if (!TaskRules.isNone(spec.rangeCircuit) && t.admitted != spec.blocksPerEpoch) {
            revert AdmissionIncomplete(t.admitted, spec.blocksPerEpoch);
        }
        if (spec.deadline != 0 && block.timestamp > spec.deadline) {
            revert DeadlinePassed(spec.deadline, block.timestamp);
        }

        runId = runIdOf(taskId, payee, nonce);
        RunEntry storage r = _runs[runId];
        if (r.progress.status() != RunStatus.None) revert RunExists(runId);
        r.head = spec.genesis;
        r.progress = Progress.pack(RunId.unwrap(runId), RunStatus.Open, 0);
        KeyedStore.write(
            RunId.unwrap(runId),
            abi.encode(
                Terms({
                    taskId: taskId,
                    payee: payee,
                    stepCircuit: spec.stepCircuit,
                    aggregateCircuit: spec.aggregateCircuit,
                    datasetRoot: spec.datasetRoot,
                    seed: t.seed,
                    blocksPerEpoch: spec.blocksPerEpoch,
                    totalProofs: spec.totalProofs,
                    rewarded: spec.reward != 0
                })
            )
        );
        emit RunOpened(runId, taskId, payee, nonce);
    }

    /// @inheritdoc ITrainingLedger
    /// @dev The gateway is called by STATICCALL, so nothing can re-enter between reading the head and writing it.
    function submit(RunId runId, BlockProof[] calldata blocks) external {
        (RunEntry storage r, bytes32 progress) = _openRun(runId);
        Terms memory terms = _terms(runId);
        if (blocks.length == 0 || blocks.length > MAX_BLOCK_PROOFS) {
            revert BlockProofCount(blocks.length, MAX_BLOCK_PROOFS);
        }
        Cursor memory c = _cursor(runId, r.head, progress, terms, blocks.length);
        for (uint256 k; k < blocks.length; ++k) {
            BlockProof calldata next = blocks[k];
            BlockClaim memory said = EvidenceCall.checkBlock(
                circuits, terms.stepCircuit, c.head, _context(c, terms, 0), next.evidence
            );
            _move(c, terms, said, next.merkleProof);
        }
        _store(r, c, terms);
    }

    /// @inheritdoc ITrainingLedger
    function submitAggregate(RunId runId, bytes32[][] calldata merkleProofs, Evidence calldata evidence)
        external
    {
        (RunEntry storage r, bytes32 progress) = _openRun(runId);
        Terms memory terms = _terms(runId);
        if (TaskRules.isNone(terms.aggregateCircuit)) revert NoAggregateCircuit(terms.taskId);
        uint256 count = merkleProofs.length;
        Cursor memory c = _cursor(runId, r.head, progress, terms, count);
        uint256[] memory contexts = new uint256[](count);
        for (uint256 k; k < count; ++k) {
            contexts[k] = _context(c, terms, k);
        }
        BlockClaim[] memory said = circuits.checkBlocks(terms.aggregateCircuit, c.head, contexts, evidence);
        for (uint256 k; k < count; ++k) {
            _move(c, terms, said[k], merkleProofs[k]);
        }
        _store(r, c, terms);
    }

    /// @inheritdoc ITrainingLedger
    function finalise(RunId runId) external {
        (RunEntry storage r, bytes32 progress) = _openRun(runId);
        Terms memory terms = _terms(runId);
        uint32 proofs = progress.proofs();
        if (proofs != terms.totalProofs) revert RunIncomplete(proofs, terms.totalProofs);
        r.progress = Progress.pack(progress.transcript(), RunStatus.Finalised, proofs);
        emit RunFinalised(runId, r.head, progress.transcript());
        if (!terms.rewarded) return;
        TaskEntry storage t = _tasks[terms.taskId];
        --t.waiting;
        uint256 amount = t.escrow;
        if (amount == 0) return; // an earlier run earned it
        t.escrow = 0;
        _credit(terms.payee, amount);
        emit RewardEarned(terms.taskId, runId, terms.payee, amount);
    }

    /// @inheritdoc ITrainingLedger
    function abort(RunId runId) external {
        (RunEntry storage r, bytes32 progress) = _openRun(runId);
        Terms memory terms = _terms(runId);
        uint32 proofs = progress.proofs();
        bool complete = proofs == terms.totalProofs;
        if (msg.sender != terms.payee) {
            (TaskSpec memory spec, address sponsor) = _words(_tasks[terms.taskId]);
            if (msg.sender != sponsor) revert NotAllowed(msg.sender);
            if (spec.deadline == 0 || block.timestamp <= spec.deadline) {
                revert DeadlineNotReached(spec.deadline, block.timestamp);
            }
            // Every step is proven: nobody may take that from the payee before `finalise` is mined.
            if (complete) revert RunComplete(runId);
        }
        r.progress = Progress.pack(progress.transcript(), RunStatus.Aborted, proofs);
        if (complete && terms.rewarded) --_tasks[terms.taskId].waiting;
        emit RunAborted(runId, proofs);
    }

    /// @inheritdoc ITrainingLedger
    function reclaim(TaskId taskId) external {
        TaskEntry storage t = _task(taskId);
        uint256 amount = t.escrow;
        if (amount == 0) revert NothingEscrowed(taskId);
        (TaskSpec memory spec, address sponsor) = _words(t);
        if (block.timestamp <= spec.deadline) revert DeadlineNotReached(spec.deadline, block.timestamp);
        if (t.waiting != 0) revert RunWaiting(taskId, t.waiting);
        t.escrow = 0;
        _credit(sponsor, amount);
        emit RewardReclaimed(taskId, sponsor, amount);
    }

    /// @inheritdoc ITrainingLedger
    function task(TaskId taskId) external view returns (Task memory answer) {
        TaskEntry storage t = _task(taskId);
        (answer.spec, answer.sponsor) = _words(t);
        answer.seed = t.seed;
        answer.seedBlock = t.seedBlock;
        answer.admitted = t.admitted;
        answer.rearms = t.rearms;
        answer.escrow = t.escrow;
        answer.waiting = t.waiting;
    }

    /// @inheritdoc ITrainingLedger
    function run(RunId runId) external view returns (Run memory) {
        (RunEntry storage r, bytes32 progress) = _run(runId);
        Terms memory terms = _terms(runId);
        return Run({
            taskId: terms.taskId,
            head: r.head,
            transcript: progress.transcript(),
            payee: terms.payee,
            proofs: progress.proofs(),
            status: progress.status()
        });
    }

    /// @inheritdoc ITrainingLedger
    function pendingWords() external view {
        KeyedStore.pending(TERMS_WORDS);
    }

    /// @inheritdoc ITrainingLedger
    function expectedBlock(RunId runId) external view returns (uint32 index) {
        (RunEntry storage r, bytes32 progress) = _openRun(runId);
        Terms memory terms = _terms(runId);
        return _expectedBlock(_cursor(runId, r.head, progress, terms, 1), terms);
    }

    /// @inheritdoc ITrainingLedger
    function contextOf(RunId runId, uint32 i) external view returns (uint256) {
        _run(runId);
        return Statement.stepContext(address(this), runId, i, _terms(runId).payee);
    }

    /// @inheritdoc ITrainingLedger
    function seedOf(TaskId taskId) external view returns (bytes32 seed) {
        seed = _task(taskId).seed;
        if (seed == 0) revert NotSealed(taskId);
    }

    /// @inheritdoc ITrainingLedger
    function escrowOf(TaskId taskId) external view returns (uint256) {
        return _task(taskId).escrow;
    }

    /// @inheritdoc ITrainingLedger
    function finalState(RunId runId) public view returns (bytes32) {
        (RunEntry storage r, bytes32 progress) = _run(runId);
        if (progress.status() != RunStatus.Finalised) revert RunNotFinalised(runId);
        return r.head;
    }

    /// @inheritdoc ITrainingLedger
    function checkpointOf(RunId runId, uint32 epoch) public view returns (bytes32 state) {
        state = _checkpoints[runId][epoch];
        if (state == 0) revert CheckpointUnknown(runId, epoch);
    }

    /// @inheritdoc ITrainingLedger
    function isAdmitted(TaskId taskId, uint32 index) public view returns (bool) {
        return (_admitted[taskId][index >> 8] >> (index & 0xff)) & 1 == 1;
    }

    /// @inheritdoc ITrainingLedger
    function taskIdOf(address sponsor, TaskSpec calldata spec) public view returns (TaskId) {
        return Statement.taskId(address(this), sponsor, spec);
    }

    /// @inheritdoc ITrainingLedger
    function runIdOf(TaskId taskId, address payee, uint256 nonce) public view returns (RunId) {
        return Statement.runId(address(this), taskId, payee, nonce);
    }

    /// @dev Where a run stands, if `count` more block proofs fit in.
    function _cursor(RunId runId, bytes32 head, bytes32 progress, Terms memory terms, uint256 count)
        private
        pure
        returns (Cursor memory c)
    {
        c.i = progress.proofs();
        if (c.i + count > terms.totalProofs) revert TooManyProofs(c.i + count, terms.totalProofs);
        (c.runId, c.head, c.transcript) = (runId, head, progress.transcript());
    }

    /// @dev What binds the block proof `ahead` of the next one to run, position and payee. The gateway
    /// compares it and the head before it verifies, so that a lost race is cheap.
    function _context(Cursor memory c, Terms memory terms, uint256 ahead) private view returns (uint256) {
        return Statement.stepContext(address(this), c.runId, c.i + ahead, terms.payee);
    }

    /// @dev Accept a verified block proof, whose batch block must be the one that the seed puts here.
    function _move(Cursor memory c, Terms memory terms, BlockClaim memory said, bytes32[] calldata merkleProof)
        private
    {
        uint32 index = _expectedBlock(c, terms);
        _requireInDataset(terms.datasetRoot, terms.blocksPerEpoch, index, said.batch, merkleProof);
        c.head = said.stateOut;
        c.transcript = Statement.transcript(c.transcript, c.i, index, said.stateOut);
        emit BlockProven(c.runId, uint32(c.i), index, said.stateOut, c.transcript);
        if (++c.i % terms.blocksPerEpoch == 0) {
            _checkpoints[c.runId][c.i / terms.blocksPerEpoch] = said.stateOut;
        }
    }

    function _store(RunEntry storage r, Cursor memory c, Terms memory terms) private {
        r.head = c.head;
        r.progress = Progress.pack(c.transcript, RunStatus.Open, c.i);
        if (c.i == terms.totalProofs && terms.rewarded) ++_tasks[terms.taskId].waiting;
    }

    function _seal(TaskId taskId, TaskEntry storage t, bytes32 source) private {
        bytes32 seed = Statement.seed(address(this), taskId, source);
        t.seed = seed;
        emit TaskSealed(taskId, seed);
    }

    function _requireParent(TaskSpec calldata spec) private view {
        if (spec.parent == 0) return;
        RunId parent = RunId.wrap(spec.parent);
        bytes32 state;
        if (spec.parentEpoch == 0) {
            RunEntry storage r = _runs[parent];
            if (r.progress.status() != RunStatus.Finalised) revert ParentNotFinalised(parent);
            state = r.head;
        } else {
            state = checkpointOf(parent, spec.parentEpoch);
        }
        if (state != spec.genesis) revert WrongGenesis(state, spec.genesis);
    }

    function _task(TaskId taskId) private view returns (TaskEntry storage t) {
        t = _tasks[taskId];
        if (t.words == address(0)) revert TaskUnknown(taskId);
    }

    /// @dev All fields are values, so a struct in memory is its encoding.
    function _words(TaskEntry storage t) private view returns (TaskSpec memory spec, address sponsor) {
        address words = t.words;
        uint256 to;
        assembly ("memory-safe") {
            to := spec
        }
        CodeStore.read(words, to, 0, SPEC_WORDS);
        CodeStore.read(words, 0x00, SPEC_WORDS, 1); // scratch space
        assembly ("memory-safe") {
            sponsor := mload(0x00)
        }
    }

    function _run(RunId runId) private view returns (RunEntry storage r, bytes32 progress) {
        r = _runs[runId];
        progress = r.progress;
        if (progress.status() == RunStatus.None) revert RunUnknown(runId);
    }

    function _openRun(RunId runId) private view returns (RunEntry storage r, bytes32 progress) {
        r = _runs[runId];
        progress = r.progress;
        RunStatus status = progress.status();
        if (status == RunStatus.Open) return (r, progress);
        if (status == RunStatus.None) revert RunUnknown(runId);
        revert RunNotOpen(runId, status);
    }

    /// @dev Of a run that exists; read as {_words} reads.
    function _terms(RunId runId) private view returns (Terms memory terms) {
        uint256 to;
        assembly ("memory-safe") {
            to := terms
        }
        KeyedStore.read(RunId.unwrap(runId), to, TERMS_WORDS);
    }

    function _expectedBlock(Cursor memory c, Terms memory terms) private pure returns (uint32) {
        uint256 blocks = terms.blocksPerEpoch;
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(Shuffle.permute(terms.seed, c.i / blocks, c.i % blocks, blocks));
    }

    /// @dev Leaves have places in this tree, so each index has one block: where blocks are admitted, no
    /// second leaf of an index can be trained on; where they are not, none can be swapped for another.
    function _requireInDataset(
        bytes32 root,
        uint256 blocks,
        uint32 index,
        bytes32 batch,
        bytes32[] calldata merkleProof
    ) private pure {
        bytes32 leaf = Statement.leaf(index, batch);
        if (!PositionalMerkle.verify(merkleProof, root, leaf, index, blocks)) {
            revert BlockNotInDataset(index, leaf);
        }
    }
}
