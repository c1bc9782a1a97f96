// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ParameterSpec} from "../interfaces/IParameterController.sol";
import {ParameterController} from "./ParameterController.sol";

/// @title A controller that follows the minimiser of a trained cost surrogate
/// @notice The model is a surrogate of the cost of d parameters, a parabola in each of its coordinates
/// u_k = (parameter_k - offset_k) / scale_k: cost(u) = c + sum of b_k u_k + a_k (u_k^2 - 1/2), least at
/// u_k = -b_k / (2 a_k). Its weights are what training on measured costs has found. Inputs of an update are
/// the live parameters in coordinates and a gate of 1; outputs are the predicted cost of the live
/// parameters, then b and a. A coordinate without a minimum (a_k <= 0) moves nothing.
abstract contract SurrogateController is ParameterController {
    error BadScale(uint256 index, int64 scale);
    error NoMinimum(uint256 index, int256 curvature);

    /// @param specs Each scale is a positive power of two up to 2^fractionBits: coordinates are exact then.
    constructor(ModelPin memory pin, uint32 cooldown_, ParameterSpec[] memory specs)
        ParameterController(pin, cooldown_, specs)
    {
        for (uint256 k; k < specs.length; ++k) {
            int64 scale = specs[k].scale;
            if (scale < 1 || scale & (scale - 1) != 0 || scale > int256(1) << _FRACTION_BITS) {
                revert BadScale(k, scale);
            }
        }
    }

    function _features(uint64) internal view override returns (int256[] memory inputs) {
        uint256 count = _count();
        inputs = new int256[](count + 1);
        for (uint256 k; k < count; ++k) {
            ParameterSpec storage s = _spec(k);
            inputs[k] = ((int256(_value(k)) - s.offset) << _FRACTION_BITS) / s.scale;
        }
        inputs[count] = int256(1) << _FRACTION_BITS;
    }

    function _targets(int256[] calldata outputs) internal view override returns (int256[] memory targets) {
        uint256 count = _count();
        if (outputs.length != 2 * count + 1) revert TargetCount(2 * count + 1, outputs.length);
        targets = new int256[](count);
        for (uint256 k; k < count; ++k) {
            (int256 slope, int256 curvature) = (outputs[1 + k], outputs[1 + count + k]);
            if (curvature <= 0) revert NoMinimum(k, curvature);
            ParameterSpec storage s = _spec(k);
            targets[k] = s.offset + _floor(-slope * s.scale, 2 * curvature);
        }
    }

    /// @dev Quotient rounded down; the divisor is positive.
    function _floor(int256 dividend, int256 divisor) private pure returns (int256 quotient) {
        quotient = dividend / divisor;
        if (dividend % divisor < 0) --quotient;
    }
}
