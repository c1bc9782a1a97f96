// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What is kept of a block. One storage slot.
struct BlockRecord {
    uint40 number;
    uint40 timestamp;
    uint40 gasUsed;
    uint40 gasLimit;
    /// Wei for each gas.
    uint96 baseFee;
}

/// @title Authenticated history of this chain
/// @notice Anybody records headers; nothing is believed. The newest of a call must have the hash that the
/// chain itself gives for its number: BLOCKHASH for the last 256 blocks, the contract of EIP-2935 for
/// 8,191 where there is one. Each older one must be the parent of the one after. What is kept is a ring:
/// block n is in place n % capacity until a later one takes it, and an older one never does.
interface IChainHistory {
    event BlocksRecorded(uint256 indexed first, uint256 indexed last);

    error CapacityInvalid(uint256 capacity);
    error NoHeaders();
    /// @notice The chain knows no hash of this block here: too old, or not before this one.
    error BlockOutOfReach(uint256 number, uint256 blockNumber);
    /// @notice The newest header is not of this chain's block of that number: of a fork, or changed.
    error NotThisChain(uint256 number, bytes32 expected, bytes32 got);
    /// @notice A header is not the parent of the one after: out of order, a gap, or of a fork.
    error NotTheParent(uint256 index, bytes32 expected, bytes32 got);
    error NoBaseFee(uint256 number);
    error FieldTooLarge(uint256 number, uint256 value);
    /// @notice A later block has the place.
    error BlockOverwritten(uint256 number, uint256 by);
    error BlockNotRecorded(uint256 number);

    /// @notice Record consecutive blocks.
    /// @param headers RLP of the headers, oldest first.
    /// @return first Number of the first.
    /// @return last Number of the last.
    function record(bytes[] calldata headers) external returns (uint256 first, uint256 last);

    /// @notice A recorded block; reverts if it is not kept.
    function blockAt(uint256 number) external view returns (BlockRecord memory);

    /// @notice Consecutive recorded blocks, `count` of them up to `last`, oldest first; reverts if one is not kept.
    function window(uint256 last, uint256 count) external view returns (BlockRecord[] memory);

    function isRecorded(uint256 number) external view returns (bool);

    function capacity() external view returns (uint256);
}
