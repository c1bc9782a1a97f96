// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChainHistory} from "./IChainHistory.sol";
import {Evidence} from "./ICircuits.sol";
import {IProvenFeed} from "./IProvenFeed.sol";

/// @title The base fee some blocks ahead, in wei, predicted by a proven model
/// @notice The features of a window of n blocks up to block B are integers with f fraction bits, derived
/// here from authenticated headers (b base fee, u gas used, g gas limit):
/// n of them, blocks B-n+1 .. B: ((2u - g) * 2^f) / g, truncated toward zero: how full a block was, -1 to 1;
/// n-1 of them, blocks B-n+1 .. B-1: (b * 2^f) / b_B - 2^f, the quotient rounded down: base fees relative to the newest.
/// The model's one output y predicts b_{B+horizon} / b_B - 1; the answer is b_B + (b_B * y) / 2^f, truncated
/// toward zero.
interface IGasFeed is IProvenFeed {
    error WindowInvalid(uint256 blocks);

    /// @notice Answer a round.
    /// @param headers RLP of headers to record first, oldest first, the last of a block that the chain still
    /// knows the hash of; empty if the round's window is recorded already.
    /// @param outputs The model's one output, fixed point.
    /// @param evidence Proof that the model maps the window's features to it, for this feed and round.
    function submit(
        uint256 round,
        bytes[] calldata headers,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external;

    /// @notice The features of a round, from the recorded blocks; reverts if one is not kept.
    function featuresOf(uint256 round) external view returns (int256[] memory features);

    function history() external view returns (IChainHistory);

    /// @notice Blocks in a window.
    function windowBlocks() external view returns (uint256);

    function fractionBits() external view returns (uint256);
}
