// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockClaim, Claim, ICircuits, Role} from "../interfaces/ICircuits.sol";
import {IHonkVerifier} from "../interfaces/IHonkVerifier.sol";
import {Fixed} from "./Fixed.sol";

/// @dev The words at the front of an UltraHonk step proof, in order.
enum StepWord {
    Context,
    StateIn,
    Batch,
    StateOut
}

/// @dev The same for an inference proof: the features are public values.
enum InferenceWord {
    Context,
    State
}

/// @dev The same for an aggregate of n block proofs: StateIn once, then n times the other three.
enum AggregateWord {
    StateIn,
    Context,
    Batch,
    StateOut
}

/// @title The words at the front of an UltraHonk proof
/// @notice A proof starts with one word of 32 bytes per committed tensor: a hash that the circuit
/// computes, or the context itself. They are the proof's first public inputs; the public values follow
/// them there. What the prover made comes after the words. A tensor is named by keccak256 of its word.
/// Words are below the scalar field's order, so a tensor has one word and one name.
library HashWords {
    uint256 internal constant SIZE = 32;
    uint256 internal constant PER_BLOCK = uint256(type(AggregateWord).max);

    /// @param blocks Block proofs that an aggregate covers.
    /// @return How many words a proof begins with; zero for a role that has no UltraHonk proofs.
    function count(Role role, uint256 blocks) internal pure returns (uint256) {
        if (role == Role.Step) return uint256(type(StepWord).max) + 1;
        if (role == Role.Inference) return uint256(type(InferenceWord).max) + 1;
        return role == Role.Aggregate ? 1 + PER_BLOCK * blocks : 0;
    }

    /// @return held Word `place`. The caller has checked the proof's length.
    function word(bytes calldata proof, uint256 place) internal pure returns (bytes32 held) {
        assembly ("memory-safe") {
            held := calldataload(add(proof.offset, shl(5, place)))
        }
    }

    /// @return name The name of the tensor whose word stands at `place`.
    function tensorHash(bytes calldata proof, uint256 place) internal pure returns (bytes32 name) {
        bytes32 hash = word(proof, place);
        assembly ("memory-safe") {
            mstore(0x00, hash)
            name := keccak256(0x00, 0x20)
        }
    }

    /// @notice The tensors that a step or inference proof speaks of.
    function claim(Role role, bytes calldata proof) internal pure returns (Claim memory said) {
        if (role == Role.Step) {
            said.stateIn = tensorHash(proof, uint256(StepWord.StateIn));
            said.batch = tensorHash(proof, uint256(StepWord.Batch));
            said.stateOut = tensorHash(proof, uint256(StepWord.StateOut));
        } else {
            said.stateIn = tensorHash(proof, uint256(InferenceWord.State));
        }
    }

    /// @notice The tensors that an aggregate speaks of.
    function claims(bytes calldata proof, uint256 blocks)
        internal
        pure
        returns (bytes32 stateIn, BlockClaim[] memory said)
    {
        stateIn = tensorHash(proof, uint256(AggregateWord.StateIn));
        said = new BlockClaim[](blocks);
        uint256 place;
        for (uint256 k; k < blocks; ++k) {
            said[k].batch = tensorHash(proof, place + uint256(AggregateWord.Batch));
            said[k].stateOut = tensorHash(proof, place + uint256(AggregateWord.StateOut));
            place += PER_BLOCK;
        }
    }

    /// @return Where the context of block proof `k` of an aggregate stands.
    function contextPlace(uint256 k) internal pure returns (uint256) {
        return PER_BLOCK * k + uint256(AggregateWord.Context);
    }

    /// @notice What the verifier is called with: the proof after the words; the words and the public values
    /// as its public inputs.
    /// @dev abi.encodeCall(IHonkVerifier.verify, (argument, inputs)) for a proof of whole words, which is
    /// what a registered proof is. Above the free memory pointer, see {EvidenceCall}.
    /// @return data Where the call data begins.
    /// @return end Where it ends.
    function verifierCall(bytes calldata proof, uint256 words, uint256[] calldata values)
        internal
        pure
        returns (uint256 data, uint256 end)
    {
        bytes4 selector = IHonkVerifier.verify.selector;
        for (uint256 k; k < words; ++k) {
            if (uint256(word(proof, k)) >= Fixed.R) revert ICircuits.WordNotInField(k);
        }
        assembly ("memory-safe") {
            let front := shl(5, words)
            let argument := sub(proof.length, front)
            data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), 0x40)
            mstore(add(data, 0x24), add(0x60, argument))
            mstore(add(data, 0x44), argument)
            end := add(data, 0x64)
            calldatacopy(end, add(proof.offset, front), argument)
            end := add(end, argument)
            mstore(end, add(words, values.length))
            end := add(end, 0x20)
            calldatacopy(end, proof.offset, front)
            end := add(end, front)
            calldatacopy(end, values.offset, shl(5, values.length))
            end := add(end, shl(5, values.length))
        }
    }
}
