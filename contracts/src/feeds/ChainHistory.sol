// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {BlockRecord, IChainHistory} from "../interfaces/IChainHistory.sol";
import {Header, HeaderFields} from "../libraries/Header.sol";

/// @title ChainHistory
/// @notice See {IChainHistory}.
contract ChainHistory is IChainHistory {
    uint256 private constant LARGEST = 1 << 16;

    /// @inheritdoc IChainHistory
    uint256 public immutable capacity;

    /// @dev In place number % capacity.
    mapping(uint256 place => BlockRecord) private _blocks;

    /// @param capacity_ At least the blocks for which the chain gives hashes, so that no honest caller finds
    /// a place taken: 256, or 8,192 with EIP-2935.
    constructor(uint256 capacity_) {
        if (capacity_ == 0 || capacity_ > LARGEST) revert CapacityInvalid(capacity_);
        capacity = capacity_;
    }

    /// @inheritdoc IChainHistory
    /// @dev From the newest to the oldest: each header names the hash that the one before it must have.
    function record(bytes[] calldata headers) external returns (uint256 first, uint256 last) {
        if (headers.length == 0) revert NoHeaders();
        uint256 k = headers.length - 1;
        HeaderFields memory f = Header.read(headers[k]);
        last = f.number;
        bytes32 expected = Blockhash.blockHash(last);
        if (expected == 0) revert BlockOutOfReach(last, block.number);
        bytes32 got = keccak256(headers[k]);
        if (got != expected) revert NotThisChain(last, expected, got);
        _keep(f);
        while (k != 0) {
            bytes calldata header = headers[--k];
            got = keccak256(header);
            if (got != f.parentHash) revert NotTheParent(k, f.parentHash, got);
            f = Header.read(header);
            _keep(f);
        }
        first = f.number;
        emit BlocksRecorded(first, last);
    }

    /// @inheritdoc IChainHistory
    function window(uint256 last, uint256 count) external view returns (BlockRecord[] memory blocks) {
        if (count == 0 || count > last + 1) revert BlockNotRecorded(last);
        blocks = new BlockRecord[](count);
        for (uint256 k; k < count; ++k) {
            blocks[k] = blockAt(last + 1 - count + k);
        }
    }

    /// @inheritdoc IChainHistory
    function isRecorded(uint256 number) external view returns (bool) {
        BlockRecord memory kept = _blocks[number % capacity];
        return kept.number == number && kept.gasLimit != 0;
    }

    /// @inheritdoc IChainHistory
    function blockAt(uint256 number) public view returns (BlockRecord memory kept) {
        kept = _blocks[number % capacity];
        // An empty place says block 0; no block has a gas limit of zero.
        if (kept.number != number || kept.gasLimit == 0) revert BlockNotRecorded(number);
    }

    /// @dev A block that is there already is the same one: both have this chain's hash.
    function _keep(HeaderFields memory f) private {
        if (f.count <= Header.BASE_FEE) revert NoBaseFee(f.number);
        BlockRecord storage place = _blocks[f.number % capacity];
        BlockRecord memory kept = place;
        if (kept.gasLimit != 0) {
            if (kept.number == f.number) return;
            if (kept.number > f.number) revert BlockOverwritten(f.number, kept.number);
        }
        (kept.number, kept.timestamp) = (_uint40(f, f.number), _uint40(f, f.timestamp));
        (kept.gasUsed, kept.gasLimit) = (_uint40(f, f.gasUsed), _uint40(f, f.gasLimit));
        if (f.baseFee > type(uint96).max) revert FieldTooLarge(f.number, f.baseFee);
        // forge-lint: disable-next-line(unsafe-typecast)
        kept.baseFee = uint96(f.baseFee);
        _blocks[f.number % capacity] = kept;
    }

    function _uint40(HeaderFields memory f, uint256 value) private pure returns (uint40) {
        if (value > type(uint40).max) revert FieldTooLarge(f.number, value);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(value);
    }
}
