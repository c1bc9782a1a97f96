// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Shuffle} from "../../src/libraries/Shuffle.sol";

/// @dev Proven by `make halmos` for every seed, epoch and pair of positions, with keccak256 as any function at
/// all; forge runs no `check_` functions. In a domain of 4^h values nothing is walked past, so these are the
/// network itself, in every width up to 2^16; an injective map of a finite set is a bijection. The walk of sizes
/// between, which keeps a permutation one (Black and Rogaway 2002), is tested exhaustively and by fuzzing.
contract ShuffleProofs {
    /// Two places of one epoch never hold the same index, and every index is below n.
    function injective(bytes32 seed, uint256 epoch, uint256 a, uint256 b, uint256 n) private pure {
        if (a >= n || b >= n || a == b) return;
        uint256 first = Shuffle.permute(seed, epoch, a, n);
        uint256 second = Shuffle.permute(seed, epoch, b, n);
        assert(first < n && second < n);
        assert(first != second);
    }

    function check_shuffle_is_a_bijection_of_1(bytes32 seed, uint256 epoch) public pure {
        assert(Shuffle.permute(seed, epoch, 0, 1) == 0);
    }

    function check_shuffle_is_a_bijection_of_4(bytes32 seed, uint256 epoch, uint256 a, uint256 b) public pure {
        injective(seed, epoch, a, b, 4);
    }

    function check_shuffle_is_a_bijection_of_16(bytes32 seed, uint256 epoch, uint256 a, uint256 b) public pure {
        injective(seed, epoch, a, b, 16);
    }

    function check_shuffle_is_a_bijection_of_64(bytes32 seed, uint256 epoch, uint256 a, uint256 b) public pure {
        injective(seed, epoch, a, b, 64);
    }

    function check_shuffle_is_a_bijection_of_256(bytes32 seed, uint256 epoch, uint256 a, uint256 b) public pure {
        injective(seed, epoch, a, b, 256);
    }

    function check_shuffle_is_a_bijection_of_65536(bytes32 seed, uint256 epoch, uint256 a, uint256 b)
        public
        pure
    {
        injective(seed, epoch, a, b, 65_536);
    }
}
