// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title A contract that acts on one model's decisions and nothing else
/// @notice The whole integration: pin the model when deployed, then one call per decision.
contract DecisionConsumer {
    IModelRegistry public immutable registry;
    uint256 public immutable modelId;

    /// @notice The next inference of a requester must be proven for this nonce: none counts twice.
    mapping(address requester => uint256) public nonces;
    mapping(address requester => int256[]) private _decisions;

    event InferenceAccepted(address indexed requester, uint256 nonce, int256[] inputs, int256[] outputs);

    error NotThePinnedModel(bytes32 expected, bytes32 got);

    /// @param commitmentHash keccak256(abi.encode(commitment)) of the model that was reviewed. A model
    /// never changes, so once is enough.
    constructor(IModelRegistry registry_, uint256 modelId_, bytes32 commitmentHash) {
        (IModelRegistry.ModelCommitment memory commitment,,) = registry_.getModel(modelId_);
        bytes32 got = keccak256(abi.encode(commitment));
        if (got != commitmentHash) revert NotThePinnedModel(commitmentHash, got);
        (registry, modelId) = (registry_, modelId_);
    }

    /// @notice Accept a decision proven for the caller, about inputs of the caller's choice: a contract for which
    /// they must be true compares them with what it knows.
    function accept(int256[] calldata inputs, int256[] calldata outputs, Evidence calldata evidence) external {
        uint256 nonce = nonces[msg.sender]++;
        registry.checkInference(modelId, msg.sender, nonce, inputs, outputs, evidence);
        _decisions[msg.sender] = outputs;
        emit InferenceAccepted(msg.sender, nonce, inputs, outputs);
    }

    /// @notice The outputs of a requester's latest accepted inference.
    function decisionOf(address requester) external view returns (int256[] memory) {
        return _decisions[requester];
    }
}
