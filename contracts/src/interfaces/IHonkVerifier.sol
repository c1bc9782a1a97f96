// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Call shape of the verifiers that bb generates, one for each circuit. They answer true or revert.
interface IHonkVerifier {
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}
