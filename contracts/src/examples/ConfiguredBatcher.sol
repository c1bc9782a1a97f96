// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Octaves} from "../libraries/Octaves.sol";
import {PaymentBatcher} from "./PaymentBatcher.sol";

/// @title A batcher whose operator sets the parameters
/// @notice What one deploys without a model, and what costs are measured on: the same work as
/// {TunedBatcher}, parameters in one storage slot as there.
contract ConfiguredBatcher is PaymentBatcher {
    int64 private _batchEighths;
    int64 private _holdEighths;

    event Configured(int64 batchEighths, int64 holdEighths);

    constructor(address operator_, uint32 flushAge_, int64 batchEighths, int64 holdEighths)
        PaymentBatcher(operator_, flushAge_)
    {
        _configure(batchEighths, holdEighths);
    }

    /// @notice Set both parameters, in eighths of an octave. Operator only.
    function configure(int64 batchEighths, int64 holdEighths) external onlyOperator {
        _configure(batchEighths, holdEighths);
    }

    function limits() public view override returns (uint256 batchSize, uint256 hold) {
        return (Octaves.exp2(_batchEighths), Octaves.exp2(_holdEighths));
    }

    function _configure(int64 batchEighths, int64 holdEighths) private {
        uint256 batchSize = Octaves.exp2(batchEighths);
        Octaves.exp2(holdEighths);
        if (batchSize > MOST_PAYMENTS) revert PaymentCount(MOST_PAYMENTS, batchSize);
        (_batchEighths, _holdEighths) = (batchEighths, holdEighths);
        emit Configured(batchEighths, holdEighths);
    }
}
