// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockClaim, CircuitId, Evidence, ICircuits} from "../src/interfaces/ICircuits.sol";
import {IEzklDedicatedVerifier, IEzklReusableVerifier} from "../src/interfaces/IEzklVerifiers.sol";
import {ITrainingLedger, RunStatus} from "../src/interfaces/ITrainingLedger.sol";
import {EvidenceCall} from "../src/libraries/EvidenceCall.sol";
import {KeyedStore} from "../src/libraries/KeyedStore.sol";
import {Progress} from "../src/libraries/Progress.sol";
import {Test} from "./utils/Test.sol";
import {written} from "./utils/Written.sol";

contract Keeper {
    uint256 private constant WORDS = 3;

    function write(bytes32 key, bytes memory words) external {
        KeyedStore.write(key, words);
    }

    function read(bytes32 key) external view returns (bytes32[3] memory words) {
        uint256 to;
        assembly ("memory-safe") {
            to := words
        }
        KeyedStore.read(key, to, WORDS);
    }

    function pendingWords() external view {
        KeyedStore.pending(WORDS);
    }
}

/// @dev Forwards evidence as the ledger does, to a gateway that gives back what it was called with.
contract Forwarder {
    function checkBlock(ICircuits to, CircuitId id, bytes32 stateIn, uint256 context, Evidence calldata evidence)
        external
        view
        returns (BlockClaim memory)
    {
        return EvidenceCall.checkBlock(to, id, stateIn, context, evidence);
    }

    function reusable(Evidence calldata evidence) external pure returns (bytes memory data, bytes32 digest) {
        uint256 from;
        uint256 end;
        (from, end, digest) = EvidenceCall.reusable(evidence.proof, evidence.publicValues, evidence.vka);
        return (written(from, end), digest);
    }

    function dedicated(Evidence calldata evidence) external pure returns (bytes memory) {
        (uint256 from, uint256 end) = EvidenceCall.dedicated(evidence.proof, evidence.publicValues);
        return written(from, end);
    }
}

contract EchoGateway {
    fallback() external {
        bytes32 hash = keccak256(msg.data);
        assembly ("memory-safe") {
            mstore(0x00, hash)
            mstore(0x20, calldatasize())
            return(0x00, 0x40)
        }
    }
}

contract SilentGateway {
    fallback() external {}
}

contract StoresTest is Test {
    Keeper private keeper = new Keeper();
    Forwarder private forwarder = new Forwarder();

    function test_keyed_words_are_read_back_and_no_other() public {
        keeper.write("key", abi.encode(1, 2, 3));
        bytes32[3] memory words = keeper.read("key");
        assertEq(words[0], bytes32(uint256(1)));
        assertEq(words[2], bytes32(uint256(3)));
        assertEq(keeper.read("another")[0], bytes32(0));
        assertEq(new Keeper().read("key")[0], bytes32(0));
    }

    function test_keyed_words_are_written_once() public {
        keeper.write("key", abi.encode(1, 2, 3));
        vm.expectRevert(abi.encodeWithSelector(KeyedStore.KeyedStoreFailed.selector, bytes32("key")));
        keeper.write("key", abi.encode(4, 5, 6));
        assertEq(keeper.read("key")[0], bytes32(uint256(1)));
    }

    function test_keyed_words_of_another_count_than_the_keeper_answers_with_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(KeyedStore.KeyedStoreFailed.selector, bytes32("key")));
        keeper.write("key", abi.encode(1, 2));
    }

    /// The selector in the creation code is that of the ledger's function.
    function test_creation_code_asks_for_the_pending_words() public pure {
        assertEq(ITrainingLedger.pendingWords.selector, Keeper.pendingWords.selector);
        assertEq(ITrainingLedger.pendingWords.selector, bytes4(0xbc547527));
    }

    function test_nothing_is_pending_outside() public {
        keeper.write("key", abi.encode(1, 2, 3));
        (bool ok, bytes memory answer) = address(keeper).staticcall(abi.encodeCall(Keeper.pendingWords, ()));
        assertTrue(ok, "answers");
        assertEq(keccak256(answer), keccak256(new bytes(96)));
    }

    function test_code_of_keyed_words_does_nothing_when_it_is_called() public {
        keeper.write("key", abi.encode(type(uint256).max, type(uint256).max, 3));
        bytes memory creation = hex"63bc5475275f525f5f6004601c335afa503d5f60213e3d6001016020f3";
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", keeper, bytes32("key"), keccak256(creation)));
        address kept = address(uint160(uint256(hash)));
        assertEq(kept.code.length, 97);
        (bool ok, bytes memory answer) = kept.call("anything");
        assertTrue(ok && answer.length == 0, "STOP");
    }

    function testFuzz_progress_is_read_back(bytes27 transcript, uint8 status, uint32 proofs) public pure {
        RunStatus state = RunStatus(status % 4);
        bytes32 word = Progress.pack(transcript, state, proofs);
        assertEq(Progress.transcript(word), bytes32(transcript));
        assertEq(uint256(Progress.status(word)), uint256(state));
        assertEq(Progress.proofs(word), proofs);
    }

    function testFuzz_a_block_proof_is_passed_on_as_solidity_encodes_it(
        CircuitId id,
        bytes32 stateIn,
        uint256 context,
        Evidence calldata evidence
    ) public {
        ICircuits echo = ICircuits(address(new EchoGateway()));
        BlockClaim memory said = forwarder.checkBlock(echo, id, stateIn, context, evidence);
        bytes memory call = abi.encodeCall(ICircuits.checkBlock, (id, stateIn, context, evidence));
        assertEq(said.batch, keccak256(call));
        assertEq(uint256(said.stateOut), call.length);
    }

    function testFuzz_the_reusable_verifier_is_called_as_solidity_encodes_it(Evidence calldata evidence) public view {
        (bytes memory data, bytes32 digest) = forwarder.reusable(evidence);
        bytes memory call = abi.encodeCall(
            IEzklReusableVerifier.verifyProof, (evidence.proof, evidence.publicValues, evidence.vka)
        );
        assertEq(keccak256(data), keccak256(call));
        assertEq(digest, keccak256(abi.encodePacked(evidence.vka)));
    }

    function testFuzz_a_dedicated_verifier_is_called_as_solidity_encodes_it(Evidence calldata evidence) public view {
        bytes memory call =
            abi.encodeCall(IEzklDedicatedVerifier.verifyProof, (evidence.proof, evidence.publicValues));
        assertEq(keccak256(forwarder.dedicated(evidence)), keccak256(call));
    }

    function test_a_gateway_that_answers_nothing_accepts_nothing() public {
        Evidence memory evidence;
        ICircuits silent = ICircuits(address(new SilentGateway()));
        vm.expectRevert(abi.encodeWithSelector(EvidenceCall.GatewayAnswer.selector, 0));
        forwarder.checkBlock(silent, CircuitId.wrap(0), 0, 0, evidence);
    }
}
