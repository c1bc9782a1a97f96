"""Make an ezkl-generated Solidity verifier accept one encoding of a proof and no other.

The generated code reads some words of the call data at fixed positions and others through the
offsets that the caller wrote. With any encoding but the canonical one the two can disagree, so the
hardened verifier reverts on every other encoding before it reads anything. The reusable verifier
does not compare the proof's length with what it consumes either; the hardened one does.

The insertion points are found by the complete text around them, exactly once, or the build fails:
a new version of ezkl must be read by a person before its verifiers are deployed.
"""

from __future__ import annotations

import re

from zkdescent.core.errors import ProverError

_MARKER = "zkdescent: canonical calldata only"

# selector | offsets of proof, instances, vka | proof length, proof | instances length, instances |
# vka length, vka. `vka` was copied to memory by the time this runs; the generated code assumes that
# it lies at 0x80, the first free word, and so do we.
_REUSABLE_CHECK = f"""
        // {_MARKER}
        assembly {{
            let vka_cptr := add(instances.offset, mul(instances.length, 0x20))
            let canonical := eq(proof.offset, 0x84)
            canonical := and(canonical, iszero(and(proof.length, 0x1f)))
            canonical := and(canonical, eq(instances.offset, add(0xa4, proof.length)))
            canonical := and(canonical, eq(calldataload(0x44), sub(vka_cptr, 0x04)))
            canonical := and(
                canonical,
                eq(calldatasize(), add(add(vka_cptr, 0x20), mul(mload(vka), 0x20)))
            )
            canonical := and(canonical, eq(vka, 0x80))
            if iszero(canonical) {{ revert(0x00, 0x00) }}
        }}
"""

# selector | offsets of proof, instances | proof length, proof | instances length, instances.
_DEDICATED_CHECK = f"""
        // {_MARKER}
        assembly {{
            let canonical := eq(proof.offset, 0x64)
            canonical := and(canonical, iszero(and(proof.length, 0x1f)))
            canonical := and(canonical, eq(instances.offset, add(0x84, proof.length)))
            canonical := and(
                canonical,
                eq(calldatasize(), add(instances.offset, mul(instances.length, 0x20)))
            )
            if iszero(canonical) {{ revert(0x00, 0x00) }}
        }}
"""

# After the last point of the proof is read, nothing may be left of it.
_CONSUMED_CHECK = """
                // zkdescent: the whole proof was consumed
                success := and(success, eq(proof_cptr, add(proof.offset, proof.length)))
"""

_REUSABLE_ENTRY = re.compile(
    r"function verifyProof\(\s*bytes calldata proof,\s*uint256\[\] calldata instances,\s*"
    r"bytes32\[\] memory vka\s*\) external returns \(bool success, bytes32 vka_digest, "
    r"int256\[\] memory rescaled_instances\) \{\n"
)
_DEDICATED_ENTRY = re.compile(
    r"function verifyProof\(\s*bytes calldata proof,\s*uint256\[\] calldata instances\s*"
    r"\) public returns \(bool\) \{\n"
)
_LAST_POINT = re.compile(
    r"success, proof_cptr, hash_mptr := read_ec_point\(success, proof_cptr, hash_mptr\) // W'\n"
)
# Checks of the generated code that ours build on: if they go, a person must look.
_REUSABLE_LENGTH = re.compile(r"eq\(sub\(instance_cptr, 0xa4\), proof\.length\)")
_DEDICATED_LENGTH = re.compile(r"eq\(0x[0-9a-f]+, proof\.length\)")
_INSTANCE_COUNT = re.compile(r"eq\(num_instances, instances\.length\)")


def harden(source: str, reusable: bool) -> str:
    """Return the verifier's source with the checks inserted.

    Args:
        source: Solidity as ``ezkl.create_evm_verifier`` wrote it.
        reusable: whether it was generated as the reusable verifier.

    Promises that the result, compiled, reverts on every encoding of
    ``verifyProof(bytes,uint256[],bytes32[])`` (reusable) or ``verifyProof(bytes,uint256[])``
    (dedicated) but the canonical one, and that a proof with bytes to spare is refused.

    Raises:
        ProverError: the source is not of the known form, of the other kind, or hardened already.
    """
    if _MARKER in source:
        raise ProverError("the verifier's source is hardened already")
    _one(_INSTANCE_COUNT, source, "the check of the number of public values")
    if reusable:
        _one(_REUSABLE_LENGTH, source, "the check of the proof's length")
        source = _insert(_REUSABLE_ENTRY, source, _REUSABLE_CHECK, "the entry of verifyProof")
        return _insert(_LAST_POINT, source, _CONSUMED_CHECK, "the proof's last point")
    _one(_DEDICATED_LENGTH, source, "the check of the proof's length")
    return _insert(_DEDICATED_ENTRY, source, _DEDICATED_CHECK, "the entry of verifyProof")


def _one(pattern: re.Pattern[str], source: str, what: str) -> re.Match[str]:
    matches = list(pattern.finditer(source))
    if len(matches) != 1:
        raise ProverError(
            f"cannot harden the generated verifier: {what} was not found exactly once",
            expected=1,
            got=len(matches),
            hint="this version of ezkl writes another verifier than the one that was reviewed; "
            "use the pinned version",
        )
    return matches[0]


def _insert(pattern: re.Pattern[str], source: str, check: str, what: str) -> str:
    end = _one(pattern, source, what).end()
    return source[:end] + check.lstrip("\n") + source[end:]
