// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RunId} from "../src/interfaces/ITrainingLedger.sol";
import {Commitment} from "../src/libraries/Commitment.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {PositionalMerkle} from "../src/libraries/PositionalMerkle.sol";
import {Shuffle} from "../src/libraries/Shuffle.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Fixture} from "./utils/Fixture.sol";

/// @dev Internal library calls behind external ones, so that their reverts can be seen.
contract LibraryCalls {
    function permute(bytes32 seed, uint256 epoch, uint256 position, uint256 n) external pure returns (uint256) {
        return Shuffle.permute(seed, epoch, position, n);
    }

    function toInt(uint256 element) external pure returns (int256) {
        return Fixed.toInt(element);
    }

    function holds(bytes calldata proof, uint256 context, uint256[4] memory opening) external view returns (bool) {
        return Commitment.holds(proof, context, opening);
    }

    function verify(bytes32[] calldata path, bytes32 root, bytes32 leaf, uint256 index, uint256 leaves)
        external
        pure
        returns (bool)
    {
        return PositionalMerkle.verify(path, root, leaf, index, leaves);
    }
}

contract LibrariesTest is Fixture {
    LibraryCalls private calls = new LibraryCalls();

    // --- Shuffle ---

    function isPermutation(bytes32 seed, uint256 epoch, uint256 n) private pure returns (bool) {
        bool[] memory seen = new bool[](n);
        for (uint256 k; k < n; ++k) {
            uint256 index = Shuffle.permute(seed, epoch, k, n);
            if (index >= n || seen[index]) return false;
            seen[index] = true;
        }
        return true;
    }

    function test_shuffle_is_a_bijection_for_every_small_size() public pure {
        for (uint256 n = 1; n <= 70; ++n) {
            assertTrue(isPermutation(keccak256(abi.encode(n)), n, n), "bijection");
        }
    }

    function testFuzz_shuffle_is_a_bijection(bytes32 seed, uint256 epoch, uint256 n) public pure {
        assertTrue(isPermutation(seed, epoch, bound(n, 1, 300)), "bijection");
    }

    function testFuzz_shuffle_stays_in_range_for_any_size(bytes32 seed, uint32 epoch, uint32 position, uint32 n)
        public
        pure
    {
        n = uint32(bound(n, 1, type(uint32).max));
        assertTrue(Shuffle.permute(seed, epoch, position % n, n) < n, "range");
    }

    function testFuzz_shuffle_has_no_collisions_at_any_size(bytes32 seed, uint32 n, uint32 a, uint32 b) public pure {
        n = uint32(bound(n, 2, type(uint32).max));
        (a, b) = (a % n, b % n);
        if (a == b) b = (a + 1) % n;
        assertTrue(Shuffle.permute(seed, 0, a, n) != Shuffle.permute(seed, 0, b, n), "collision");
    }

    function test_shuffle_depends_on_seed_and_epoch() public pure {
        bytes32 base = order("seed", 0);
        assertTrue(order("other", 0) != base, "seed");
        assertTrue(order("seed", 1) != base, "epoch");
    }

    function order(bytes32 seed, uint256 epoch) private pure returns (bytes32 folded) {
        for (uint256 k; k < 20; ++k) {
            folded = keccak256(abi.encode(folded, Shuffle.permute(seed, epoch, k, 20)));
        }
    }

    function test_shuffle_rejects_a_position_outside() public {
        vm.expectRevert(abi.encodeWithSelector(Shuffle.PositionOutOfRange.selector, 5, 5));
        calls.permute("seed", 0, 5, 5);
        vm.expectRevert(abi.encodeWithSelector(Shuffle.PositionOutOfRange.selector, 0, 0));
        calls.permute("seed", 0, 0, 0);
    }

    // --- Fixed ---

    function testFuzz_fixed_decodes_every_signed_integer(int128 value) public {
        if (value == type(int128).min) {
            vm.expectRevert(abi.encodeWithSelector(Fixed.NotAnInteger.selector, Fixed.R - (1 << 127)));
            calls.toInt(Fixed.R - (1 << 127));
            return;
        }
        int256 v = value;
        uint256 element = v < 0 ? Fixed.R - uint256(-v) : uint256(v);
        assertEq(Fixed.toInt(element), v);
    }

    function test_fixed_rejects_what_is_no_small_integer() public {
        uint256[4] memory bad = [uint256(1) << 127, Fixed.R - (1 << 127), Fixed.R, type(uint256).max];
        for (uint256 k; k < bad.length; ++k) {
            vm.expectRevert(abi.encodeWithSelector(Fixed.NotAnInteger.selector, bad[k]));
            calls.toInt(bad[k]);
        }
        assertEq(Fixed.toInt((1 << 127) - 1), type(int128).max);
        assertEq(Fixed.toInt(Fixed.R - (1 << 127) + 1), -int256(type(int128).max));
    }

    // --- Commitment ---

    /// L0 = G and U = 2G make the commitment of [v] the point (v + 2)G; 3G is a published constant.
    function test_commitment_of_one_is_three_G() public view {
        (bool ok, uint256 x, uint256 y) = Commitment.commit(1, opening());
        assertTrue(ok, "on the curve");
        assertEq(x, 3353031288059533942658390886683067124040920775575537747144343083137631628272);
        assertEq(y, 19321533766552368860946552437480515441416830039777911637913418824951667761761);
    }

    function test_commitment_holds_one_context_only() public view {
        bytes memory proof = contextPoint(99);
        assertTrue(calls.holds(proof, 99, opening()), "holds");
        assertTrue(!calls.holds(proof, 98, opening()), "another context");
        proof[63] ^= 0x01;
        assertTrue(!calls.holds(proof, 99, opening()), "another y");
    }

    function test_commitment_refuses_contexts_above_248_bits() public view {
        uint256 large = 1 << 248;
        assertTrue(!calls.holds(contextPoint(large), large, opening()), "large");
        assertTrue(calls.holds(contextPoint(large - 1), large - 1, opening()), "largest");
    }

    // --- Merkle tree and statement hashes ---

    /// Leaves that bind nothing: it is the tree that binds their places.
    function plainLeaves(uint256 n) private pure returns (bytes32[] memory all) {
        all = new bytes32[](n);
        for (uint256 k; k < n; ++k) {
            all[k] = keccak256(abi.encode("plain", k));
        }
    }

    function testFuzz_merkle_accepts_each_leaf_at_its_index_only(uint256 n, uint256 a, uint256 b) public view {
        n = bound(n, 1, 40);
        (a, b) = (a % n, b % n);
        bytes32[] memory all = plainLeaves(n);
        (bytes32 root, bytes32[] memory path) = merkle(all, a);
        assertTrue(calls.verify(path, root, all[a], a, n), "member");
        if (a == b) return;
        assertTrue(!calls.verify(path, root, all[a], b, n), "at another index");
        assertTrue(!calls.verify(path, root, all[b], a, n), "another leaf");
        (, bytes32[] memory other) = merkle(all, b);
        assertTrue(!calls.verify(other, root, all[a], a, n), "another path");
        assertTrue(!calls.verify(other, root, all[a], b, n), "another path and index");
    }

    function testFuzz_merkle_takes_no_index_outside(uint256 n, uint256 a, uint256 above) public view {
        n = bound(n, 1, 40);
        a = a % n;
        bytes32[] memory all = plainLeaves(n);
        (bytes32 root, bytes32[] memory path) = merkle(all, a);
        // Among them those whose low bits are the bits of `a`.
        assertTrue(!calls.verify(path, root, all[a], bound(above, n, n + 64), n), "above");
        assertTrue(!calls.verify(path, root, all[a], a | (1 << 200), n), "far above");
    }

    function testFuzz_merkle_takes_siblings_in_their_place_only(uint256 n, uint256 a, uint256 p, uint256 q)
        public
        view
    {
        n = bound(n, 2, 40);
        a = a % n;
        bytes32[] memory all = plainLeaves(n);
        (bytes32 root, bytes32[] memory path) = merkle(all, a);
        (p, q) = (p % path.length, q % path.length);
        if (p != q) {
            (path[p], path[q]) = (path[q], path[p]);
            assertTrue(!calls.verify(path, root, all[a], a, n), "two siblings swapped");
            (path[p], path[q]) = (path[q], path[p]);
        }
        // The leaf and its sibling exchanged: a tree of sorted pairs would take it.
        if (a ^ 1 < n) {
            path[0] = all[a];
            assertTrue(!calls.verify(path, root, all[a ^ 1], a, n), "left for right");
            assertTrue(calls.verify(path, root, all[a ^ 1], a ^ 1, n), "its own place");
        }
    }

    function testFuzz_merkle_takes_no_longer_path(uint256 n, uint256 a, bytes32 more) public view {
        n = bound(n, 1, 40);
        a = a % n;
        bytes32[] memory all = plainLeaves(n);
        (bytes32 root, bytes32[] memory path) = merkle(all, a);
        bytes32[] memory longer = new bytes32[](path.length + 1);
        for (uint256 k; k < path.length; ++k) {
            longer[k] = path[k];
        }
        longer[path.length] = more;
        assertTrue(!calls.verify(longer, root, all[a], a, n), "longer");
        assertTrue(!calls.verify(longer, pair(root, more), all[a], a, n), "longer, to another root");
        assertTrue(!calls.verify(longer, pair(more, root), all[a], a, n), "longer, to yet another root");
    }

    function testFuzz_merkle_takes_no_shorter_path(uint256 n, uint256 a) public view {
        n = bound(n, 2, 40);
        a = a % n;
        bytes32[] memory all = plainLeaves(n);
        (bytes32 root, bytes32[] memory path) = merkle(all, a);
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 k; k < shorter.length; ++k) {
            shorter[k] = path[k + 1];
        }
        bytes32 node = a & 1 == 0 ? pair(all[a], path[0]) : pair(path[0], all[a]);
        assertTrue(!calls.verify(shorter, root, all[a], a, n), "shorter");
        assertTrue(!calls.verify(shorter, root, node, a, n), "a node for a leaf");
        assertTrue(!calls.verify(shorter, root, node, a >> 1, n), "a node for a leaf, at its index");
    }

    function test_merkle_odd_nodes_are_promoted() public view {
        bytes32[] memory all = plainLeaves(3);
        bytes32[] memory path = new bytes32[](1);
        path[0] = pair(all[0], all[1]);
        assertTrue(calls.verify(path, pair(path[0], all[2]), all[2], 2, 3), "the third of three");
        assertTrue(!calls.verify(path, pair(all[2], path[0]), all[2], 2, 3), "on the left");
        assertTrue(!calls.verify(path, pair(path[0], all[2]), all[2], 2, 4), "the third of four");
    }

    function test_merkle_root_of_one_leaf_is_the_leaf() public pure {
        bytes32[] memory all = new bytes32[](1);
        all[0] = Statement.leaf(0, "tensor");
        (bytes32 root, bytes32[] memory path) = merkle(all, 0);
        assertEq(root, all[0]);
        assertEq(path.length, 0);
    }

    function testFuzz_hashes_written_by_hand_are_those_of_abi_encode(
        address ledger,
        address payee,
        bytes32 a,
        bytes32 b,
        uint256 i,
        uint256 index
    ) public view {
        bytes32 context =
            keccak256(abi.encode(Statement.CONTEXT_DOMAIN, block.chainid, ledger, a, i, payee));
        assertEq(Statement.stepContext(ledger, RunId.wrap(a), i, payee), uint256(context) >> 8);
        assertEq(Statement.leaf(index, a), keccak256(abi.encode(Statement.LEAF_DOMAIN, index, a)));
        bytes32 transcript = keccak256(abi.encode(Statement.TRANSCRIPT_DOMAIN, a, i, index, b));
        assertEq(Statement.transcript(a, i, index, b), transcript >> 40 << 40);
    }

    function test_contexts_are_canonical_field_elements() public view {
        for (uint32 i; i < 50; ++i) {
            uint256 context = Statement.inferenceContext(address(this), i, stranger, i);
            assertTrue(context < 1 << 248 && context < Fixed.R, "248 bits");
        }
    }
}
