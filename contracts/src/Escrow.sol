// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingLedger} from "./interfaces/ITrainingLedger.sol";

/// @title What the ledger owes to whom
/// @notice Ether leaves in one place, {withdraw}, to the account it is owed to and by its own call. There
/// is no way to receive ether beside a task's creation.
abstract contract Escrow is ITrainingLedger {
    mapping(address account => uint256) private _credits;

    /// @inheritdoc ITrainingLedger
    /// @dev The credit is gone before the caller's code runs, so a call from there finds nothing: no
    /// guard is needed.
    function withdraw() external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        _credits[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        bool ok;
        assembly ("memory-safe") {
            // Nothing of the answer is copied.
            ok := call(gas(), caller(), amount, 0, 0, 0, 0)
        }
        if (!ok) revert WithdrawalFailed(msg.sender, amount);
    }

    /// @inheritdoc ITrainingLedger
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @dev Out of an escrow, which the caller has emptied.
    function _credit(address account, uint256 amount) internal {
        _credits[account] += amount;
    }
}
