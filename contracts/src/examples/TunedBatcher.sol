// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SurrogateController} from "../control/SurrogateController.sol";
import {ParameterSpec} from "../interfaces/IParameterController.sol";
import {Octaves} from "../libraries/Octaves.sol";
import {PaymentBatcher} from "./PaymentBatcher.sol";

/// @title A batcher whose parameters are moved by proven results alone
/// @notice Parameter 0 is the batch size, parameter 1 the hold, both in eighths of an octave. The
/// operator pays; he has no say in the parameters.
contract TunedBatcher is PaymentBatcher, SurrogateController {
    /// @notice Rails beyond what a batch size or a hold (blocks) can be.
    error RailsOutOfRange(uint256 index, int64 min, int64 max);

    constructor(
        address operator_,
        uint32 flushAge_,
        ModelPin memory pin,
        uint32 cooldown_,
        ParameterSpec[] memory specs
    ) PaymentBatcher(operator_, flushAge_) SurrogateController(pin, cooldown_, specs) {
        if (specs.length != 2) revert TargetCount(2, specs.length);
        for (uint256 k; k < 2; ++k) {
            (int64 low, int64 high) = (specs[k].min, specs[k].max);
            // Within the rails every value can be read, so no move can stop the payments.
            uint256 most = k == 0 ? MOST_PAYMENTS : type(uint32).max;
            if (low < 0 || uint64(high) >= Octaves.EIGHTHS || Octaves.exp2(high) > most) {
                revert RailsOutOfRange(k, low, high);
            }
        }
    }

    function limits() public view override returns (uint256 batchSize, uint256 hold) {
        return (Octaves.exp2(_value(0)), Octaves.exp2(_value(1)));
    }
}
