// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, Role} from "../interfaces/ICircuits.sol";

/// @dev The committed tensors at the front of a step proof, in order. Hints are the quotients and digits
/// that the prover supplies and the circuit checks; nobody reads their slot. It stands before StateOut
/// because an ezkl proof has its inputs first.
enum StepSlot {
    Context,
    StateIn,
    Batch,
    Hints,
    StateOut
}

/// @dev The same for a range proof, which has no context. Only the first two are read.
enum RangeSlot {
    State,
    Batch,
    Hints,
    Out
}

/// @dev The same for an inference proof. Only the first two are read: the features are public values too.
enum InferenceSlot {
    Context,
    State,
    Features,
    Hints
}

/// @title The committed tensors at the front of an ezkl proof
/// @notice A proof starts with one BN254 G1 point per committed tensor, 64 bytes each, x then y, big
/// endian: first the inputs, then the outputs. A tensor is named by keccak256 of its 64 bytes. The
/// verifier refuses coordinates outside the base field, so a point has one encoding and one name.
library Commitment {
    uint256 internal constant SIZE = 64;
    uint256 internal constant CONTEXT_BITS = 248;
    /// @dev Order of the BN254 base field.
    uint256 private constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;

    /// @return How many committed tensors a proof begins with; zero for a role that ezkl has no proofs of.
    function count(Role role) internal pure returns (uint256) {
        if (role == Role.Step) return uint256(type(StepSlot).max) + 1;
        if (role == Role.Range) return uint256(type(RangeSlot).max) + 1;
        return role == Role.Inference ? uint256(type(InferenceSlot).max) + 1 : 0;
    }

    /// @notice The tensors that a proof speaks of.
    function claim(Role role, bytes calldata proof) internal pure returns (Claim memory said) {
        if (role == Role.Step) {
            said.stateIn = tensorHash(proof, uint256(StepSlot.StateIn));
            said.batch = tensorHash(proof, uint256(StepSlot.Batch));
            said.stateOut = tensorHash(proof, uint256(StepSlot.StateOut));
        } else if (role == Role.Range) {
            said.stateIn = tensorHash(proof, uint256(RangeSlot.State));
            said.batch = tensorHash(proof, uint256(RangeSlot.Batch));
        } else {
            said.stateIn = tensorHash(proof, uint256(InferenceSlot.State));
        }
    }

    /// @return name The name of committed tensor `slot`. The caller has checked the proof's length.
    function tensorHash(bytes calldata proof, uint256 slot) internal pure returns (bytes32 name) {
        assembly ("memory-safe") {
            calldatacopy(0x00, add(proof.offset, mul(SIZE, slot)), SIZE)
            name := keccak256(0x00, SIZE)
        }
    }

    /// @notice Whether committed tensor 0 holds the one value `context`.
    /// @dev C([v]) = v*L0 + U. L0 generates the whole prime-order group, so different contexts below
    /// 2^248 have different commitments; opening to another value breaks the binding of KZG. The
    /// precompile reduces its scalar, so larger values, which would pass for others, are refused.
    /// @param opening L0.x, L0.y, U.x, U.y.
    function holds(bytes calldata proof, uint256 context, uint256[4] memory opening)
        internal
        view
        returns (bool)
    {
        if (context >> CONTEXT_BITS != 0) return false;
        (bool ok, uint256 x, uint256 y) = commit(context, opening);
        assembly ("memory-safe") {
            ok := and(ok, eq(x, calldataload(proof.offset)))
            ok := and(ok, eq(y, calldataload(add(proof.offset, 0x20))))
        }
        return ok;
    }

    /// @notice v*L0 + U by the precompiles of EIP-196, about 6.2k gas.
    /// @return ok False if a point of the opening is not on the curve.
    function commit(uint256 v, uint256[4] memory opening)
        internal
        view
        returns (bool ok, uint256 x, uint256 y)
    {
        assembly ("memory-safe") {
            let p := mload(0x40) // scratch, not kept: [x, y, x', y']
            mstore(p, mload(opening))
            mstore(add(p, 0x20), mload(add(opening, 0x20)))
            mstore(add(p, 0x40), v)
            ok := staticcall(gas(), 0x07, p, 0x60, p, 0x40)
            mstore(add(p, 0x40), mload(add(opening, 0x40)))
            mstore(add(p, 0x60), mload(add(opening, 0x60)))
            ok := and(ok, staticcall(gas(), 0x06, p, 0x80, p, 0x40))
            x := mload(p)
            y := mload(add(p, 0x20))
        }
    }

    /// @notice Whether an opening can bind a context: L0 a point other than the identity, whose
    /// multiples would all be equal, and U a point.
    function isOpening(uint256[4] memory opening) internal view returns (bool) {
        if (opening[0] >= Q || opening[1] >= Q || opening[2] >= Q || opening[3] >= Q) return false;
        if (opening[0] == 0 && opening[1] == 0) return false;
        (bool ok,,) = commit(1, opening);
        return ok;
    }
}
