// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITrainingLedger} from "../../src/interfaces/ITrainingLedger.sol";

/// @dev Calls `withdraw` again while it is being paid.
contract Reentrant {
    ITrainingLedger private immutable _LEDGER;
    uint256 public calls;
    uint256 public succeeded;

    constructor(ITrainingLedger ledger) {
        _LEDGER = ledger;
    }

    receive() external payable {
        ++calls;
        try _LEDGER.withdraw() {
            ++succeeded;
        } catch {}
    }

    function steal() external {
        _LEDGER.withdraw();
    }
}

/// @dev Takes no ether.
contract Unpayable {}
