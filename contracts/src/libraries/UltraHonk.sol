// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Under which reference string a generated UltraHonk verifier checks
/// @notice The verifiers that bb generates end in e(P, [1]_2) * e(Q, [tau]_2) == 1, where Q is the KZG
/// quotient's commitment, and push the four coordinates of [tau]_2 as constants. bb writes the point of
/// Aztec's Ignition ceremony (2019-2020, 176 contributions): the words below, x (imaginary, real) then
/// y (imaginary, real) as EIP-197 orders them. A verifier for a string made locally, whose secret
/// somebody knows, has other words in their place.
library UltraHonk {
    /// @notice Whether the code pushes each of the four words, in a linear sweep over its instructions.
    /// @dev Sound for code that bb generated and nobody else wrote: other code may push the words and
    /// not use them. What the code is, its hash says.
    function pushesCeremonyPoint(address verifier) internal view returns (bool found) {
        assembly ("memory-safe") {
            let at := mload(0x40) // scratch, not kept
            let size := extcodesize(verifier)
            extcodecopy(verifier, at, 0, size)
            let end := add(at, size)
            mstore(end, 0)
            let seen := 0
            for {} lt(at, end) {} {
                let pushed := sub(byte(0, mload(at)), 0x5f) // bytes, if it is PUSH1 to PUSH32
                at := add(at, 1)
                if gt(sub(pushed, 1), 31) { continue }
                if eq(pushed, 32) {
                    switch mload(at)
                    case 0x260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1 {
                        seen := or(seen, 1)
                    }
                    case 0x0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0 {
                        seen := or(seen, 2)
                    }
                    case 0x04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4 {
                        seen := or(seen, 4)
                    }
                    case 0x22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55 {
                        seen := or(seen, 8)
                    }
                }
                at := add(at, pushed)
            }
            found := eq(seen, 15)
        }
    }
}
