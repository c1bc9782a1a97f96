// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "./IModelRegistry.sol";

/// @title The one model that a contract listens to
/// @notice A model is pinned by its id and by keccak256(abi.encode(commitment)). Only the owner may name
/// another, and it takes effect no earlier than `modelDelay` seconds after everybody could see it, and no later
/// than 14 days after that. A guardian may stop the contract for `pauseLength` seconds and do nothing else;
/// his next pause may begin no earlier than `pauseLength` seconds after the last one ended, so he can't stop
/// it for good.
interface IPinnedModel {
    /// @notice A model, and from when (seconds) it may take the place of the pinned one; zero: none waits.
    struct PendingModel {
        uint256 modelId;
        bytes32 commitmentHash;
        uint64 notBefore;
    }

    event ModelPinned(uint256 indexed modelId, bytes32 commitmentHash);
    event ModelChangeScheduled(uint256 indexed modelId, bytes32 commitmentHash, uint64 notBefore);
    event ModelChangeCancelled(uint256 indexed modelId);
    event Paused(address indexed guardian, uint64 until);

    error NotThePinnedModel(bytes32 expected, bytes32 got);
    /// @notice Not as many features, outputs and fraction bits as the pinned model.
    error ModelDoesNotFit(uint16 features, uint16 outputs, uint8 fractionBits);
    /// @notice The pinned model's reference string is safe, and this one's is not.
    error ModelNotForProduction();
    error DelayOutOfRange(uint256 got, uint256 least, uint256 most);
    error NoModelChange();
    error ModelChangeTooEarly(uint64 notBefore, uint256 time);
    error ModelChangeExpired(uint64 notAfter, uint256 time);
    error NotTheGuardian(address guardian, address caller);
    error PauseTooSoon(uint64 notBefore, uint256 time);
    error IsPaused(uint64 until);

    /// @notice Name the next model; it takes the place of one that waits, and the delay starts anew. Owner only.
    function scheduleModel(uint256 modelId, bytes32 commitmentHash) external;

    /// @notice Drop the model that waits. Owner only.
    function cancelModel() external;

    /// @notice Pin the model that waits. Anybody, once its delay is over and for 14 days.
    function applyModel() external;

    /// @notice Stop the contract until now + `pauseLength`. Guardian only.
    function pause() external;

    function registry() external view returns (IModelRegistry);
    function modelId() external view returns (uint256);
    function commitmentHash() external view returns (bytes32);
    function pendingModel() external view returns (PendingModel memory);
    function modelDelay() external view returns (uint32);
    function guardian() external view returns (address);
    function pauseLength() external view returns (uint32);
    function pausedUntil() external view returns (uint64);
}
