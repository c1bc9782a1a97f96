// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "./Test.sol";

/// @dev Compares the gas of the last call with snapshots/Gas.json.
abstract contract GasGate is Test {
    uint256 private constant TOLERANCE_PER_MILLE = 20;

    error GasMoved(string name, uint256 committed, uint256 got);

    function snap(string memory name) internal {
        uint256 got = vm.snapshotGasLastCall("Gas", name);
        if (vm.envOr("FORGE_SNAPSHOT_EMIT", false)) return;
        string memory key = string.concat("['", name, "']");
        uint256 committed = vm.parseJsonUint(vm.readFile("snapshots/Gas.json"), string.concat("$", key));
        if (!within(committed, got)) revert GasMoved(name, committed, got);
    }

    function within(uint256 committed, uint256 got) private pure returns (bool) {
        uint256 difference = got > committed ? got - committed : committed - got;
        return 1000 * difference <= TOLERANCE_PER_MILLE * committed;
    }

    function test_two_per_cent_pass_and_more_does_not() public pure {
        assertTrue(within(10_000, 10_200) && within(10_000, 9_800), "within");
        assertTrue(!within(10_000, 10_201) && !within(10_000, 9_799), "beyond");
    }
}
