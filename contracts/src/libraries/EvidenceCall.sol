// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockClaim, CircuitId, Evidence, ICircuits} from "../interfaces/ICircuits.sol";
import {IEzklDedicatedVerifier, IEzklReusableVerifier} from "../interfaces/IEzklVerifiers.sol";

/// @title Calls that pass evidence on, encoded without keeping memory
/// @notice The same call data as Solidity's own encoding, for half the gas of what is not the copy. A proof and its
/// verifying key are some 9 KiB, memory is priced by its square and never given back: here the call data
/// stands above the free memory pointer, which does not move, so it must be used at once.
library EvidenceCall {
    error GatewayAnswer(uint256 size);

    /// @notice `circuits.checkBlock(id, stateIn, context, evidence)`.
    function checkBlock(
        ICircuits circuits,
        CircuitId id,
        bytes32 stateIn,
        uint256 context,
        Evidence calldata evidence
    ) internal view returns (BlockClaim memory said) {
        uint256 data;
        uint256 end;
        bytes4 selector = ICircuits.checkBlock.selector;
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), id)
            mstore(add(data, 0x24), stateIn)
            mstore(add(data, 0x44), context)
            mstore(add(data, 0x64), 0x80) // where the evidence begins
            end := add(data, 0x84)
        }
        end = _write(end, evidence.proof, evidence.publicValues, evidence.vka);
        uint256 size;
        assembly ("memory-safe") {
            let ok := staticcall(gas(), circuits, data, sub(end, data), said, 0x40)
            size := returndatasize()
            if iszero(ok) {
                returndatacopy(data, 0, size)
                revert(data, size)
            }
        }
        if (size != 0x40) revert GatewayAnswer(size);
    }

    /// @notice `verifyProof(proof, publicValues, vka)` of ezkl's reusable verifier.
    /// @return data Where the call data begins.
    /// @return end Where it ends.
    /// @return digest keccak256 of the verifying key, hashed where the verifier will read it.
    function reusable(bytes calldata proof, uint256[] calldata values, bytes32[] calldata vka)
        internal
        pure
        returns (uint256 data, uint256 end, bytes32 digest)
    {
        bytes4 selector = IEzklReusableVerifier.verifyProof.selector;
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, selector)
            end := add(data, 0x04)
        }
        end = _write(end, proof, values, vka);
        assembly ("memory-safe") {
            let size := shl(5, vka.length)
            digest := keccak256(sub(end, size), size)
        }
    }

    /// @notice `verifyProof(proof, publicValues)` of a verifier that ezkl generated for one circuit.
    /// @return data Where the call data begins.
    /// @return end Where it ends.
    function dedicated(bytes calldata proof, uint256[] calldata values)
        internal
        pure
        returns (uint256 data, uint256 end)
    {
        bytes4 selector = IEzklDedicatedVerifier.verifyProof.selector;
        uint256 from;
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, selector)
            from := add(data, 0x04)
            mstore(from, 0x40)
        }
        end = _writeBytes(from, 0x40, proof);
        assembly ("memory-safe") {
            mstore(add(from, 0x20), sub(end, from))
        }
        end = _writeWords(end, values);
    }

    /// @dev The encoding of the three members: where each begins, then each with its length.
    function _write(uint256 from, bytes calldata proof, uint256[] calldata values, bytes32[] calldata vka)
        private
        pure
        returns (uint256 to)
    {
        to = _writeBytes(from, 0x60, proof);
        assembly ("memory-safe") {
            mstore(from, 0x60)
            mstore(add(from, 0x20), sub(to, from))
        }
        to = _writeWords(to, values);
        assembly ("memory-safe") {
            let size := shl(5, vka.length)
            mstore(add(from, 0x40), sub(to, from))
            mstore(to, vka.length)
            to := add(to, 0x20)
            calldatacopy(to, vka.offset, size)
            to := add(to, size)
        }
    }

    /// @param head Bytes between `from` and the length.
    function _writeBytes(uint256 from, uint256 head, bytes calldata proof) private pure returns (uint256 to) {
        assembly ("memory-safe") {
            to := add(from, head)
            mstore(to, proof.length)
            to := add(to, 0x20)
            calldatacopy(to, proof.offset, proof.length)
            mstore(add(to, proof.length), 0) // what fills the last word
            to := add(to, and(add(proof.length, 0x1f), not(0x1f)))
        }
    }

    function _writeWords(uint256 from, uint256[] calldata values) private pure returns (uint256 to) {
        assembly ("memory-safe") {
            let size := shl(5, values.length)
            mstore(from, values.length)
            to := add(from, 0x20)
            calldatacopy(to, values.offset, size)
            to := add(to, size)
        }
    }
}
