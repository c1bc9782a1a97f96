// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {IStakeSource, Share} from "../interfaces/IStakeSource.sol";
import {Header, HeaderFields} from "../libraries/Header.sol";
import {Ssz} from "../libraries/Ssz.sol";

/// @notice One number of a source: a uint64 in one leaf of the beacon block's tree, over a unit.
struct BeaconLeaf {
    /// Generalised index in the tree of BeaconBlock: the state is node 11.
    uint256 gindex;
    /// 0 to 3: which of the four uint64 of a packed leaf. 4: the leaf is one uint64, and nothing else.
    uint8 place;
    uint64 unit;
}

/// @notice What convinces a {BeaconStakeSource}.
struct BeaconEvidence {
    /// The header of the execution block that ends the window.
    bytes headerRlp;
    bytes32[] leaves;
    bytes32[][] branches;
}

/// @title Numbers of the beacon chain, by EIP-4788
/// @notice The header of the window's last block, which BLOCKHASH knows, gives the block's timestamp; under
/// that timestamp the system contract of EIP-4788 keeps the root of the parent beacon block; branches
/// lead from there to single leaves: a validator's effective balance, the number of validators, an epoch, a
/// queue. Total stake and participation are in no single leaf: what is not one can't be had this way.
/// The layout is a fork's: where a leaf is goes into the constructor, and a fork that moves it needs a
/// source of its own.
contract BeaconStakeSource is IStakeSource {
    /// @dev BEACON_ROOTS_ADDRESS (EIP-4788).
    address private constant _ROOTS = 0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02;
    uint8 private constant _WHOLE = 4;

    BeaconLeaf[] private _leaves;

    error NoLeaves();
    error NoEvidence();
    error BadLeaf(uint256 index, BeaconLeaf leaf);
    error WindowNotOver(uint256 endBlock, uint256 current);
    error BlockNotAvailable(uint256 blockNumber);
    error WrongHeader(uint256 blockNumber);
    error RootNotAvailable(uint256 timestamp);
    error LeafCount(uint256 expected, uint256 got);

    constructor(BeaconLeaf[] memory leaves_) {
        if (leaves_.length == 0) revert NoLeaves();
        for (uint256 k; k < leaves_.length; ++k) {
            BeaconLeaf memory leaf = leaves_[k];
            if (leaf.gindex < 2 || leaf.place > _WHOLE || leaf.unit == 0) revert BadLeaf(k, leaf);
            _leaves.push(leaf);
        }
    }

    /// @inheritdoc IStakeSource
    /// @param evidence abi.encode(BeaconEvidence).
    function read(uint256 endBlock, bytes calldata evidence)
        external
        view
        returns (Share[] memory shares, uint256 startedAt, uint256 updatedAt)
    {
        if (evidence.length < 32) revert NoEvidence();
        BeaconEvidence calldata said;
        assembly ("memory-safe") {
            // A struct that is encoded alone begins at the offset in the first word.
            said := add(evidence.offset, calldataload(evidence.offset))
        }
        uint256 timestamp = _timestampOf(endBlock, said.headerRlp);
        shares = _read(rootAt(timestamp), said.leaves, said.branches);
        return (shares, timestamp, timestamp);
    }

    /// @inheritdoc IStakeSource
    function count() external view returns (uint256) {
        return _leaves.length;
    }

    /// @inheritdoc IStakeSource
    /// @dev The state of any block can be read.
    function isWindowEnd(uint256) external pure returns (bool) {
        return true;
    }

    function leafOf(uint256 index) external view returns (BeaconLeaf memory) {
        return _leaves[index];
    }

    /// @notice Root of the beacon block before the execution block with this timestamp.
    function rootAt(uint256 timestamp) public view returns (bytes32 root) {
        (bool ok, bytes memory answer) = _ROOTS.staticcall(abi.encode(timestamp));
        if (!ok || answer.length != 32) revert RootNotAvailable(timestamp);
        root = abi.decode(answer, (bytes32));
        if (root == 0) revert RootNotAvailable(timestamp);
    }

    /// @dev Whoever brings another header, or another block's, finds nothing under its timestamp.
    function _timestampOf(uint256 endBlock, bytes calldata headerRlp) private view returns (uint256) {
        if (block.number <= endBlock) revert WindowNotOver(endBlock, block.number);
        bytes32 expected = Blockhash.blockHash(endBlock);
        if (expected == 0) revert BlockNotAvailable(endBlock);
        if (keccak256(headerRlp) != expected) revert WrongHeader(endBlock);
        HeaderFields memory header = Header.read(headerRlp);
        return header.timestamp;
    }

    function _read(bytes32 root, bytes32[] calldata leaves, bytes32[][] calldata branches)
        private
        view
        returns (Share[] memory shares)
    {
        uint256 wanted = _leaves.length;
        if (leaves.length != wanted) revert LeafCount(wanted, leaves.length);
        if (branches.length != wanted) revert LeafCount(wanted, branches.length);
        shares = new Share[](wanted);
        for (uint256 k; k < wanted; ++k) {
            BeaconLeaf memory leaf = _leaves[k];
            Ssz.verify(root, leaf.gindex, leaves[k], branches[k]);
            uint64 value =
                leaf.place == _WHOLE ? Ssz.toUint64(leaves[k]) : Ssz.uint64At(leaves[k], leaf.place);
            shares[k] = Share(value, leaf.unit);
        }
    }
}
