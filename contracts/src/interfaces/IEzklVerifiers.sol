// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Call shapes of the verifiers that ezkl generates, for encoding only. The reusable one returns
/// three packed words and more (verdict, vka digest, rescaled instances) that its own ABI misdeclares,
/// so nothing is declared here and {Circuits} reads the raw answer.
interface IEzklReusableVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances, bytes32[] calldata vka) external;
}

interface IEzklDedicatedVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external;
}
