// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEzklDedicatedVerifier, IEzklReusableVerifier} from "../../src/interfaces/IEzklVerifiers.sol";
import {IHonkVerifier} from "../../src/interfaces/IHonkVerifier.sol";

/// @dev Stand-ins for the generated verifiers, for state machines and fuzzing only: real proofs are
/// checked from Python. Like the hardened ones they accept canonical call data alone. A proof whose
/// last word is BAD_PROOF is refused.
bytes32 constant BAD_PROOF = keccak256("bad proof");

function lastWord(bytes calldata proof) pure returns (bytes32) {
    return bytes32(proof[proof.length - 32:]);
}

contract MockReusableVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances, bytes32[] calldata vka) external pure {
        bytes memory canonical = abi.encodeCall(IEzklReusableVerifier.verifyProof, (proof, instances, vka));
        require(keccak256(msg.data) == keccak256(canonical));
        require(lastWord(proof) != BAD_PROOF);
        bytes32 digest = keccak256(abi.encodePacked(vka));
        assembly ("memory-safe") {
            mstore(0x00, 1)
            mstore(0x20, digest)
            return(0x00, 0x40)
        }
    }
}

contract MockDedicatedVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external pure returns (bool) {
        bytes memory canonical = abi.encodeCall(IEzklDedicatedVerifier.verifyProof, (proof, instances));
        require(keccak256(msg.data) == keccak256(canonical));
        require(lastWord(proof) != BAD_PROOF);
        return true;
    }
}

/// @dev As bb's hardened ones it also wants its own number of public inputs, all in the field.
contract MockHonkVerifier is IHonkVerifier {
    uint256 private immutable _INPUTS;

    error HonkRejected();

    constructor(uint256 inputs) {
        _INPUTS = inputs;
    }

    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool) {
        bytes memory canonical = abi.encodeCall(IHonkVerifier.verify, (proof, publicInputs));
        if (keccak256(msg.data) != keccak256(canonical)) revert HonkRejected();
        if (publicInputs.length != _INPUTS || lastWord(proof) == BAD_PROOF) revert HonkRejected();
        return true;
    }
}

/// @dev Pushes words where bb's verifiers push the point of their reference string.
contract MockPointVerifier {
    function verify(bytes calldata, bytes32[] calldata) external pure returns (bool) {
        return true;
    }

    function point() external pure returns (bytes32, bytes32, bytes32, bytes32) {
        return (
            0x260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1,
            0x0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0,
            0x04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4,
            0x22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55
        );
    }
}

/// @dev Answers whatever it was built with.
contract ConstantVerifier {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

/// @dev Tries to write: a STATICCALL stops it.
contract WritingVerifier {
    uint256 public count;

    fallback(bytes calldata) external returns (bytes memory) {
        ++count;
        return abi.encode(1);
    }
}
