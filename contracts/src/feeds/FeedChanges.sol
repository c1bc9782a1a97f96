// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {ChangeKind, IProvenFeed} from "../interfaces/IProvenFeed.sol";

/// @title Changes that are announced, and made later or not at all
/// @notice The owner's part of a feed, see {IProvenFeed}. An announced change that nobody makes expires, so
/// that none is kept in hand for years.
abstract contract FeedChanges is IProvenFeed, Ownable2Step {
    uint256 private constant OPEN_SECONDS = 14 days;
    /// @dev Five blocks of Ethereum's: an announcement is seen in an earlier block than the change, and a chain
    /// of one's own can live with it. What protects readers of a feed is the length that its terms name.
    uint256 private constant LEAST_TIMELOCK = 1 minutes;

    uint256 private immutable _TIMELOCK;

    mapping(bytes32 changeId => uint256) private _readyAt;

    constructor(address owner_, uint256 timelock) Ownable(owner_) {
        if (timelock < LEAST_TIMELOCK) revert TermsInvalid("timelockSeconds");
        _TIMELOCK = timelock;
    }

    /// @inheritdoc IProvenFeed
    function withdrawChange(bytes32 changeId) external onlyOwner {
        if (_readyAt[changeId] == 0) revert ChangeUnknown(changeId);
        delete _readyAt[changeId];
        emit ChangeWithdrawn(changeId);
    }

    /// @inheritdoc IProvenFeed
    function changeOf(bytes32 changeId) external view returns (uint256 readyAt, uint256 expiresAt) {
        readyAt = _readyAt[changeId];
        if (readyAt != 0) expiresAt = readyAt + OPEN_SECONDS;
    }

    /// @inheritdoc IProvenFeed
    function timelockSeconds() external view returns (uint256) {
        return _TIMELOCK;
    }

    /// @dev An expired change may be announced again.
    function _announce(ChangeKind kind, bytes memory arguments) internal onlyOwner returns (bytes32 changeId) {
        changeId = keccak256(abi.encode(kind, arguments));
        uint256 readyAt = _readyAt[changeId];
        if (readyAt != 0 && block.timestamp <= readyAt + OPEN_SECONDS) revert ChangePending(changeId);
        readyAt = block.timestamp + _TIMELOCK;
        _readyAt[changeId] = readyAt;
        emit ChangeAnnounced(changeId, kind, readyAt, readyAt + OPEN_SECONDS);
    }

    /// @dev Take a change that was announced and has waited.
    function _make(ChangeKind kind, bytes memory arguments) internal onlyOwner {
        bytes32 changeId = keccak256(abi.encode(kind, arguments));
        uint256 readyAt = _readyAt[changeId];
        if (readyAt == 0) revert ChangeUnknown(changeId);
        if (block.timestamp < readyAt) revert ChangeNotReady(changeId, readyAt);
        if (block.timestamp > readyAt + OPEN_SECONDS) revert ChangeExpired(changeId, readyAt + OPEN_SECONDS);
        delete _readyAt[changeId];
    }
}
