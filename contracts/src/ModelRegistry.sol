// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {CircuitId, CircuitSpec, Evidence, ICircuits, Prover} from "./interfaces/ICircuits.sol";
import {ERC7992Errors, IERC7992Registry, IERC7992Storage, IERC7992Verifier} from "./interfaces/IERC7992.sol";
import {IModelRegistry, Provenance} from "./interfaces/IModelRegistry.sol";
import {ITrainingLedger, Run, RunId, Task} from "./interfaces/ITrainingLedger.sol";
import {Fixed} from "./libraries/Fixed.sol";
import {Statement} from "./libraries/Statement.sol";

/// @title ModelRegistry
/// @notice See {IModelRegistry}.
contract ModelRegistry is IModelRegistry, IERC165 {
    /// @dev What a check reads; everything else about a model is derived from the ledger.
    struct Model {
        bytes32 state;
        CircuitId circuit;
        address owner;
        uint16 features;
        uint16 outputs;
        bool deprecated;
    }

    struct Inference {
        uint256 modelId;
        bytes32 inputCommitment;
        bytes output;
    }

    /// @dev For dispatch only, never for security.
    bytes4 private constant HALO2 = bytes4(keccak256("halo2-kzg-bn254-v1"));
    bytes4 private constant ULTRA_HONK = bytes4(keccak256("ultrahonk-kzg-bn254-v1"));

    /// @inheritdoc IModelRegistry
    ITrainingLedger public immutable ledger;
    ICircuits private immutable _CIRCUITS;

    mapping(uint256 modelId => Model) private _models;
    mapping(uint256 modelId => string) private _uris;
    mapping(bytes32 inferenceId => Inference) private _inferences;

    constructor(ITrainingLedger ledger_) {
        ledger = ledger_;
        _CIRCUITS = ledger_.circuits();
    }

    /// @inheritdoc IModelRegistry
    function mint(RunId runId, string calldata uri) external returns (uint256 modelId) {
        modelId = uint256(RunId.unwrap(runId));
        Model storage m = _models[modelId];
        if (m.owner != address(0)) revert AlreadyMinted(modelId);
        Run memory run = ledger.run(runId);
        Task memory task = ledger.task(run.taskId);
        if (msg.sender != run.payee && msg.sender != task.sponsor) revert NotPayeeOrSponsor(runId, msg.sender);

        bytes32 state = ledger.finalState(runId); // reverts unless finalised
        CircuitSpec memory circuit = _CIRCUITS.spec(task.spec.inferenceCircuit);

        m.state = state;
        m.circuit = task.spec.inferenceCircuit;
        m.features = circuit.features;
        m.outputs = circuit.outputs;
        m.owner = run.payee;
        _uris[modelId] = uri;
        emit ModelMinted(modelId, runId, run.payee, state);
        emit ModelRegistered(modelId, run.payee, _commitment(modelId, m));
    }

    /// @inheritdoc IERC7992Registry
    function deprecateModel(uint256 modelId) external {
        Model storage m = _model(modelId);
        if (msg.sender != m.owner) revert NotModelOwner(modelId, msg.sender);
        if (m.deprecated) revert ERC7992Errors.ModelDeprecated(modelId);
        m.deprecated = true;
        emit ModelDeprecated(modelId);
    }

    /// @inheritdoc IERC7992Verifier
    function verifyInference(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        external
    {
        _verify(modelId, inputCommitment, output, proof);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
    }

    /// @inheritdoc IERC7992Storage
    function verifyAndStoreInference(
        uint256 modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof
    ) external returns (bytes32 inferenceId) {
        inferenceId = keccak256(abi.encodePacked(modelId, inputCommitment, output));
        if (_inferences[inferenceId].inputCommitment != 0) revert InferenceAlreadyStored(inferenceId);
        _verify(modelId, inputCommitment, output, proof);
        _inferences[inferenceId] = Inference(modelId, inputCommitment, output);
        emit InferenceVerified(modelId, inputCommitment, output, msg.sender);
        emit InferenceStored(inferenceId);
    }

    /// @inheritdoc IERC7992Registry
    function registerModel(ModelCommitment calldata) external view returns (uint256) {
        revert MintInstead(ledger);
    }

    /// @inheritdoc IERC7992Registry
    function updateModel(uint256 modelId, ModelCommitment calldata) external view {
        if (msg.sender != _model(modelId).owner) revert NotModelOwner(modelId, msg.sender);
        revert ModelsAreImmutable(modelId);
    }

    /// @inheritdoc IModelRegistry
    function checkInference(
        uint256 modelId,
        address requester,
        uint256 nonce,
        int256[] calldata inputs,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external view {
        _check(modelId, requester, nonce, inputs, outputs, evidence);
    }

    /// @inheritdoc IModelRegistry
    function inputCommitmentOf(uint256 modelId, address requester, uint256 nonce, int256[] calldata inputs)
        external
        view
        returns (bytes32)
    {
        return Statement.inputCommitment(address(this), modelId, requester, nonce, inputs);
    }

    /// @inheritdoc IModelRegistry
    function inferenceContextOf(uint256 modelId, address requester, uint256 nonce) external view returns (uint256) {
        return Statement.inferenceContext(address(this), modelId, requester, nonce);
    }

    /// @inheritdoc IModelRegistry
    function provenanceOf(uint256 modelId) external view returns (Provenance memory p) {
        Model storage m = _model(modelId);
        p.runId = RunId.wrap(bytes32(modelId));
        Run memory run = ledger.run(p.runId);
        Task memory task = ledger.task(run.taskId);
        p.taskId = run.taskId;
        p.sponsor = task.sponsor;
        p.payee = run.payee;
        p.stepCircuit = task.spec.stepCircuit;
        p.rangeCircuit = task.spec.rangeCircuit;
        p.inferenceCircuit = m.circuit;
        p.aggregateCircuit = task.spec.aggregateCircuit;
        p.datasetRoot = task.spec.datasetRoot;
        p.genesis = task.spec.genesis;
        p.finalState = m.state;
        p.hyperparameters = task.spec.hyperparameters;
        p.seed = task.seed;
        p.transcript = run.transcript;
        p.parent = task.spec.parent;
        p.parentEpoch = task.spec.parentEpoch;
        p.totalProofs = task.spec.totalProofs;
        CircuitSpec memory step = _CIRCUITS.spec(task.spec.stepCircuit);
        p.stepsPerProof = step.stepsPerProof;
        p.steps = uint64(p.totalProofs) * step.stepsPerProof;
        p.rearms = task.rearms;
        p.production = step.production;
    }

    /// @inheritdoc IERC7992Registry
    function getModel(uint256 modelId)
        external
        view
        returns (ModelCommitment memory commitment, bool deprecated, address owner)
    {
        Model storage m = _model(modelId);
        return (_commitment(modelId, m), m.deprecated, m.owner);
    }

    /// @inheritdoc IERC7992Storage
    function getInference(bytes32 inferenceId) external view returns (uint256, bytes32, bytes memory) {
        Inference storage i = _inferences[inferenceId];
        if (i.inputCommitment == 0) revert InferenceNotFound(inferenceId);
        return (i.modelId, i.inputCommitment, i.output);
    }

    /// @inheritdoc IERC7992Verifier
    function proofSystemOf(uint256 modelId) external view returns (bytes4) {
        return _proofSystem(_CIRCUITS.spec(_model(modelId).circuit).prover);
    }

    /// @inheritdoc IERC7992Verifier
    function registry() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IERC7992Registry).interfaceId
            || id == type(IERC7992Verifier).interfaceId || id == IERC7992Verifier.verifyInference.selector
            || id == type(IERC7992Storage).interfaceId;
    }

    /// @dev `output` must be the canonical encoding: it is hashed into the inference's id, and two
    /// encodings of the same numbers would be two inferences.
    function _verify(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        private
        view
    {
        (uint256 nonce, int256[] memory inputs, Evidence memory evidence) =
            abi.decode(proof, (uint256, int256[], Evidence));
        bytes32 expected = Statement.inputCommitment(address(this), modelId, msg.sender, nonce, inputs);
        if (inputCommitment != expected) revert InputCommitmentMismatch();
        int256[] memory outputs = abi.decode(output, (int256[]));
        if (keccak256(output) != keccak256(abi.encode(outputs))) revert OutputMismatch();
        this.checkInference(modelId, msg.sender, nonce, inputs, outputs, evidence);
    }

    function _check(
        uint256 modelId,
        address requester,
        uint256 nonce,
        int256[] calldata inputs,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) private view {
        Model storage m = _model(modelId);
        if (m.deprecated) revert VerificationRefused_ModelDeprecated(modelId);
        _checkValues(m.features, m.outputs, inputs, outputs, evidence.publicValues);
        uint256 context = Statement.inferenceContext(address(this), modelId, requester, nonce);
        bytes32 state = _CIRCUITS.check(m.circuit, context, evidence).stateIn;
        if (state != m.state) revert StateDiffers(m.state, state);
    }

    /// @dev Public values are the features, then the outputs.
    function _checkValues(
        uint256 features,
        uint256 count,
        int256[] calldata inputs,
        int256[] calldata outputs,
        uint256[] calldata publicValues
    ) private pure {
        if (inputs.length != features) revert InputCount(features, inputs.length);
        if (outputs.length != count) revert OutputCount(count, outputs.length);
        if (publicValues.length != features + count) {
            revert ICircuits.PublicValueCount(features + count, publicValues.length);
        }
        for (uint256 k; k < features; ++k) {
            int256 proven = Fixed.toInt(publicValues[k]);
            if (proven != inputs[k]) revert InputDiffers(k, inputs[k], proven);
        }
        for (uint256 k; k < count; ++k) {
            int256 proven = Fixed.toInt(publicValues[features + k]);
            if (proven != outputs[k]) revert OutputDiffers(k, outputs[k], proven);
        }
    }

    function _model(uint256 modelId) private view returns (Model storage m) {
        m = _models[modelId];
        if (m.owner == address(0)) revert ModelNotFound(modelId);
    }

    function _commitment(uint256 modelId, Model storage m) private view returns (ModelCommitment memory) {
        CircuitSpec memory circuit = _CIRCUITS.spec(m.circuit);
        return ModelCommitment({
            modelHash: m.state,
            circuitHash: CircuitId.unwrap(m.circuit),
            vkHash: circuit.vkHash,
            proofSystemId: _proofSystem(circuit.prover),
            uri: _uris[modelId]
        });
    }

    function _proofSystem(Prover prover) private pure returns (bytes4) {
        return prover == Prover.UltraHonk ? ULTRA_HONK : HALO2;
    }
}
