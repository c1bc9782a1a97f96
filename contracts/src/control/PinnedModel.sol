// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {CircuitSpec} from "../interfaces/ICircuits.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IPinnedModel} from "../interfaces/IPinnedModel.sol";

/// @title PinnedModel
/// @notice See {IPinnedModel}.
abstract contract PinnedModel is IPinnedModel, Ownable2Step {
    /// Long enough to be noticed, short enough to be of use.
    uint32 private constant _LEAST = 1 minutes;
    uint32 private constant _MOST = 30 days;
    /// @dev As long as a feed's change stays open (FeedChanges): none is kept in hand for years.
    uint32 private constant _OPEN = 14 days;

    /// @inheritdoc IPinnedModel
    IModelRegistry public immutable registry;
    /// @inheritdoc IPinnedModel
    address public immutable guardian;
    /// @inheritdoc IPinnedModel
    uint32 public immutable modelDelay;
    /// @inheritdoc IPinnedModel
    uint32 public immutable pauseLength;
    /// @dev A fixed-point value of the model is integer / 2^_FRACTION_BITS.
    uint8 internal immutable _FRACTION_BITS;

    /// @inheritdoc IPinnedModel
    uint256 public modelId;
    /// @inheritdoc IPinnedModel
    bytes32 public commitmentHash;
    /// @inheritdoc IPinnedModel
    uint64 public pausedUntil;
    PendingModel private _pending;

    struct ModelPin {
        IModelRegistry registry;
        uint256 modelId;
        bytes32 commitmentHash;
        address owner;
        address guardian;
        uint32 modelDelay;
        uint32 pauseLength;
    }

    constructor(ModelPin memory pin) Ownable(pin.owner) {
        _checkDelay(pin.modelDelay);
        _checkDelay(pin.pauseLength);
        (registry, guardian) = (pin.registry, pin.guardian);
        (modelDelay, pauseLength) = (pin.modelDelay, pin.pauseLength);
        _checkCommitment(pin.registry, pin.modelId, pin.commitmentHash);
        (modelId, commitmentHash) = (pin.modelId, pin.commitmentHash);
        _FRACTION_BITS = _circuitOf(pin.registry, pin.modelId).fractionBits;
        emit ModelPinned(pin.modelId, pin.commitmentHash);
    }

    /// @inheritdoc IPinnedModel
    function scheduleModel(uint256 modelId_, bytes32 commitmentHash_) external onlyOwner {
        _checkCommitment(registry, modelId_, commitmentHash_);
        _checkShape(_circuitOf(registry, modelId), _circuitOf(registry, modelId_));
        uint64 notBefore = uint64(block.timestamp) + modelDelay;
        _pending = PendingModel(modelId_, commitmentHash_, notBefore);
        emit ModelChangeScheduled(modelId_, commitmentHash_, notBefore);
    }

    /// @inheritdoc IPinnedModel
    function cancelModel() external onlyOwner {
        PendingModel memory pending = _pendingOrRevert();
        delete _pending;
        emit ModelChangeCancelled(pending.modelId);
    }

    /// @inheritdoc IPinnedModel
    function applyModel() external {
        PendingModel memory pending = _pendingOrRevert();
        if (block.timestamp < pending.notBefore) {
            revert ModelChangeTooEarly(pending.notBefore, block.timestamp);
        }
        uint64 notAfter = pending.notBefore + _OPEN;
        if (block.timestamp > notAfter) revert ModelChangeExpired(notAfter, block.timestamp);
        delete _pending;
        (modelId, commitmentHash) = (pending.modelId, pending.commitmentHash);
        emit ModelPinned(pending.modelId, pending.commitmentHash);
    }

    /// @inheritdoc IPinnedModel
    function pause() external {
        if (msg.sender != guardian) revert NotTheGuardian(guardian, msg.sender);
        uint64 last = pausedUntil;
        if (last != 0 && block.timestamp < last + pauseLength) {
            revert PauseTooSoon(last + pauseLength, block.timestamp);
        }
        uint64 until = uint64(block.timestamp) + pauseLength;
        pausedUntil = until;
        emit Paused(msg.sender, until);
    }

    /// @inheritdoc IPinnedModel
    function pendingModel() external view returns (PendingModel memory) {
        return _pending;
    }

    function _requireNotPaused() internal view {
        if (block.timestamp < pausedUntil) revert IsPaused(pausedUntil);
    }

    function _pendingOrRevert() private view returns (PendingModel memory pending) {
        pending = _pending;
        if (pending.notBefore == 0) revert NoModelChange();
    }

    /// @dev A model never changes, so the commitment is compared once, when it is named.
    function _checkCommitment(IModelRegistry registry_, uint256 modelId_, bytes32 expected) private view {
        (IModelRegistry.ModelCommitment memory commitment,,) = registry_.getModel(modelId_);
        bytes32 got = keccak256(abi.encode(commitment));
        if (got != expected) revert NotThePinnedModel(expected, got);
    }

    /// @dev The next model must speak the pinned one's language, or its numbers would mean something else.
    function _checkShape(CircuitSpec memory pinned, CircuitSpec memory next) private pure {
        if (
            pinned.features != next.features || pinned.outputs != next.outputs
                || pinned.fractionBits != next.fractionBits
        ) revert ModelDoesNotFit(next.features, next.outputs, next.fractionBits);
        // All circuits of a model are for production, or none is (see TaskRules).
        if (pinned.production && !next.production) revert ModelNotForProduction();
    }

    function _circuitOf(IModelRegistry registry_, uint256 modelId_)
        private
        view
        returns (CircuitSpec memory)
    {
        return registry_.ledger().circuits().spec(registry_.provenanceOf(modelId_).inferenceCircuit);
    }

    function _checkDelay(uint32 seconds_) private pure {
        if (seconds_ < _LEAST || seconds_ > _MOST) revert DelayOutOfRange(seconds_, _LEAST, _MOST);
    }
}
