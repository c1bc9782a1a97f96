// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FeedStatus, IProvenFeed} from "../interfaces/IProvenFeed.sol";

/// @title Reads a feed for a contract that acts on it
/// @notice Reverts instead of answering what must not be acted on: no answer, one that is too old for the
/// feed or for the reader, one held by a tripped breaker, one out of the reader's own bounds.
library FeedReader {
    error FeedHasNoAnswer(IProvenFeed feed);
    error FeedIsTripped(IProvenFeed feed, uint256 heldRound);
    error FeedIsStale(IProvenFeed feed, uint256 updatedAt, uint256 maxAge);
    error FeedOutOfRange(IProvenFeed feed, int256 answer, int256 low, int256 high);

    /// @notice The answer, if it may be acted on.
    /// @param maxAge How old the newest input may be, seconds. The feed's own limit holds too.
    function read(IProvenFeed feed, uint256 maxAge) internal view returns (int256 answer, uint256 updatedAt) {
        FeedStatus memory s = feed.status();
        if (s.latest.round == 0) revert FeedHasNoAnswer(feed);
        if (s.tripped) revert FeedIsTripped(feed, s.latest.round);
        (answer, updatedAt) = (s.latest.value, s.latest.updatedAt);
        if (s.stale || block.timestamp > updatedAt + maxAge) revert FeedIsStale(feed, updatedAt, maxAge);
    }

    /// @notice The same, and within bounds of the reader's own.
    function readWithin(IProvenFeed feed, uint256 maxAge, int256 low, int256 high)
        internal
        view
        returns (int256 answer, uint256 updatedAt)
    {
        (answer, updatedAt) = read(feed, maxAge);
        if (answer < low || answer > high) revert FeedOutOfRange(feed, answer, low, high);
    }

    /// @notice The same as `read` for code that has something else to do.
    /// @return usable False where `read` reverts.
    function tryRead(IProvenFeed feed, uint256 maxAge) internal view returns (bool usable, int256 answer) {
        FeedStatus memory s = feed.status();
        usable = s.latest.round != 0 && !s.tripped && !s.stale && block.timestamp <= s.latest.updatedAt + maxAge;
        if (usable) answer = s.latest.value;
    }
}
