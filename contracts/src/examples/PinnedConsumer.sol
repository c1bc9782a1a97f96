// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitSpec, Evidence} from "../interfaces/ICircuits.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title What the examples that act on a model have in common: one model, named when deployed, for good
/// @notice Whoever wants to change models later, behind a delay, takes {PinnedModel} instead.
abstract contract PinnedConsumer {
    IModelRegistry public immutable registry;
    uint256 public immutable modelId;
    /// @notice A number x of the model is the integer x * 2^fractionBits.
    uint8 public immutable fractionBits;
    uint16 internal immutable _FEATURES;
    uint16 internal immutable _OUTPUTS;

    error NotThePinnedModel(bytes32 expected, bytes32 got);
    error ModelDoesNotFit(uint16 features, uint16 outputs);

    /// @param commitmentHash keccak256(abi.encode(commitment)) of the model that was reviewed.
    constructor(IModelRegistry registry_, uint256 modelId_, bytes32 commitmentHash) {
        (IModelRegistry.ModelCommitment memory commitment,,) = registry_.getModel(modelId_);
        bytes32 got = keccak256(abi.encode(commitment));
        if (got != commitmentHash) revert NotThePinnedModel(commitmentHash, got);
        (registry, modelId) = (registry_, modelId_);
        CircuitSpec memory circuit =
            registry_.ledger().circuits().spec(registry_.provenanceOf(modelId_).inferenceCircuit);
        (fractionBits, _FEATURES, _OUTPUTS) = (circuit.fractionBits, circuit.features, circuit.outputs);
    }

    /// @dev Revert unless the model, asked by `requester` for the `nonce`-th time, says `outputs` of `inputs`.
    function _check(
        address requester,
        uint256 nonce,
        int256[] memory inputs,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) internal view {
        registry.checkInference(modelId, requester, nonce, inputs, outputs, evidence);
    }
}
