// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CircuitId, CircuitSpec, Evidence, Prover, Role} from "../../src/interfaces/ICircuits.sol";
import {BlockProof, RunId, TaskId, TaskSpec} from "../../src/interfaces/ITrainingLedger.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {Fixture} from "./Fixture.sol";
import {MockHonkVerifier} from "./MockVerifiers.sol";

/// @dev The same as Fixture with UltraHonk circuits: a tensor is one word, and there is no range circuit.
abstract contract HonkFixture is Fixture {
    uint32 internal constant ARGUMENT = 3 * 32; // what stands for bb's own proof
    uint16 internal constant PER_AGGREGATE = 4;
    uint16 internal constant AGGREGATE_WORDS = 1 + 3 * PER_AGGREGATE;

    CircuitId internal honkStep;
    CircuitId internal honkInference;
    CircuitId internal aggregate;

    constructor() {
        honkStep = circuits.register(honkStepSpec());
        honkInference = circuits.register(honkInferenceSpec());
        aggregate = circuits.register(aggregateSpec());
    }

    // --- circuits ---

    address private immutable _STEP_VERIFIER = address(new MockHonkVerifier(4));
    address private immutable _INFERENCE_VERIFIER = address(new MockHonkVerifier(2 + 3));
    address private immutable _AGGREGATE_VERIFIER = address(new MockHonkVerifier(AGGREGATE_WORDS));

    function honkSpec(Role role, address verifier, uint32 words)
        internal
        view
        returns (CircuitSpec memory spec)
    {
        spec.prover = Prover.UltraHonk;
        spec.role = role;
        spec.verifier = verifier;
        spec.verifierCodeHash = verifier.codehash;
        spec.vkHash = keccak256(abi.encode("honk vk", role));
        spec.proofLength = 32 * words + ARGUMENT;
        spec.fractionBits = 12;
    }

    function honkStepSpec() internal view returns (CircuitSpec memory spec) {
        spec = honkSpec(Role.Step, _STEP_VERIFIER, 4);
        spec.stepsPerProof = 8;
    }

    function honkInferenceSpec() internal view returns (CircuitSpec memory spec) {
        spec = honkSpec(Role.Inference, _INFERENCE_VERIFIER, 2);
        (spec.features, spec.outputs, spec.publicValues) = (2, 1, 3);
    }

    function aggregateSpec() internal view returns (CircuitSpec memory spec) {
        spec = honkSpec(Role.Aggregate, _AGGREGATE_VERIFIER, AGGREGATE_WORDS);
        spec.stepsPerProof = 8 * uint32(PER_AGGREGATE);
        spec.blocks = PER_AGGREGATE;
        spec.child = honkStep;
    }

    // --- tensors and proofs ---

    /// The word of a made-up tensor, below the field's order.
    function word(bytes32 tensor) internal pure returns (bytes32) {
        return keccak256(abi.encode("word", tensor)) >> 3;
    }

    function name(bytes32 tensor) internal pure returns (bytes32) {
        return keccak256(abi.encode(word(tensor)));
    }

    function honkEvidence(bytes memory words, uint256[] memory values)
        internal
        pure
        returns (Evidence memory)
    {
        bytes memory argument = abi.encode("an argument", keccak256(words));
        assembly ("memory-safe") {
            mstore(argument, ARGUMENT)
        }
        return Evidence(bytes.concat(words, argument), values, new bytes32[](0));
    }

    function honkStepEvidence(uint256 context, bytes32 stateIn, bytes32 block_, bytes32 stateOut)
        internal
        pure
        returns (Evidence memory)
    {
        return honkEvidence(
            abi.encode(context, word(stateIn), word(block_), word(stateOut)), new uint256[](0)
        );
    }

    function honkInferenceEvidence(uint256 context, bytes32 weights, uint256[] memory values)
        internal
        pure
        returns (Evidence memory)
    {
        return honkEvidence(abi.encode(context, word(weights)), values);
    }

    function replaceWord(bytes memory proof, uint256 place, bytes32 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(proof, 0x20), shl(5, place)), value)
        }
    }

    // --- dataset, tasks and runs ---

    function honkLeaves() internal pure returns (bytes32[] memory all) {
        all = new bytes32[](BLOCKS);
        for (uint256 k; k < BLOCKS; ++k) {
            all[k] = Statement.leaf(k, name(batch(k)));
        }
    }

    function honkPath(uint256 index) internal pure returns (bytes32[] memory path) {
        (, path) = merkle(honkLeaves(), index);
    }

    function honkTaskSpec() internal view returns (TaskSpec memory spec) {
        spec = taskSpec();
        spec.stepCircuit = honkStep;
        spec.rangeCircuit = CircuitId.wrap(0);
        spec.inferenceCircuit = honkInference;
        spec.aggregateCircuit = aggregate;
        (spec.datasetRoot,) = merkle(honkLeaves(), 0);
        spec.genesis = name(GENESIS);
    }

    function openHonkRun(TaskSpec memory spec, uint256 nonce) internal returns (RunId run) {
        TaskId task = createTask(spec);
        vm.prank(sponsor);
        return ledger.openRun(task, payee, nonce);
    }

    function honkBlockProofs(RunId run, uint32 from, uint32 count)
        internal
        view
        returns (BlockProof[] memory blocks)
    {
        blocks = new BlockProof[](count);
        for (uint32 k; k < count; ++k) {
            uint32 i = from + k;
            uint256 index = blockIndex(run, i);
            blocks[k] = BlockProof(
                honkPath(index),
                honkStepEvidence(ledger.contextOf(run, i), state(i), batch(index), state(i + 1))
            );
        }
    }

    /// The aggregate that an honest trainer makes of the proofs of PER_AGGREGATE positions.
    function aggregateEvidence(RunId run, uint32 from) internal view returns (Evidence memory) {
        bytes memory words = abi.encode(word(state(from)));
        for (uint32 i = from; i < from + PER_AGGREGATE; ++i) {
            words = bytes.concat(
                words,
                abi.encode(ledger.contextOf(run, i), word(batch(blockIndex(run, i))), word(state(i + 1)))
            );
        }
        return honkEvidence(words, new uint256[](0));
    }

    function aggregatePaths(RunId run, uint32 from) internal view returns (bytes32[][] memory paths) {
        paths = new bytes32[][](PER_AGGREGATE);
        for (uint32 k; k < PER_AGGREGATE; ++k) {
            paths[k] = honkPath(blockIndex(run, from + k));
        }
    }
}
