// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An exact number between the integers; the denominator is not zero.
struct Share {
    uint256 numerator;
    uint256 denominator;
}

/// @title Where numbers of a proof-of-stake chain come from
/// @notice A source answers for them: each is read from consensus state that it knows to be true.
interface IStakeSource {
    error SourceHasNoEvidence(uint256 bytes_);

    /// @notice How many numbers there are.
    function count() external view returns (uint256);

    /// @notice Whether a window ends with a block, past or to come: of no other {read} will ever tell.
    function isWindowEnd(uint256 blockNumber) external view returns (bool);

    /// @notice The numbers of the window that ends with a block. Nobody chooses: a block has one window.
    /// @param evidence What the source needs to be convinced; empty for one that holds the state itself.
    /// @return shares `count` of them, always in the same order.
    /// @return startedAt Time of the oldest input, seconds.
    /// @return updatedAt Time of the newest.
    function read(uint256 endBlock, bytes calldata evidence)
        external
        view
        returns (Share[] memory shares, uint256 startedAt, uint256 updatedAt);
}
