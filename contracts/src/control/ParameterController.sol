// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {IParameterController, ParameterSpec} from "../interfaces/IParameterController.sol";
import {PinnedModel} from "./PinnedModel.sol";

/// @title ParameterController
/// @notice See {IParameterController}. A deriving contract says what the inputs of an update are
/// (`_features`) and, if an affine map won't do, how outputs become targets (`_targets`).
abstract contract ParameterController is IParameterController, PinnedModel {
    uint256 private constant _MOST_PARAMETERS = 16;

    /// @inheritdoc IParameterController
    uint32 public immutable cooldown;

    uint256 private immutable _COUNT;
    /// @dev Of fixed length, so that reading one costs one storage read and four lie in one slot.
    int64[_MOST_PARAMETERS] private _values;
    ParameterSpec[] private _specs;
    uint64 private _lastUpdate;
    /// @inheritdoc IParameterController
    uint64 public nextMoveBlock;

    constructor(ModelPin memory pin, uint32 cooldown_, ParameterSpec[] memory specs) PinnedModel(pin) {
        uint256 count = specs.length;
        if (count == 0) revert NoParameters();
        if (cooldown_ == 0) revert NoCooldown();
        if (count > _MOST_PARAMETERS) revert TooManyParameters(_MOST_PARAMETERS, count);
        for (uint256 k; k < count; ++k) {
            ParameterSpec memory s = specs[k];
            bool railed = s.min <= s.initial && s.initial <= s.max;
            if (!railed || s.maxStep == 0 || s.smoothing == 0) revert BadParameter(k, s);
            _specs.push(s);
            _values[k] = s.initial;
        }
        (cooldown, _COUNT) = (cooldown_, count);
        nextMoveBlock = uint64(block.number) + cooldown_;
    }

    /// @inheritdoc IParameterController
    function move(int256[] calldata outputs, Evidence calldata evidence)
        external
        returns (int64[] memory values)
    {
        _requireNotPaused();
        if (block.number < nextMoveBlock) revert CoolingDown(nextMoveBlock, block.number);
        uint64 update = _lastUpdate + 1;
        registry.checkInference(modelId, address(this), update, _features(update), outputs, evidence);

        int256[] memory targets;
        (targets, values) = preview(outputs);
        _lastUpdate = update;
        nextMoveBlock = uint64(block.number) + cooldown;
        for (uint256 k; k < values.length; ++k) {
            _values[k] = values[k];
        }
        emit ParametersMoved(update, msg.sender, targets, values);
    }

    /// @inheritdoc IParameterController
    function features() external view returns (int256[] memory) {
        return _features(_lastUpdate + 1);
    }

    /// @inheritdoc IParameterController
    function parameters() public view returns (int64[] memory values) {
        values = new int64[](_COUNT);
        for (uint256 k; k < values.length; ++k) {
            values[k] = _values[k];
        }
    }

    /// @inheritdoc IParameterController
    function parameter(uint256 index) external view returns (int64) {
        _checkIndex(index);
        return _values[index];
    }

    /// @inheritdoc IParameterController
    function specOf(uint256 index) external view returns (ParameterSpec memory) {
        _checkIndex(index);
        return _specs[index];
    }

    /// @inheritdoc IParameterController
    function nextUpdate() external view returns (uint64) {
        return _lastUpdate + 1;
    }

    /// @inheritdoc IParameterController
    function preview(int256[] calldata outputs)
        public
        view
        returns (int256[] memory targets, int64[] memory values)
    {
        targets = _targets(outputs);
        values = parameters();
        if (targets.length != values.length) revert TargetCount(values.length, targets.length);
        for (uint256 k; k < values.length; ++k) {
            values[k] = _moved(values[k], targets[k], _specs[k]);
        }
    }

    /// @dev What the proof of this update must have as inputs: exact integers in the circuit's fixed-point
    /// units, from data that this contract can answer for. They must stay the same from the moment a prover
    /// reads them until the update may be made.
    function _features(uint64 update) internal view virtual returns (int256[] memory);

    /// @dev Targets in the parameters' units. By default output k is mapped by the map of parameter k.
    function _targets(int256[] calldata outputs) internal view virtual returns (int256[] memory targets) {
        uint256 count = _COUNT;
        if (outputs.length != count) revert TargetCount(count, outputs.length);
        targets = new int256[](count);
        for (uint256 k; k < count; ++k) {
            targets[k] = _affine(k, outputs[k]);
        }
    }

    function _count() internal view returns (uint256) {
        return _COUNT;
    }

    function _spec(uint256 index) internal view returns (ParameterSpec storage) {
        return _specs[index];
    }

    /// @dev offset + scale * output / 2^fractionBits, rounded down. An output too large to be mapped reverts.
    function _affine(uint256 index, int256 output) internal view returns (int256) {
        ParameterSpec storage s = _specs[index];
        return ((int256(s.scale) * output) >> _FRACTION_BITS) + s.offset;
    }

    /// @dev Parameter `index`; one that doesn't exist is zero.
    function _value(uint256 index) internal view returns (int64) {
        return _values[index];
    }

    /// @dev Rails first: what is asked for, as far as it is allowed. Then smoothing, then the step.
    /// The differences are of two int64: nothing overflows, and the result lies between value and rails.
    function _moved(int64 value, int256 target, ParameterSpec storage s) private view returns (int64) {
        int256 low = s.min;
        int256 high = s.max;
        int256 goal = target < low ? low : target > high ? high : target;
        bool up = goal > value;
        uint256 distance = uint256(up ? goal - value : value - goal);
        uint256 step = (distance + s.smoothing - 1) / s.smoothing;
        if (step > s.maxStep) step = s.maxStep;
        // forge-lint: disable-next-line(unsafe-typecast)
        return int64(up ? value + int256(step) : value - int256(step));
    }

    function _checkIndex(uint256 index) private view {
        if (index >= _COUNT) revert NoSuchParameter(index, _COUNT);
    }
}
