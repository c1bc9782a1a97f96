// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RunStatus} from "../interfaces/ITrainingLedger.sol";

/// @title How far a run is, in one word of storage
/// @notice The last five bytes of a transcript are zero (see Statement). The word has the run's status in
/// the first of them and the count of its block proofs in the others, so that a block proof writes two
/// slots: this one and the head.
library Progress {
    uint256 private constant STATUS_AT = 32;

    function pack(bytes32 transcript_, RunStatus status_, uint256 proofs_) internal pure returns (bytes32) {
        return transcript_ | bytes32((uint256(status_) << STATUS_AT) | proofs_);
    }

    function transcript(bytes32 word) internal pure returns (bytes32) {
        return word >> 40 << 40;
    }

    function status(bytes32 word) internal pure returns (RunStatus) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return RunStatus(uint8(uint256(word) >> STATUS_AT));
    }

    function proofs(bytes32 word) internal pure returns (uint32) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(uint256(word));
    }
}
