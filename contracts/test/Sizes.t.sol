// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Circuits} from "../src/Circuits.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {TrainingLedger} from "../src/TrainingLedger.sol";
import {PatientPayments} from "../src/examples/PatientPayments.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";
import {Test} from "./utils/Test.sol";

/// @dev EIP-170: what is larger can't be deployed.
contract SizesTest is Test {
    uint256 private constant RUNTIME_BYTES = 24_576;

    function fits(bytes memory code) private pure returns (bool) {
        return code.length != 0 && code.length <= RUNTIME_BYTES;
    }

    function test_every_deployed_contract_is_within_the_limit() public {
        Circuits circuits = new Circuits();
        TrainingLedger ledger = new TrainingLedger(circuits);
        assertTrue(fits(address(circuits).code), "Circuits");
        assertTrue(fits(address(ledger).code), "TrainingLedger");
        assertTrue(fits(address(new ModelRegistry(ledger)).code), "ModelRegistry");
    }

    function test_one_byte_more_is_too_much() public pure {
        assertTrue(fits(new bytes(RUNTIME_BYTES)), "the limit itself");
        assertTrue(!fits(new bytes(RUNTIME_BYTES + 1)), "beyond the limit");
    }
}

contract FeedSizesTest is FeedFixture {
    function test_feeds_are_within_the_limit() public {
        address payments = address(new PatientPayments(feed, 1, 1, 1));
        address[3] memory all = [address(feed), address(history), payments];
        for (uint256 k; k < 3; ++k) {
            assertTrue(all[k].code.length != 0 && all[k].code.length <= 24_576, "EIP-170");
        }
    }
}
