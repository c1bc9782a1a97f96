// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RunId} from "../src/interfaces/ITrainingLedger.sol";
import {Fixed} from "../src/libraries/Fixed.sol";
import {Header, HeaderFields} from "../src/libraries/Header.sol";
import {PositionalMerkle} from "../src/libraries/PositionalMerkle.sol";
import {Shuffle} from "../src/libraries/Shuffle.sol";
import {Statement} from "../src/libraries/Statement.sol";
import {Test} from "./utils/Test.sol";

/// @dev The vectors that Python's twins are tested with: tests/unit/verifier/twins/test_vectors.py.
contract VectorsTest is Test {
    string private _json;

    constructor() {
        _json = vm.readFile("test/vectors/twins.json");
    }

    function wordOf(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function wordsOf(string memory key) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_json, key);
    }

    function addressOf(string memory key) private view returns (address) {
        return address(uint160(uint256(wordOf(key))));
    }

    function test_shuffle() public view {
        bytes32[] memory sizes = wordsOf(".shuffleSizes");
        bytes32[] memory orders = wordsOf(".shuffleOrders");
        uint256 next;
        for (uint256 s; s < sizes.length; ++s) {
            for (uint256 k; k < uint256(sizes[s]); ++k) {
                uint256 index = Shuffle.permute(
                    wordOf(".shuffleSeed"), uint256(wordOf(".shuffleEpoch")), k, uint256(sizes[s])
                );
                assertEq(index, uint256(orders[next++]));
            }
        }
        assertEq(next, orders.length);
        assertTrue(next > 100, "some");
    }

    function read(bytes calldata rlp) external pure returns (HeaderFields memory) {
        return Header.read(rlp);
    }

    function test_headers() public view {
        bytes[] memory headers = vm.parseJsonBytesArray(_json, ".headers");
        bytes32[] memory numbers = wordsOf(".headerNumbers");
        bytes32[] memory mixHashes = wordsOf(".headerMixHashes");
        bytes32[] memory times = wordsOf(".headerTimes");
        bytes32[] memory baseFees = wordsOf(".headerBaseFees");
        bytes32[] memory counts = wordsOf(".headerCounts");
        assertTrue(headers.length > 5 && headers.length == numbers.length, "some");
        for (uint256 k; k < headers.length; ++k) {
            HeaderFields memory f = this.read(headers[k]);
            assertEq(f.number, uint256(numbers[k]));
            assertEq(f.mixHash, mixHashes[k]);
            assertEq(f.timestamp, uint256(times[k]));
            assertEq(f.baseFee, uint256(baseFees[k]));
            assertEq(f.count, uint256(counts[k]));
        }
    }

    function test_what_is_no_header_is_refused() public view {
        bytes[] memory all = vm.parseJsonBytesArray(_json, ".noHeaders");
        assertTrue(all.length > 15, "some");
        for (uint256 k; k < all.length; ++k) {
            (bool ok,) = address(this).staticcall(abi.encodeCall(this.read, (all[k])));
            assertTrue(!ok, "refused");
        }
    }

    function test_fixed() public view {
        bytes32[] memory elements = wordsOf(".elements");
        bytes32[] memory integers = wordsOf(".integers");
        assertTrue(elements.length == integers.length && elements.length != 0, "some");
        for (uint256 k; k < elements.length; ++k) {
            assertEq(Fixed.toInt(uint256(elements[k])), int256(uint256(integers[k])));
        }
    }

    function decode(uint256 element) external pure returns (int256) {
        return Fixed.toInt(element);
    }

    function test_what_is_no_integer_is_refused() public view {
        bytes32[] memory all = wordsOf(".noIntegers");
        assertTrue(all.length != 0, "some");
        for (uint256 k; k < all.length; ++k) {
            (bool ok,) = address(this).staticcall(abi.encodeCall(this.decode, (uint256(all[k]))));
            assertTrue(!ok, "refused");
        }
    }

    function verify(bytes32[] calldata path, bytes32 root, bytes32 leaf, uint256 index, uint256 leaves)
        external
        pure
        returns (bool)
    {
        return PositionalMerkle.verify(path, root, leaf, index, leaves);
    }

    function test_merkle() public view {
        bytes32[] memory tensors = wordsOf(".tensors");
        bytes32[] memory leaves = wordsOf(".leaves");
        assertEq(tensors.length, leaves.length);
        for (uint256 k; k < leaves.length; ++k) {
            assertEq(Statement.leaf(k, tensors[k]), leaves[k]);
        }
        bytes32[] memory roots = wordsOf(".roots");
        bytes32[] memory lengths = wordsOf(".pathLengths");
        bytes32[] memory nodes = wordsOf(".paths");
        uint256 which;
        uint256 next;
        for (uint256 n = 1; n <= leaves.length; ++n) {
            for (uint256 k; k < n; ++k) {
                bytes32[] memory path = new bytes32[](uint256(lengths[which++]));
                for (uint256 j; j < path.length; ++j) {
                    path[j] = nodes[next++];
                }
                assertTrue(this.verify(path, roots[n - 1], leaves[k], k, n), "its place");
                assertTrue(!this.verify(path, roots[n - 1], leaves[k], k ^ 1, n), "another place");
            }
        }
        assertEq(next, nodes.length);
    }

    function test_contexts_and_input_commitment() public {
        vm.chainId(uint256(wordOf(".chainId")));
        address ledger = addressOf(".ledger");
        address payee = addressOf(".payee");
        bytes32[] memory contexts = wordsOf(".contexts");
        for (uint256 i; i < contexts.length; ++i) {
            uint256 context = Statement.stepContext(ledger, RunId.wrap(wordOf(".run")), i, payee);
            assertEq(context, uint256(contexts[i]));
        }
        contexts = wordsOf(".inferenceContexts");
        for (uint256 n; n < contexts.length; ++n) {
            assertEq(Statement.inferenceContext(ledger, 9, payee, n), uint256(contexts[n]));
        }
        bytes32[] memory words = wordsOf(".inputs");
        int256[] memory inputs = new int256[](words.length);
        for (uint256 k; k < words.length; ++k) {
            inputs[k] = int256(uint256(words[k]));
        }
        assertEq(Statement.inputCommitment(ledger, 9, payee, 2, inputs), wordOf(".inputCommitment"));
    }
}
