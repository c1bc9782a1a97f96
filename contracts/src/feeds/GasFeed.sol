// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockRecord, IChainHistory} from "../interfaces/IChainHistory.sol";
import {Evidence} from "../interfaces/ICircuits.sol";
import {AggregatorV3Interface} from "../interfaces/IFeedReaders.sol";
import {IGasFeed} from "../interfaces/IGasFeed.sol";
import {FeedTerms} from "../interfaces/IProvenFeed.sol";
import {GasFeatures} from "../libraries/GasFeatures.sol";
import {ProvenFeed} from "./ProvenFeed.sol";

/// @title GasFeed
/// @notice See {IGasFeed}.
contract GasFeed is IGasFeed, ProvenFeed {
    /// @dev Blocks reach 256 back, and n headers have to fit a transaction.
    uint256 private constant LARGEST_WINDOW = 64;
    /// @dev Features and answers are computed without overflow up to here.
    uint256 private constant MOST_FRACTION_BITS = 32;

    /// @inheritdoc IGasFeed
    IChainHistory public immutable history;
    /// @inheritdoc IGasFeed
    uint256 public immutable windowBlocks;

    constructor(FeedTerms memory terms, IChainHistory history_, uint256 windowBlocks_)
        ProvenFeed(terms, GasFeatures.count(windowBlocks_), 1)
    {
        if (windowBlocks_ < 2 || windowBlocks_ > LARGEST_WINDOW || windowBlocks_ > history_.capacity()) {
            revert WindowInvalid(windowBlocks_);
        }
        if (terms.firstBlock + 1 < windowBlocks_) revert TermsInvalid("firstBlock");
        if (_FRACTION_BITS > MOST_FRACTION_BITS) {
            revert ModelShapeDiffers("fractionBits", MOST_FRACTION_BITS, _FRACTION_BITS);
        }
        (history, windowBlocks) = (history_, windowBlocks_);
    }

    /// @inheritdoc IGasFeed
    function submit(
        uint256 round,
        bytes[] calldata headers,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external {
        requireOpen(round);
        if (headers.length != 0) history.record(headers);
        BlockRecord[] memory blocks = history.window(windowEnd(round), windowBlocks);
        _submit(
            round,
            GasFeatures.derive(blocks, _FRACTION_BITS),
            blocks[0].timestamp,
            blocks[blocks.length - 1].timestamp,
            outputs,
            evidence
        );
    }

    /// @inheritdoc IGasFeed
    function featuresOf(uint256 round) external view returns (int256[] memory) {
        return GasFeatures.derive(history.window(windowEnd(round), windowBlocks), _FRACTION_BITS);
    }

    /// @inheritdoc IGasFeed
    function fractionBits() external view returns (uint256) {
        return _FRACTION_BITS;
    }

    /// @inheritdoc AggregatorV3Interface
    function decimals() external pure returns (uint8) {
        return 0;
    }

    function _answerOf(uint256 round, int256[] calldata outputs) internal view override returns (int256) {
        return GasFeatures.answer(history.blockAt(windowEnd(round)).baseFee, outputs[0], _FRACTION_BITS);
    }
}
