// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, Evidence, ICircuits} from "./ICircuits.sol";

type TaskId is bytes32;

type RunId is bytes32;

/// @notice What is to be trained. Fixed before the seed of the batch order is known.
struct TaskSpec {
    CircuitId stepCircuit;
    /// Zero if the step circuit is UltraHonk's: it checks the ranges of what it reads itself.
    CircuitId rangeCircuit;
    CircuitId inferenceCircuit;
    /// Zero, or a circuit that verifies several proofs of the step circuit.
    CircuitId aggregateCircuit;
    /// Merkle root over the batch blocks' tensor hashes; leaves have places, see PositionalMerkle.
    bytes32 datasetRoot;
    /// Tensor hash of the first state.
    bytes32 genesis;
    /// keccak256 of the canonical hyperparameter document.
    bytes32 hyperparameters;
    uint32 blocksPerEpoch;
    /// Block proofs that make a complete run.
    uint32 totalProofs;
    /// 0: the seed is `declaredSeed`. Else, from 2 on, the seed is drawn from the header of the block
    /// this many blocks after creation. Who proposes all blocks from the task's to the one before that chooses
    /// the seed: take more than anybody may own in a row.
    uint32 seedDelay;
    /// Timestamp after which the sponsor may abort an incomplete run, a reward that nobody earned goes back to him,
    /// and no run opens; 0: none.
    uint64 deadline;
    /// With a parent: 0 for its final state, e for its checkpoint after epoch e. Zero without one.
    uint32 parentEpoch;
    /// Wei, escrowed at creation: the payee of the first run that is finalised earns it. Needs a deadline.
    uint128 reward;
    /// Zero when seedDelay > 0.
    bytes32 declaredSeed;
    /// Zero, or a run of this ledger that `genesis` is a state of: see `parentEpoch`.
    bytes32 parent;
    bytes32 salt;
}

struct Task {
    TaskSpec spec;
    /// Zero until sealed.
    bytes32 seed;
    address sponsor;
    /// The block whose header gives the seed; zero for a declared seed.
    uint48 seedBlock;
    uint32 admitted;
    /// How many seed blocks went by unused. Each is a draw that somebody let pass: an auditor
    /// who cares about the order wants zero.
    uint16 rearms;
    /// Wei of the reward that are still here.
    uint128 escrow;
    /// Runs with every block proof that nobody has finalised yet. Counted for tasks with a reward.
    uint32 waiting;
}

enum RunStatus {
    None,
    Open,
    Finalised,
    Aborted
}

struct Run {
    TaskId taskId;
    /// Tensor hash of the current state.
    bytes32 head;
    /// Rolling hash over (proof index, batch index, state out), of which the last five bytes are zero.
    bytes32 transcript;
    address payee;
    /// Block proofs accepted so far.
    uint32 proofs;
    RunStatus status;
}

/// @notice Evidence for the next block proof of a run.
struct BlockProof {
    /// Path from the batch block's leaf to the dataset root.
    bytes32[] merkleProof;
    Evidence evidence;
}

/// @title Tasks, seeds and runs: the chain of custody from genesis weights to the final state
/// @notice A run's head moves only by a verified step from itself, over the one batch block that
/// the task's seed fixes for that position. Nobody has rights here beyond the sponsor of a task
/// and the payee of a run; nothing can be upgraded.
interface ITrainingLedger {
    event TaskCreated(TaskId indexed taskId, address indexed sponsor, TaskSpec spec, uint256 seedBlock);
    event BlockAdmitted(TaskId indexed taskId, uint32 index, bytes32 batch);
    event TaskSealed(TaskId indexed taskId, bytes32 seed);
    event TaskRearmed(TaskId indexed taskId, uint256 seedBlock, uint256 rearms);
    event RunOpened(RunId indexed runId, TaskId indexed taskId, address indexed payee, uint256 nonce);
    event BlockProven(RunId indexed runId, uint32 i, uint32 batchIndex, bytes32 stateOut, bytes32 transcript);
    event RunFinalised(RunId indexed runId, bytes32 finalState, bytes32 transcript);
    event RunAborted(RunId indexed runId, uint32 proofs);
    event RewardEarned(TaskId indexed taskId, RunId indexed runId, address indexed payee, uint256 amount);
    event RewardReclaimed(TaskId indexed taskId, address indexed sponsor, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    error TaskUnknown(TaskId taskId);
    error TaskExists(TaskId taskId);
    error CircuitNotLive(CircuitId circuit);
    error WrongRole(CircuitId circuit, uint8 expected, uint8 got);
    error CircuitsIncompatible(bytes32 what, CircuitId a, CircuitId b);
    error FieldIsZero(bytes32 field);
    error SeedAmbiguous(uint32 seedDelay, bytes32 declaredSeed);
    error SeedTooNear(uint32 seedDelay, uint32 least);
    error DeadlinePassed(uint64 deadline, uint256 timestamp);
    error DeadlineNotReached(uint64 deadline, uint256 timestamp);
    error ParentNotFinalised(RunId parent);
    error CheckpointUnknown(RunId runId, uint32 epoch);
    error WrongValue(uint256 expected, uint256 got);
    error RewardNeedsDeadline(uint128 reward);
    error NothingEscrowed(TaskId taskId);
    error RunWaiting(TaskId taskId, uint32 waiting);
    error NothingToWithdraw(address account);
    error WithdrawalFailed(address account, uint256 amount);
    error RunComplete(RunId runId);

    error IndexOutOfRange(uint32 index, uint32 blocksPerEpoch);
    error AlreadyAdmitted(uint32 index);
    error WrongGenesis(bytes32 expected, bytes32 got);
    error BlockNotInDataset(uint32 index, bytes32 leafHash);
    error NothingToAdmit(TaskId taskId);

    error AlreadySealed(TaskId taskId);
    error SeedBlockPending(uint256 seedBlock);
    error SeedBlockExpired(uint256 seedBlock);
    error SeedBlockAvailable(uint256 seedBlock);
    error WrongHeader(uint256 seedBlock);
    error NotSealed(TaskId taskId);
    error AdmissionIncomplete(uint32 done, uint32 total);

    error NotAllowed(address caller);
    error PayeeIsZero();
    error RunExists(RunId runId);
    error RunUnknown(RunId runId);
    error RunNotOpen(RunId runId, RunStatus status);
    error RunIncomplete(uint32 done, uint32 total);
    error RunNotFinalised(RunId runId);
    error BlockProofCount(uint256 got, uint256 max);
    error TooManyProofs(uint256 wanted, uint32 total);
    error NoAggregateCircuit(TaskId taskId);

    /// @notice Publish a task; the caller is its sponsor.
    /// @dev The circuits must be live, have the roles their fields name, and agree on prover, fraction bits,
    /// the commitment's base points and whether they are for production. The value sent is the reward.
    function createTask(TaskSpec calldata spec) external payable returns (TaskId taskId);

    /// @notice Show that every number in the genesis state and in one batch block is a small integer.
    /// Each block once. Permissionless: a range proof is a universal statement about two commitments.
    /// Tasks without a range circuit admit nothing.
    function admit(TaskId taskId, uint32 index, bytes32[] calldata merkleProof, Evidence calldata evidence)
        external;

    /// @notice Fix the seed from the header of exactly the seed block. Permissionless.
    function seal(TaskId taskId, bytes calldata headerRlp) external;

    /// @notice Choose a new seed block after the old one left the 256-block window. Permissionless, counted.
    function rearm(TaskId taskId) external;

    /// @notice Open a run. Only for the payee or the sponsor; needs a sealed task, fully admitted if it
    /// has a range circuit.
    function openRun(TaskId taskId, address payee, uint256 nonce) external returns (RunId runId);

    /// @notice Append 1 to 8 block proofs, all or none. Permissionless: each proof binds the run, the
    /// position and the payee through its context, so it is worth nothing elsewhere.
    function submit(RunId runId, BlockProof[] calldata blocks) external;

    /// @notice Append the block proofs that one aggregate covers, as if each had been submitted: head,
    /// transcript and events are the same. Permissionless for the same reason.
    /// @param merkleProofs For each block proof, the path of its batch block.
    function submitAggregate(RunId runId, bytes32[][] calldata merkleProofs, Evidence calldata evidence)
        external;

    /// @notice Close a complete run. Permissionless; a reward that is still here goes to the run's payee,
    /// whoever calls.
    function finalise(RunId runId) external;

    /// @notice Close an open run for good: the payee at any time, the sponsor once the deadline has passed,
    /// but not a run whose every step is proven.
    function abort(RunId runId) external;

    /// @notice Give a reward that nobody earned back to the sponsor, as a credit: after the deadline, and
    /// not while a complete run waits to be finalised. Permissionless.
    function reclaim(TaskId taskId) external;

    /// @notice Pay the caller what he is owed.
    function withdraw() external;

    function circuits() external view returns (ICircuits);
    function task(TaskId taskId) external view returns (Task memory);
    function run(RunId runId) external view returns (Run memory);
    function isAdmitted(TaskId taskId, uint32 index) external view returns (bool);

    /// @notice For the creation code of KeyedStore: the terms of the run that is being opened in this
    /// transaction, as bare words. Zeros for anybody else.
    function pendingWords() external view;

    /// @notice The batch block that the next proof of a run must consume.
    function expectedBlock(RunId runId) external view returns (uint32 index);

    /// @notice The context that block proof `i` of a run must carry.
    function contextOf(RunId runId, uint32 i) external view returns (uint256);

    /// @notice The tensor hash of a run's state after each of its whole epochs, of which the first is 1.
    function checkpointOf(RunId runId, uint32 epoch) external view returns (bytes32);

    /// @notice What an account can withdraw, wei. All credits and escrows together are the ledger's
    /// balance, or less if somebody forced ether on it.
    function creditOf(address account) external view returns (uint256);

    /// @notice Wei of a task's reward that are still here.
    function escrowOf(TaskId taskId) external view returns (uint256);

    /// @notice The task's seed; reverts until sealed.
    function seedOf(TaskId taskId) external view returns (bytes32);

    /// @notice The final state's tensor hash; reverts unless finalised.
    function finalState(RunId runId) external view returns (bytes32);

    function taskIdOf(address sponsor, TaskSpec calldata spec) external view returns (TaskId);
    function runIdOf(TaskId taskId, address payee, uint256 nonce) external view returns (RunId);
}
