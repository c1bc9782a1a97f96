// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    BlockClaim,
    CircuitId,
    CircuitSpec,
    CircuitStatus,
    Claim,
    Evidence,
    ICircuits,
    Prover,
    Role
} from "./interfaces/ICircuits.sol";
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
import {Statement} from "./libraries/Statement.sol";
import {Header} from "./libraries/Header.sol";
import {PositionalMerkle} from "./libraries/PositionalMerkle.sol";
import {Shuffle} from "./libraries/Shuffle.sol";

/// @title TrainingLedger
/// @notice See {ITrainingLedger}.
contract TrainingLedger is ITrainingLedger {
    /// @dev EIP-7825 caps a transaction at 16,777,216 gas; a proof costs up to 0.8 million.
    uint256 private constant MAX_BLOCK_PROOFS = 8;
    /// @dev How far back BLOCKHASH reaches.
    uint256 private constant BLOCKHASH_WINDOW = 256;

    /// @inheritdoc ITrainingLedger
    ICircuits public immutable circuits;

    mapping(TaskId => Task) private _tasks;
    mapping(RunId => Run) private _runs;
    /// @dev One bit per admitted batch block.
    mapping(TaskId => mapping(uint256 word => uint256 bits)) private _admitted;

    constructor(ICircuits circuits_) {
        circuits = circuits_;
    }

    /// @inheritdoc ITrainingLedger
    function createTask(TaskSpec calldata spec) external returns (TaskId taskId) {
        _validate(spec);
        taskId = taskIdOf(msg.sender, spec);
        Task storage t = _tasks[taskId];
        if (t.sponsor != address(0)) revert TaskExists(taskId);

        t.spec = spec;
        t.sponsor = msg.sender;
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
        Task storage t = _task(taskId);
        if (_isNone(t.spec.rangeCircuit)) revert NothingToAdmit(taskId);
        if (index >= t.spec.blocksPerEpoch) revert IndexOutOfRange(index, t.spec.blocksPerEpoch);
        if (isAdmitted(taskId, index)) revert AlreadyAdmitted(index);

        CircuitId circuit = t.spec.rangeCircuit;
        Claim memory claim = circuits.claimOf(circuit, evidence.proof);
        if (claim.stateIn != t.spec.genesis) revert WrongGenesis(t.spec.genesis, claim.stateIn);
        _requireInDataset(t.spec.datasetRoot, t.spec.blocksPerEpoch, index, claim.batch, merkleProof);
        circuits.check(circuit, 0, evidence);

        _admitted[taskId][index >> 8] |= uint256(1) << (index & 0xff);
        ++t.admitted;
        emit BlockAdmitted(taskId, index, claim.batch);
    }

    /// @inheritdoc ITrainingLedger
    function seal(TaskId taskId, bytes calldata headerRlp) external {
        Task storage t = _task(taskId);
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
        Task storage t = _task(taskId);
        if (t.seed != 0) revert AlreadySealed(taskId);
        uint256 seedBlock = t.seedBlock;
        if (block.number <= seedBlock + BLOCKHASH_WINDOW) revert SeedBlockAvailable(seedBlock);
        seedBlock = block.number + t.spec.seedDelay;
        // forge-lint: disable-next-line(unsafe-typecast)
        t.seedBlock = uint48(seedBlock);
        uint16 rearms = ++t.rearms;
        emit TaskRearmed(taskId, seedBlock, rearms);
    }

    /// @inheritdoc ITrainingLedger
    function openRun(TaskId taskId, address payee, uint256 nonce) external returns (RunId runId) {
        Task storage t = _task(taskId);
        if (payee == address(0)) revert PayeeIsZero();
        if (msg.sender != payee && msg.sender != t.sponsor) revert NotAllowed(msg.sender);
        if (t.seed == 0) revert NotSealed(taskId);
        if (!_isNone(t.spec.rangeCircuit) && t.admitted != t.spec.blocksPerEpoch) {
            revert AdmissionIncomplete(t.admitted, t.spec.blocksPerEpoch);
        }
        uint64 deadline = t.spec.deadline;
        if (deadline != 0 && block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);

        runId = runIdOf(taskId, payee, nonce);
        Run storage r = _runs[runId];
        if (r.status != RunStatus.None) revert RunExists(runId);
        r.taskId = taskId;
        r.head = t.spec.genesis;
        r.transcript = RunId.unwrap(runId);
        r.payee = payee;
        r.status = RunStatus.Open;
        emit RunOpened(runId, taskId, payee, nonce);
    }

    /// @inheritdoc ITrainingLedger
    /// @dev The gateway is called by STATICCALL (`view`), so nothing can re-enter between reading the
    /// head and writing it.
    function submit(RunId runId, BlockProof[] calldata blocks) external {
        Run storage r = _openRun(runId);
        if (blocks.length == 0 || blocks.length > MAX_BLOCK_PROOFS) {
            revert BlockProofCount(blocks.length, MAX_BLOCK_PROOFS);
        }
        Cursor memory c = _cursor(runId, r);
        uint256 end = c.i + blocks.length;
        if (end > c.total) revert TooManyProofs(end, c.total);
        CircuitId circuit = _tasks[r.taskId].spec.stepCircuit;
        for (uint256 k; k < blocks.length; ++k) {
            uint256 free = _freeMemory();
            _advance(c, circuit, blocks[k]);
            _releaseMemory(free);
        }
        _store(r, c);
    }

    /// @inheritdoc ITrainingLedger
    function submitAggregate(RunId runId, bytes32[][] calldata merkleProofs, Evidence calldata evidence)
        external
    {
        Run storage r = _openRun(runId);
        CircuitId aggregate = _tasks[r.taskId].spec.aggregateCircuit;
        if (_isNone(aggregate)) revert NoAggregateCircuit(r.taskId);
        Cursor memory c = _cursor(runId, r);
        uint256 count = merkleProofs.length;
        if (c.i + count > c.total) revert TooManyProofs(c.i + count, c.total);
        BlockClaim[] memory blocks = circuits.checkBlocks(aggregate, c.head, _contexts(c, count), evidence);
        for (uint256 k; k < count; ++k) {
            _move(c, blocks[k], merkleProofs[k]);
        }
        _store(r, c);
    }

    /// @inheritdoc ITrainingLedger
    function finalise(RunId runId) external {
        Run storage r = _openRun(runId);
        uint32 total = _tasks[r.taskId].spec.totalProofs;
        if (r.proofs != total) revert RunIncomplete(r.proofs, total);
        r.status = RunStatus.Finalised;
        emit RunFinalised(runId, r.head, r.transcript);
    }

    /// @inheritdoc ITrainingLedger
    function abort(RunId runId) external {
        Run storage r = _openRun(runId);
        if (msg.sender != r.payee) {
            Task storage t = _tasks[r.taskId];
            if (msg.sender != t.sponsor) revert NotAllowed(msg.sender);
            uint64 deadline = t.spec.deadline;
            if (deadline == 0 || block.timestamp <= deadline) {
                revert DeadlineNotReached(deadline, block.timestamp);
            }
            // Every step is proven: nobody may take that from the payee before `finalise` is mined.
            if (r.proofs == t.spec.totalProofs) revert RunComplete(runId);
        }
        r.status = RunStatus.Aborted;
        emit RunAborted(runId, r.proofs);
    }

    /// @inheritdoc ITrainingLedger
    function task(TaskId taskId) external view returns (Task memory) {
        return _task(taskId);
    }

    /// @inheritdoc ITrainingLedger
    function run(RunId runId) external view returns (Run memory) {
        return _run(runId);
    }

    /// @inheritdoc ITrainingLedger
    function expectedBlock(RunId runId) external view returns (uint32 index) {
        Run storage r = _openRun(runId);
        Cursor memory c = _cursor(runId, r);
        if (c.i >= c.total) revert TooManyProofs(uint256(c.i) + 1, c.total);
        return _expectedBlock(c);
    }

    /// @inheritdoc ITrainingLedger
    function contextOf(RunId runId, uint32 i) external view returns (uint256) {
        return Statement.stepContext(address(this), runId, i, _run(runId).payee);
    }

    /// @inheritdoc ITrainingLedger
    function seedOf(TaskId taskId) external view returns (bytes32 seed) {
        seed = _task(taskId).seed;
        if (seed == 0) revert NotSealed(taskId);
    }

    /// @inheritdoc ITrainingLedger
    function finalState(RunId runId) external view returns (bytes32) {
        Run storage r = _run(runId);
        if (r.status != RunStatus.Finalised) revert RunNotFinalised(runId);
        return r.head;
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

    /// @dev A run being advanced: read from storage once, written back once.
    struct Cursor {
        RunId runId;
        bytes32 datasetRoot;
        bytes32 seed;
        bytes32 head;
        bytes32 transcript;
        address payee;
        uint32 i;
        uint32 total;
        uint32 blocksPerEpoch;
    }

    function _cursor(RunId runId, Run storage r) private view returns (Cursor memory c) {
        Task storage t = _tasks[r.taskId];
        c.runId = runId;
        c.datasetRoot = t.spec.datasetRoot;
        c.seed = t.seed;
        c.head = r.head;
        c.transcript = r.transcript;
        c.payee = r.payee;
        c.i = r.proofs;
        c.total = t.spec.totalProofs;
        c.blocksPerEpoch = t.spec.blocksPerEpoch;
    }

    function _advance(Cursor memory c, CircuitId circuit, BlockProof calldata block_) private {
        BlockClaim[] memory said =
            circuits.checkBlocks(circuit, c.head, _contexts(c, 1), block_.evidence);
        _move(c, said[0], block_.merkleProof);
    }

    /// @dev What binds the next `count` block proofs to run, position and payee. The gateway compares
    /// them and the head before it verifies, so that a lost race is cheap.
    function _contexts(Cursor memory c, uint256 count) private view returns (uint256[] memory contexts) {
        contexts = new uint256[](count);
        for (uint256 k; k < count; ++k) {
            contexts[k] = Statement.stepContext(address(this), c.runId, c.i + k, c.payee);
        }
    }

    /// @dev Accept a verified block proof, whose batch block must be the one that the seed puts here.
    function _move(Cursor memory c, BlockClaim memory said, bytes32[] calldata merkleProof) private {
        uint32 index = _expectedBlock(c);
        _requireInDataset(c.datasetRoot, c.blocksPerEpoch, index, said.batch, merkleProof);
        c.head = said.stateOut;
        c.transcript = Statement.transcript(c.transcript, c.i, index, said.stateOut);
        emit BlockProven(c.runId, c.i, index, said.stateOut, c.transcript);
        ++c.i;
    }

    function _store(Run storage r, Cursor memory c) private {
        r.head = c.head;
        r.transcript = c.transcript;
        r.proofs = c.i;
    }

    /// @dev Encoding a proof for the gateway takes some 20 KiB, which Solidity never gives back, and
    /// memory is priced by its square. What `_advance` keeps is in the cursor, below the mark.
    function _freeMemory() private pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
        }
    }

    function _releaseMemory(uint256 free) private pure {
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    function _seal(TaskId taskId, Task storage t, bytes32 source) private {
        bytes32 seed = Statement.seed(address(this), taskId, source);
        t.seed = seed;
        emit TaskSealed(taskId, seed);
    }

    function _validate(TaskSpec calldata spec) private view {
        if (spec.datasetRoot == 0) revert FieldIsZero("datasetRoot");
        if (spec.genesis == 0) revert FieldIsZero("genesis");
        if (spec.blocksPerEpoch == 0) revert FieldIsZero("blocksPerEpoch");
        if (spec.totalProofs == 0) revert FieldIsZero("totalProofs");
        if (spec.seedDelay > 0 && spec.declaredSeed != 0) {
            revert SeedAmbiguous(spec.seedDelay, spec.declaredSeed);
        }
        if (spec.deadline != 0 && block.timestamp > spec.deadline) {
            revert DeadlinePassed(spec.deadline, block.timestamp);
        }
        if (spec.parent != 0) {
            Run storage parent = _runs[RunId.wrap(spec.parent)];
            if (parent.status != RunStatus.Finalised) revert ParentNotFinalised(RunId.wrap(spec.parent));
            if (parent.head != spec.genesis) revert WrongGenesis(parent.head, spec.genesis);
        }

        CircuitSpec memory step = _circuit(spec.stepCircuit, Role.Step);
        bool honk = step.prover == Prover.UltraHonk;
        // The admission of blocks stands for checks that UltraHonk's step circuits make themselves.
        if (honk) {
            if (!_isNone(spec.rangeCircuit)) {
                revert CircuitsIncompatible("rangeCircuit", spec.stepCircuit, spec.rangeCircuit);
            }
        } else {
            if (_isNone(spec.rangeCircuit)) revert FieldIsZero("rangeCircuit");
            _companion(spec.stepCircuit, step, spec.rangeCircuit, Role.Range);
        }
        CircuitSpec memory inference =
            _companion(spec.stepCircuit, step, spec.inferenceCircuit, Role.Inference);
        // One SRS and one logrows: else equal tensors have different commitments and the chain of
        // states would end at the model.
        if (keccak256(abi.encode(step.opening)) != keccak256(abi.encode(inference.opening))) {
            revert CircuitsIncompatible("opening", spec.stepCircuit, spec.inferenceCircuit);
        }
        if (!_isNone(spec.aggregateCircuit)) {
            CircuitSpec memory several =
                _companion(spec.stepCircuit, step, spec.aggregateCircuit, Role.Aggregate);
            if (several.child != spec.stepCircuit) {
                revert CircuitsIncompatible("child", spec.stepCircuit, spec.aggregateCircuit);
            }
            if (several.stepsPerProof != uint256(several.blocks) * step.stepsPerProof) {
                revert CircuitsIncompatible("stepsPerProof", spec.stepCircuit, spec.aggregateCircuit);
            }
        }
    }

    /// @dev A circuit of the task besides the step circuit; what both must have in common.
    function _companion(CircuitId stepId, CircuitSpec memory step, CircuitId id, Role role)
        private
        view
        returns (CircuitSpec memory circuit)
    {
        circuit = _circuit(id, role);
        if ((step.prover == Prover.UltraHonk) != (circuit.prover == Prover.UltraHonk)) {
            revert CircuitsIncompatible("prover", stepId, id);
        }
        if (step.fractionBits != circuit.fractionBits) {
            revert CircuitsIncompatible("fractionBits", stepId, id);
        }
        if (step.production != circuit.production) revert CircuitsIncompatible("production", stepId, id);
    }

    function _circuit(CircuitId id, Role role) private view returns (CircuitSpec memory circuit) {
        if (circuits.statusOf(id) != CircuitStatus.Live) revert CircuitNotLive(id);
        circuit = circuits.spec(id);
        if (circuit.role != role) revert WrongRole(id, uint8(role), uint8(circuit.role));
    }

    function _isNone(CircuitId id) private pure returns (bool) {
        return CircuitId.unwrap(id) == 0;
    }

    function _task(TaskId taskId) private view returns (Task storage t) {
        t = _tasks[taskId];
        if (t.sponsor == address(0)) revert TaskUnknown(taskId);
    }

    function _run(RunId runId) private view returns (Run storage r) {
        r = _runs[runId];
        if (r.status == RunStatus.None) revert RunUnknown(runId);
    }

    function _openRun(RunId runId) private view returns (Run storage r) {
        r = _run(runId);
        if (r.status != RunStatus.Open) revert RunNotOpen(runId, r.status);
    }

    function _expectedBlock(Cursor memory c) private pure returns (uint32) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return
            uint32(Shuffle.permute(c.seed, c.i / c.blocksPerEpoch, c.i % c.blocksPerEpoch, c.blocksPerEpoch));
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
