// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Aggregate,
    EpochSummary,
    IStakeRegistry,
    StakeParameters,
    Validator
} from "../interfaces/IStakeRegistry.sol";
import {StakeBook} from "./StakeBook.sol";

/// @title Duties and epochs of a local proof-of-stake chain
/// @notice An attestation is one bit: rewards and penalties are booked later, by {settle}.
// Casts: see StakeBook.
// forge-lint: disable-start(unsafe-typecast)
contract StakeRegistry is StakeBook {
    bytes32 private constant _ATTESTATION = keccak256("zkdescent.stake.attestation.v1");
    /// @dev What a transaction costs before it does anything, and a byte of its data (EIP-2028).
    uint256 private constant _TRANSACTION_GAS = 21_000;
    uint256 private constant _BYTE_GAS = 16;
    /// @dev Call data of {attestOwn}: selector and three words.
    uint256 private constant _OWN_BYTES = 100;

    /// @dev What one call adds to the epoch's counters.
    struct Tally {
        uint256 increments;
        uint256 validators;
        uint256 late;
        uint256 delay;
    }

    /// @param genesisBlock_ First block of epoch 1; 1 or more.
    /// @param binder_ Who may name the controller, once; zero: nobody, parameters stay.
    constructor(
        StakeParameters memory initial,
        address binder_,
        uint256 genesisBlock_,
        uint256 epochBlocks_,
        uint256 churnLimit_,
        uint256 withdrawalDelay_
    ) StakeBook(initial, binder_, genesisBlock_, epochBlocks_, churnLimit_, withdrawalDelay_) {}

    /// @inheritdoc IStakeRegistry
    function attest(uint256 epoch, Aggregate[] calldata aggregates) external {
        uint256 gasBefore = gasleft();
        _requireNow(epoch);
        Tally memory tally;
        // Selector, epoch, offset, length; for each aggregate its offset, three words and a length.
        uint256 dataBytes = 100 + 160 * aggregates.length;
        for (uint256 k; k < aggregates.length; ++k) {
            _aggregate(epoch, aggregates[k], tally);
            dataBytes += aggregates[k].signatures.length;
        }
        _store(epoch, tally, gasBefore, dataBytes);
    }

    /// @inheritdoc IStakeRegistry
    function attestOwn(uint256 epoch, uint256 committee, uint256 member) external {
        uint256 gasBefore = gasleft();
        _requireNow(epoch);
        Tally memory tally;
        uint256 seat = memberAt(epoch, committee, member);
        address owner = _validators[seat].owner;
        if (owner != msg.sender) revert WrongSigner(seat, owner, msg.sender);
        _count(epoch, seat, _delay(epoch, committee), tally);
        _store(epoch, tally, gasBefore, _OWN_BYTES);
    }

    /// @inheritdoc IStakeRegistry
    function presence(uint256 from, uint256 to) external view returns (uint256 ever, uint256 always_) {
        if (startOf(to + 1) > block.number) revert EpochNotOver(to, block.number);
        uint256 words = (_validators.length + 255) >> 8;
        for (uint256 word; word < words; ++word) {
            uint256 any;
            uint256 all = type(uint256).max;
            for (uint256 epoch = from; epoch <= to; ++epoch) {
                uint256 bits = _timely[epoch][word];
                any |= bits;
                all &= bits;
            }
            ever += _ones(any);
            always_ += _ones(from > to ? 0 : all);
        }
    }

    /// @inheritdoc IStakeRegistry
    function attestationDigest(uint256 epoch, uint256 committee) public view returns (bytes32) {
        bytes32 head = blockhash(dutyBlock(epoch, committee) - 1);
        bytes32 data = keccak256(abi.encode(_ATTESTATION, block.chainid, epoch, head));
        return keccak256(abi.encodePacked(hex"1900", address(this), data));
    }

    function _requireNow(uint256 epoch) private {
        uint256 current = open();
        if (epoch != current) revert NotTheEpoch(current, epoch);
    }

    /// @return delay Blocks since the duty block, which must be reached.
    function _delay(uint256 epoch, uint256 committee) private view returns (uint256) {
        uint256 duty = dutyBlock(epoch, committee);
        if (block.number < duty) revert DutyNotReached(duty, block.number);
        return block.number - duty;
    }

    function _aggregate(uint256 epoch, Aggregate calldata said, Tally memory tally) private {
        uint256 delay = _delay(epoch, said.committee);
        bytes32 digest = attestationDigest(epoch, said.committee);
        uint256 members = said.members;
        uint256 next;
        for (uint256 member; members != 0; ++member) {
            if (members & 1 == 1) {
                if (said.signatures.length < next + 64) {
                    revert SignatureCount(next / 64 + 1, said.signatures.length / 64);
                }
                uint256 seat = memberAt(epoch, said.committee, member);
                _requireSigned(seat, digest, said.signatures[next:next + 64]);
                _count(epoch, seat, delay, tally);
                next += 64;
            }
            members >>= 1;
        }
        if (said.signatures.length != next) revert SignatureCount(next / 64, said.signatures.length / 64);
    }

    /// @dev A signature can be written in two ways (s and n - s); a bit is set once, whichever comes.
    function _requireSigned(uint256 seat, bytes32 digest, bytes calldata signature) private view {
        bytes32 r = bytes32(signature[:32]);
        uint256 vs = uint256(bytes32(signature[32:64]));
        address owner = _validators[seat].owner;
        address signer = ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32(vs << 1 >> 1));
        if (signer == address(0) || signer != owner) revert WrongSigner(seat, owner, signer);
    }

    function _count(uint256 epoch, uint256 seat, uint256 delay, Tally memory tally) private {
        uint256 increments = _incrementsAt(_validators[seat], epoch);
        if (increments == 0) revert NotActive(seat, epoch);
        (uint256 word, uint256 bit) = (seat >> 8, uint256(1) << (seat & 0xff));
        bool late = delay > _epochs[epoch].parameters.attestationDeadline;
        if (_timely[epoch][word] & bit != 0 || (late && _late[epoch][word] & bit != 0)) return;
        if (late) {
            _late[epoch][word] |= bit;
            ++tally.late;
        } else {
            _timely[epoch][word] |= bit;
            tally.increments += increments;
            ++tally.validators;
            tally.delay += delay;
        }
    }

    /// @dev A call is metered as a transaction of its own with the shortest call data that says the same:
    /// padding costs a contract that calls from within next to nothing, and must not count. A contract that
    /// brings votes in many calls is metered like so many transactions: each needs a vote that is new.
    function _store(uint256 epoch, Tally memory tally, uint256 gasBefore, uint256 dataBytes) private {
        if (tally.validators + tally.late == 0) revert NothingNew(epoch);
        EpochSummary storage e = _epochs[epoch];
        // Sums over at most MAX_SEATS validators of at most MAX_INCREMENTS, epochs of at most 128 blocks.
        e.attestingIncrements += uint32(tally.increments);
        e.attestingValidators += uint32(tally.validators);
        e.lateValidators += uint32(tally.late);
        e.delayBlocks += uint32(tally.delay);
        e.calls += 1;
        e.updatedAt = uint40(block.timestamp);
        e.gas += uint48(gasBefore - gasleft() + _TRANSACTION_GAS + _BYTE_GAS * dataBytes);
    }

    /// @dev How many bits are one.
    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
