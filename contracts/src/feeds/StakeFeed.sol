// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../interfaces/ICircuits.sol";
import {AggregatorV3Interface} from "../interfaces/IFeedReaders.sol";
import {FeedTerms} from "../interfaces/IProvenFeed.sol";
import {IStakeSource, Share} from "../interfaces/IStakeSource.sol";
import {StakeFeatures} from "../libraries/StakeFeatures.sol";
import {ProvenFeed} from "./ProvenFeed.sol";

/// @title Predicted participation of a proof-of-stake chain
/// @notice A round's features are the numbers that a {IStakeSource} gives for the round's last block; the
/// answer is the model's first output, the share of stake that will attest, with eight decimals.
contract StakeFeed is ProvenFeed {
    int256 private constant _ONE = 1e8;

    IStakeSource public immutable source;

    /// @dev Two ends of windows suffice: epochs are of one length, so all later ones are ends too.
    /// @param outputs Outputs of the feed's models; what is beside the first is for others.
    constructor(FeedTerms memory terms, IStakeSource source_, uint256 outputs)
        ProvenFeed(terms, source_.count(), outputs)
    {
        if (!source_.isWindowEnd(terms.firstBlock)) revert TermsInvalid("firstBlock");
        if (!source_.isWindowEnd(uint256(terms.firstBlock) + terms.cadence)) revert TermsInvalid("cadence");
        source = source_;
    }

    /// @notice Submit a round's proven outputs; anybody.
    /// @param stateEvidence What the source needs to be convinced.
    function submit(
        uint256 round,
        bytes calldata stateEvidence,
        int256[] calldata outputs,
        Evidence calldata evidence
    ) external {
        requireOpen(round);
        (int256[] memory inputs, uint256 startedAt, uint256 updatedAt) = features(round, stateEvidence);
        _submit(round, inputs, startedAt, updatedAt, outputs, evidence);
    }

    /// @notice What a round's proof must have as its inputs.
    function features(uint256 round, bytes calldata stateEvidence)
        public
        view
        returns (int256[] memory inputs, uint256 startedAt, uint256 updatedAt)
    {
        Share[] memory shares;
        (shares, startedAt, updatedAt) = source.read(windowEnd(round), stateEvidence);
        inputs = StakeFeatures.fixedPoint(shares, _FRACTION_BITS);
    }

    /// @inheritdoc AggregatorV3Interface
    function decimals() external pure returns (uint8) {
        return 8;
    }

    /// @dev Rounded down.
    function _answerOf(uint256, int256[] calldata outputs) internal view override returns (int256) {
        return (outputs[0] * _ONE) >> _FRACTION_BITS;
    }
}
