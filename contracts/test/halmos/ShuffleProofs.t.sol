// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Shuffle} from "../../src/libraries/Shuffle.sol";

/// @dev Proven by `make halmos` for every seed and epoch, with keccak256 as any function at all; forge runs
/// no `check_` functions. In a domain of 4 values nothing is walked past; larger ones and the walk itself,
/// which keeps a permutation one (Black and Rogaway 2002), are tested exhaustively and by fuzzing.
contract ShuffleProofs {
    /// Two places of one epoch never hold the same index, and every index is below n.
    function injective(bytes32 seed, uint256 epoch, uint256 n) private pure {
        uint256 seen;
        for (uint256 position; position < n; ++position) {
            uint256 index = Shuffle.permute(seed, epoch, position, n);
            assert(index < n);
            assert(seen >> index & 1 == 0);
            seen |= 1 << index;
        }
    }

    function check_shuffle_is_a_bijection_of_1(bytes32 seed, uint256 epoch) public pure {
        injective(seed, epoch, 1);
    }

    function check_shuffle_is_a_bijection_of_4(bytes32 seed, uint256 epoch) public pure {
        injective(seed, epoch, 4);
    }
}
