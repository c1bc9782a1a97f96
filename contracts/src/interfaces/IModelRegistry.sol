// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, Evidence} from "./ICircuits.sol";
import {IERC7992Registry, IERC7992Storage, IERC7992Verifier} from "./IERC7992.sol";
import {ITrainingLedger, RunId, TaskId} from "./ITrainingLedger.sol";

/// @notice Where a model comes from, as the ledger proves it.
struct Provenance {
    RunId runId;
    TaskId taskId;
    address sponsor;
    address payee;
    CircuitId stepCircuit;
    CircuitId rangeCircuit;
    CircuitId inferenceCircuit;
    CircuitId aggregateCircuit;
    bytes32 datasetRoot;
    bytes32 genesis;
    bytes32 finalState;
    bytes32 hyperparameters;
    bytes32 seed;
    bytes32 transcript;
    bytes32 parent;
    /// Zero for the parent's final state.
    uint32 parentEpoch;
    uint32 totalProofs;
    uint32 stepsPerProof;
    /// Update steps from genesis to the final state: totalProofs * stepsPerProof.
    uint64 steps;
    uint16 rearms;
    /// Whether all circuits of the task are registered for production. Those of the parent's task may be others.
    bool production;
}

/// @title Models with proven provenance, in the shape of draft ERC-7992
/// @notice A model is minted only from a finalised run, so its `modelHash` is the proven final state
/// and not a claim; `circuitHash` is the id of the inference circuit. Models never change:
/// `registerModel` and `updateModel` always revert, a new version is a new model. The model id is
/// uint256(runId). A consumer pins the id *and* keccak256(abi.encode(commitment)).
interface IModelRegistry is IERC7992Registry, IERC7992Verifier, IERC7992Storage {
    event ModelMinted(uint256 indexed modelId, RunId indexed runId, address indexed owner, bytes32 state);

    error MintInstead(ITrainingLedger ledger);
    error ModelsAreImmutable(uint256 modelId);
    error AlreadyMinted(uint256 modelId);
    error NotPayeeOrSponsor(RunId runId, address caller);
    error InputCount(uint256 expected, uint256 got);
    error OutputCount(uint256 expected, uint256 got);
    error InputDiffers(uint256 index, int256 claimed, int256 proven);
    error OutputDiffers(uint256 index, int256 claimed, int256 proven);
    error StateDiffers(bytes32 expected, bytes32 got);
    error InferenceNotFound(bytes32 inferenceId);
    error InferenceAlreadyStored(bytes32 inferenceId);

    /// @notice Make the model of a finalised run. Only its payee or its sponsor; once per run.
    /// The model belongs to the payee, whoever calls.
    function mint(RunId runId, string calldata uri) external returns (uint256 modelId);

    /// @notice Revert unless the proof shows that the model maps `inputs` to `outputs`.
    /// @dev Stateless: a consumer keeps its own nonces. The proof is bound to chain, registry, model,
    /// requester and nonce through its context, so it can be neither replayed nor stolen.
    /// @param requester For whom the inference was proven.
    /// @param inputs Fixed-point integers, `features` of them.
    /// @param outputs Fixed-point integers, `outputs` of them.
    function checkInference(
        uint256 modelId,
        address requester,
        uint256 nonce,
        int256[] calldata inputs,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external view;

    /// @notice The `inputCommitment` that ERC-7992's functions expect. Their `output` is
    /// abi.encode(int256[] outputs), their `proof` abi.encode(uint256 nonce, int256[] inputs,
    /// Evidence evidence), and the requester is their caller.
    function inputCommitmentOf(uint256 modelId, address requester, uint256 nonce, int256[] calldata inputs)
        external
        view
        returns (bytes32);

    /// @notice The context that an inference proof must carry.
    function inferenceContextOf(uint256 modelId, address requester, uint256 nonce)
        external
        view
        returns (uint256);

    function provenanceOf(uint256 modelId) external view returns (Provenance memory);
    function ledger() external view returns (ITrainingLedger);
}
