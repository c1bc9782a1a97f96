// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEzklDedicatedVerifier, IEzklReusableVerifier} from "../../src/interfaces/IEzklVerifiers.sol";

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
