// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Evidence} from "../src/interfaces/ICircuits.sol";
import {FeedFixture} from "./utils/FeedFixture.sol";
import {GasGate} from "./utils/GasGate.sol";

/// @dev As GasTest, of a feed: its rounds without a verifier, and its readers.
contract FeedGasTest is FeedFixture, GasGate {
    function test_gas_of_a_feed() public {
        mineTo(1010);
        bytes[] memory headers = headersOf(1010, 1);
        history.record(headers);
        snap("record, one new header");
        headers = headersOf(1009, 3);
        history.record(headers);
        snap("record, three new headers");
        history.record(headers);
        snap("record, three known headers");
        round(1, false, "submit, the first round of a feed, headers known");
        mineTo(1015);
        round(2, true, "submit, a round with four new headers");
        for (uint256 r = 3; r <= 10; ++r) {
            mineTo(feed.windowEnd(r));
            bytes[] memory window = windowOf(r);
            history.record(window);
            round(r, false, r == 10 ? "submit, a round with known headers" : "");
        }
        feed.latestRoundData();
        snap("latestRoundData");
        feed.status();
        snap("status");
    }

    function round(uint256 r, bool withHeaders, string memory label) private {
        bytes[] memory headers = withHeaders ? windowOf(r) : new bytes[](0);
        Evidence memory evidence = honest(r, 0);
        feed.submit(r, headers, only(0), evidence);
        if (bytes(label).length != 0) snap(label);
    }
}
