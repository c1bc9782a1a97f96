// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "./ICircuits.sol";

/// @notice One live parameter, in whole units that the deriving contract gives a meaning.
/// Rails, step, smoothing and map never change.
struct ParameterSpec {
    int64 initial;
    /// The rails: the parameter is never below `min` nor above `max`.
    int64 min;
    int64 max;
    /// The most that it moves in one update; 1 or more.
    uint56 maxStep;
    /// An update goes 1/smoothing of the way to the target (at least one unit), then `maxStep` limits it.
    /// 1: the whole way.
    uint8 smoothing;
    /// The target is offset + scale * output / 2^fractionBits of the model's output, rounded down.
    int64 scale;
    int64 offset;
}

/// @title Live parameters that only a verified result moves
/// @notice Update u (1, 2, ...) is an inference of the pinned model that is proven for this contract as the
/// requester and u as the nonce, over inputs that this contract derives itself. So a proof is good for one
/// controller and one update, anybody may hand it in, a copied proof gains nothing, and nothing else can
/// move a parameter: neither the owner nor the guardian.
/// A target beyond the rails means: as far as the rails. The rails are the set of values that are safe
/// whatever a model says; step and cooldown bound how fast it may get anywhere in it.
interface IParameterController {
    /// @param targets What the model asked for, in the parameters' units.
    /// @param values What the parameters are now.
    event ParametersMoved(
        uint256 indexed update, address indexed submitter, int256[] targets, int64[] values
    );

    error NoParameters();
    error NoCooldown();
    error TooManyParameters(uint256 most, uint256 got);
    error BadParameter(uint256 index, ParameterSpec spec);
    error TargetCount(uint256 expected, uint256 got);
    error CoolingDown(uint256 notBefore, uint256 blockNumber);
    error NoSuchParameter(uint256 index, uint256 count);

    /// @notice Make the next update: check the proof and move every parameter towards its target.
    /// @param outputs The model's outputs as proven, fixed point.
    /// @return values The parameters after it.
    function move(int256[] calldata outputs, Evidence calldata evidence)
        external
        returns (int64[] memory values);

    /// @notice What the next update's proof must have as its inputs, fixed-point integers.
    function features() external view returns (int256[] memory);

    /// @notice Where these outputs would lead, by the rules of `move` and without its checks.
    function preview(int256[] calldata outputs)
        external
        view
        returns (int256[] memory targets, int64[] memory values);

    /// @notice All parameters. One storage slot holds four.
    function parameters() external view returns (int64[] memory);
    function parameter(uint256 index) external view returns (int64);
    function specOf(uint256 index) external view returns (ParameterSpec memory);

    /// @notice Number of the next update, from 1: the nonce of its proof.
    function nextUpdate() external view returns (uint64);

    /// @notice The first block in which the next update may be made.
    function nextMoveBlock() external view returns (uint64);

    /// @notice Blocks between two updates, and between deployment and the first; 1 or more.
    function cooldown() external view returns (uint32);
}
