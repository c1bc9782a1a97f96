// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec} from "../interfaces/ICircuits.sol";
import {RunId, TaskId, TaskSpec} from "../interfaces/ITrainingLedger.sol";

/// @title Every hash that names something or binds a proof to its place
/// @notice All are keccak256 over abi.encode of a domain and the values, so no two kinds can collide.
/// The Python twin is zkdescent.verifier.twins.hashing. The three that every block proof needs are encoded
/// by hand above the free memory pointer, which saves 150 gas each; contracts/test/Vectors.t.sol and the
/// twins say that they are the same.
library Statement {
    bytes32 internal constant CIRCUIT_DOMAIN = keccak256("zkdescent.circuit.v1");
    bytes32 internal constant TASK_DOMAIN = keccak256("zkdescent.task.v1");
    bytes32 internal constant RUN_DOMAIN = keccak256("zkdescent.run.v1");
    bytes32 internal constant CONTEXT_DOMAIN = keccak256("zkdescent.context.step.v1");
    bytes32 internal constant INFERENCE_DOMAIN = keccak256("zkdescent.context.inference.v1");
    bytes32 internal constant INPUT_DOMAIN = keccak256("zkdescent.input.v1");
    bytes32 internal constant SEED_DOMAIN = keccak256("zkdescent.seed.v1");
    bytes32 internal constant LEAF_DOMAIN = keccak256("zkdescent.leaf.v1");
    bytes32 internal constant TRANSCRIPT_DOMAIN = keccak256("zkdescent.transcript.v1");
    /// @dev The last five bytes of a run's id and of its transcripts are zero: the ledger keeps status and
    /// count there. 216 bits of a hash are left, which nobody finds two preimages of.
    uint256 private constant SHORT = 40;

    /// @dev Chain-independent on purpose: the same circuit has the same id everywhere.
    function circuitId(CircuitSpec memory spec) internal pure returns (CircuitId) {
        return CircuitId.wrap(keccak256(abi.encode(CIRCUIT_DOMAIN, spec)));
    }

    function taskId(address ledger, address sponsor, TaskSpec memory spec) internal view returns (TaskId) {
        return TaskId.wrap(keccak256(abi.encode(TASK_DOMAIN, block.chainid, ledger, sponsor, spec)));
    }

    function runId(address ledger, TaskId task, address payee, uint256 nonce) internal view returns (RunId) {
        bytes32 hash = keccak256(abi.encode(RUN_DOMAIN, block.chainid, ledger, task, payee, nonce));
        return RunId.wrap(hash >> SHORT << SHORT);
    }

    /// @dev Shifted to 248 bits: every value is a canonical field element, and none is folded.
    function stepContext(address ledger, RunId run, uint256 i, address payee)
        internal
        view
        returns (uint256 context)
    {
        bytes32 domain = CONTEXT_DOMAIN;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, domain)
            mstore(add(words, 0x20), chainid())
            mstore(add(words, 0x40), shr(96, shl(96, ledger)))
            mstore(add(words, 0x60), run)
            mstore(add(words, 0x80), i)
            mstore(add(words, 0xa0), shr(96, shl(96, payee)))
            context := shr(8, keccak256(words, 0xc0))
        }
    }

    function inferenceContext(address registry, uint256 modelId, address requester, uint256 nonce)
        internal
        view
        returns (uint256)
    {
        return uint256(
            keccak256(abi.encode(INFERENCE_DOMAIN, block.chainid, registry, modelId, requester, nonce))
        ) >> 8;
    }

    function inputCommitment(
        address registry,
        uint256 modelId,
        address requester,
        uint256 nonce,
        int256[] memory inputs
    ) internal view returns (bytes32) {
        return keccak256(abi.encode(INPUT_DOMAIN, block.chainid, registry, modelId, requester, nonce, inputs));
    }

    /// @param source The declared seed, or the seed block's mixHash.
    function seed(address ledger, TaskId task, bytes32 source) internal view returns (bytes32) {
        return keccak256(abi.encode(SEED_DOMAIN, block.chainid, ledger, task, source));
    }

    /// @dev 96 bytes are hashed here and 64 in an inner node: a node can't pass for a leaf.
    function leaf(uint256 index, bytes32 tensorHash) internal pure returns (bytes32 hash) {
        bytes32 domain = LEAF_DOMAIN;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, domain)
            mstore(add(words, 0x20), index)
            mstore(add(words, 0x40), tensorHash)
            hash := keccak256(words, 0x60)
        }
    }

    function transcript(bytes32 previous, uint256 i, uint256 batchIndex, bytes32 stateOut)
        internal
        pure
        returns (bytes32 next)
    {
        bytes32 domain = TRANSCRIPT_DOMAIN;
        uint256 short = SHORT;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, domain)
            mstore(add(words, 0x20), previous)
            mstore(add(words, 0x40), i)
            mstore(add(words, 0x60), batchIndex)
            mstore(add(words, 0x80), stateOut)
            next := shl(short, shr(short, keccak256(words, 0xa0)))
        }
    }
}
