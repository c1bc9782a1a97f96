// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ParameterSpec} from "../interfaces/IParameterController.sol";
import {IStakeParameters, StakeParameters} from "../interfaces/IStakeRegistry.sol";
import {IStakeSource, Share} from "../interfaces/IStakeSource.sol";
import {StakeFeatures} from "../libraries/StakeFeatures.sol";
import {ParameterController} from "./ParameterController.sol";

/// @title Parameters of a proof-of-stake chain, moved by a proven model of participation and cost
/// @notice An update reads the newest window whose end is a multiple of `cadence` blocks after `firstBlock`,
/// as a {IStakeSource} gives it. The model's first two outputs predict participation and cost; the next three
/// are where base reward, committee size and deadline should be. No window counts twice: the cooldown is not
/// shorter than the cadence.
contract StakeController is ParameterController, IStakeParameters {
    uint256 private constant _PREDICTIONS = 2;
    uint256 private constant _PARAMETERS = 3;

    IStakeSource public immutable source;
    uint256 public immutable firstBlock;
    uint256 public immutable cadence;

    error NotThreeParameters(uint256 got);
    error RailsOutOfRange(uint256 index, int64 min, int64 max);
    error CooldownTooShort(uint256 cadence, uint256 cooldown);
    error NotAWindowEnd(uint256 blockNumber);
    error NoWindowYet(uint256 firstBlock, uint256 current);

    constructor(
        ModelPin memory pin,
        uint32 cooldown_,
        ParameterSpec[] memory specs,
        IStakeSource source_,
        uint256 firstBlock_,
        uint256 cadence_
    ) ParameterController(pin, cooldown_, specs) {
        if (specs.length != _PARAMETERS) revert NotThreeParameters(specs.length);
        if (cadence_ == 0 || cooldown_ < cadence_) revert CooldownTooShort(cadence_, cooldown_);
        for (uint256 k; k < _PARAMETERS; ++k) {
            int64 most = k == 0 ? int64(uint64(type(uint32).max)) : int64(uint64(type(uint16).max));
            if (specs[k].min < 1 || specs[k].max > most) revert RailsOutOfRange(k, specs[k].min, specs[k].max);
        }
        // Two suffice: epochs are of one length, so all later ones are ends too.
        if (!source_.isWindowEnd(firstBlock_)) revert NotAWindowEnd(firstBlock_);
        if (!source_.isWindowEnd(firstBlock_ + cadence_)) revert NotAWindowEnd(firstBlock_ + cadence_);
        (source, firstBlock, cadence) = (source_, firstBlock_, cadence_);
    }

    /// @inheritdoc IStakeParameters
    function stakeParameters() external view returns (StakeParameters memory) {
        // Within the rails, which fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        return StakeParameters(uint32(uint64(_value(0))), uint16(uint64(_value(1))), uint16(uint64(_value(2))));
    }

    /// @notice The window that an update made now would read.
    function windowEnd() public view returns (uint256) {
        if (block.number <= firstBlock) revert NoWindowYet(firstBlock, block.number);
        return block.number - 1 - (block.number - 1 - firstBlock) % cadence;
    }

    function _features(uint64) internal view override returns (int256[] memory) {
        (Share[] memory shares,,) = source.read(windowEnd(), "");
        return StakeFeatures.fixedPoint(shares, _FRACTION_BITS);
    }

    function _targets(int256[] calldata outputs) internal view override returns (int256[] memory targets) {
        if (outputs.length != _PREDICTIONS + _PARAMETERS) {
            revert TargetCount(_PREDICTIONS + _PARAMETERS, outputs.length);
        }
        targets = new int256[](_PARAMETERS);
        for (uint256 k; k < _PARAMETERS; ++k) {
            targets[k] = _affine(k, outputs[_PREDICTIONS + k]);
        }
    }
}
