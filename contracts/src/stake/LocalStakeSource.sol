// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EpochSummary, IStakeRegistry} from "../interfaces/IStakeRegistry.sol";
import {IStakeSource, Share} from "../interfaces/IStakeSource.sol";

/// @title What a window of epochs of {StakeRegistry} showed
/// @notice The window is the last `window` epochs up to the one that ends with the block. One of them that
/// nobody opened makes the window unreadable.
contract LocalStakeSource is IStakeSource {
    uint256 private constant _COUNT = 10;
    /// @dev Units that bring the features near one; a model is trained in them.
    uint256 private constant _GAS_UNIT = 32_768;

    IStakeRegistry public immutable registry;
    uint256 public immutable window;
    uint256 public immutable epochBlocks;
    /// @notice The units of base reward and committee size.
    uint256 public immutable rewardUnit;
    uint256 public immutable committeeUnit;

    struct Sums {
        uint256 attesting;
        uint256 active;
        uint256 attestations;
        uint256 duties;
        uint256 late;
        uint256 delay;
        uint256 gas;
        uint256 paid;
    }

    error WindowIsEmpty();
    error UnitIsZero();
    error NotAnEpochEnd(uint256 endBlock);
    error EpochNotOver(uint256 epoch, uint256 endBlock, uint256 current);
    error WindowNotComplete(uint256 window, uint256 epochs);
    error EpochMissing(uint256 epoch);

    constructor(
        IStakeRegistry registry_,
        uint256 window_,
        uint256 epochBlocks_,
        uint256 rewardUnit_,
        uint256 committeeUnit_
    ) {
        if (window_ == 0) revert WindowIsEmpty();
        if (rewardUnit_ == 0 || committeeUnit_ == 0) revert UnitIsZero();
        (registry, window, epochBlocks) = (registry_, window_, epochBlocks_);
        (rewardUnit, committeeUnit) = (rewardUnit_, committeeUnit_);
    }

    /// @inheritdoc IStakeSource
    /// @dev In order: attesting stake; late validators (unit: a quarter); validators that attested at least
    /// once; always; delay of the timely (unit: an eighth of an epoch); gas for each duty; rewards paid for
    /// each increment; and the window's last base reward, committee size and deadline (unit: half an epoch).
    function read(uint256 endBlock, bytes calldata evidence)
        external
        view
        returns (Share[] memory shares, uint256 startedAt, uint256 updatedAt)
    {
        if (evidence.length != 0) revert SourceHasNoEvidence(evidence.length);
        uint256 last = _epochEnding(endBlock);
        uint256 first = last + 1 - window;
        Sums memory sums;
        EpochSummary memory e;
        for (uint256 epoch = first; epoch <= last; ++epoch) {
            e = registry.summary(epoch);
            if (e.activeIncrements == 0) revert EpochMissing(epoch);
            _add(sums, e);
            if (startedAt == 0) startedAt = e.updatedAt;
            if (e.updatedAt != 0) updatedAt = e.updatedAt;
        }
        (uint256 ever, uint256 always_) = registry.presence(first, last);
        uint256 attestations = sums.attestations == 0 ? 1 : sums.attestations;

        shares = new Share[](_COUNT);
        shares[0] = Share(sums.attesting, sums.active);
        shares[1] = Share(4 * sums.late, sums.duties);
        shares[2] = Share(ever, e.activeValidators);
        shares[3] = Share(always_, e.activeValidators);
        shares[4] = Share(8 * sums.delay, attestations * epochBlocks);
        shares[5] = Share(sums.gas, sums.duties * _GAS_UNIT);
        shares[6] = Share(sums.paid, sums.active * rewardUnit);
        shares[7] = Share(e.parameters.baseReward, rewardUnit);
        shares[8] = Share(e.parameters.committeeSize, committeeUnit);
        shares[9] = Share(2 * uint256(e.parameters.attestationDeadline), epochBlocks);
    }

    /// @inheritdoc IStakeSource
    function count() external pure returns (uint256) {
        return _COUNT;
    }

    /// @inheritdoc IStakeSource
    /// @dev The last block of an epoch, with enough epochs before it.
    function isWindowEnd(uint256 blockNumber) external view returns (bool) {
        if (blockNumber < registry.startOf(1)) return false;
        uint256 epoch = registry.epochAt(blockNumber);
        return epoch >= window && registry.startOf(epoch + 1) == blockNumber + 1;
    }

    /// @dev Attestations name their epoch and count in it alone, so its numbers are final when it is over.
    function _epochEnding(uint256 endBlock) private view returns (uint256 epoch) {
        epoch = registry.epochAt(endBlock);
        if (registry.startOf(epoch + 1) != endBlock + 1) revert NotAnEpochEnd(endBlock);
        if (block.number <= endBlock) revert EpochNotOver(epoch, endBlock, block.number);
        if (epoch < window) revert WindowNotComplete(window, epoch);
    }

    function _add(Sums memory sums, EpochSummary memory e) private pure {
        sums.attesting += e.attestingIncrements;
        sums.active += e.activeIncrements;
        sums.attestations += e.attestingValidators;
        sums.duties += e.activeValidators;
        sums.late += e.lateValidators;
        sums.delay += e.delayBlocks;
        sums.gas += e.gas;
        sums.paid += uint256(e.attestingIncrements) * e.parameters.baseReward;
    }
}
