"""The verifier contract of one circuit: written by bb, bound to a reference string, hardened.

`bb write_solidity_verifier --optimized` writes one block of assembly. What it checks itself, and
must go on checking (:data:`_CHECKS`; a text that lacks one of them, or has it twice, is refused):

- the proof has exactly the length that the circuit's size implies, and there are exactly as many
  public inputs as the circuit has;
- every public input and every scalar of the proof is below the scalar field's order, every
  coordinate below the base field's, every limb of the pairing points below its bound: one value has
  one encoding;
- every point is on the curve, because the precompiles of EIP-196 and EIP-197 fail on others and the
  result of each call is kept; the point at infinity is allowed, as it must be;
- pairing points, through which a circuit that verifies proofs hands on their unfinished checks, are
  part of the public inputs' argument, so the circuit says what they are; they join the pairing;
- sumcheck, the pairing, and with zero knowledge Libra's consistency; any failure reverts, success
  returns 1.

What it does not check is the encoding of the call: it follows the caller's offsets, and takes gaps,
overlaps and trailing bytes. The inserted check reverts on every encoding but the canonical one.

What stays for the gateway: that the words mean what they should (context, batch, state), and which
contract may speak for which circuit.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zkdescent.circuits.barretenberg.proofs import TARGETS
from zkdescent.circuits.barretenberg.srs import CEREMONY_G2_WORDS, ReferenceString
from zkdescent.circuits.barretenberg.toolchain import BUILD, PACKAGE, run
from zkdescent.circuits.solc import compile_solidity, only_contract
from zkdescent.core.errors import ProverError

CONTRACT = "HonkVerifier"
UNSAFE_CONTRACT = "UnsafeHonkVerifier"
_MARKER = "zkdescent: canonical call data only"
_TIMEOUT_S = 60

# bb's own advice for this contract; no metadata: equal sources are equal code.
HONK_SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 1},
    "evmVersion": "prague",
    "viaIR": False,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}

# selector | offsets of proof, inputs | proof length, proof | inputs length, inputs. The lengths
# themselves are compared with the circuit's right after this.
_CANONICAL = f"""
            // {_MARKER}
            {{
                let proof_bytes := calldataload(0x44)
                let canonical := eq(calldataload(0x04), 0x40)
                canonical := and(canonical, eq(calldataload(0x24), add(0x60, proof_bytes)))
                let inputs_bytes := mul(REAL_NUMBER_PUBLIC_INPUTS, 0x20)
                canonical := and(
                    canonical,
                    eq(calldatasize(), add(add(0x84, proof_bytes), inputs_bytes))
                )
                if iszero(canonical) {{ revert(0x00, 0x00) }}
            }}
"""
_ENTRY = re.compile(r"            let p := P\n")
_PRAGMA = re.compile(r"^pragma solidity \^0\.8\.27;$", re.MULTILINE)
_NAME = re.compile(rf"\bcontract {CONTRACT} is IVerifier \{{")
_CHECKS = {
    "the proof's length": "if iszero(eq(proof_length, expected_proof_size)) {",
    "the number of public inputs": "if iszero(eq(pi_count, REAL_NUMBER_PUBLIC_INPUTS)) {",
    "the public inputs' range": "valid_inputs := and(valid_inputs, lt(input, p_clone))",
    "the failure of that": "if iszero(valid_inputs) {",
    "the low limbs' range": "valid := and(valid, lt(mload(ptr), lo_limb_max))",
    "the high limbs' range": "valid := and(valid, lt(mload(add(ptr, 0x20)), hi_limb_max))",
    "the pairing points' range": "and(lt(p0_other_x, q), lt(p0_other_y, q)),",
    "the other pairing point's range": "and(lt(p1_other_x, q), lt(p1_other_y, q))",
    "sumcheck's last round": "if iszero(sumcheck_valid) {",
    "the group operations": "if iszero(precomp_success_flag) {",
    "the pairing": "staticcall(gas(), 8, 0x00, 0x180, 0x00, 0x20))",
    "the pairing's result": "if iszero(and(pairing_success, mload(0x00))) {",
}
_HIDING_CHECKS = {"Libra's consistency": "                if diff {\n"}
"""Of proofs with zero knowledge: that what hides sumcheck's polynomials was itself opened right."""
_TAU = re.compile(
    r"// G2 \[x\]\n"
    r"\s*mstore\(0x100, 0x([0-9a-f]{64})\)\n\s*mstore\(0x120, 0x([0-9a-f]{64})\)\n"
    r"\s*mstore\(0x140, 0x([0-9a-f]{64})\)\n\s*mstore\(0x160, 0x([0-9a-f]{64})\)\n"
)


def verifier_source(vk: Path, string: ReferenceString, *, zero_knowledge: bool = True) -> str:
    """Return the Solidity of a circuit's verifier, hardened and bound to the string.

    Args:
        vk: the circuit's verifying key, as `bb write_vk -t evm` wrote it under this string.
        zero_knowledge: whether the proofs it takes have it; the key is the same.

    Raises:
        ToolMissing: bb is not installed, or another version.
        ProverError: bb failed, or wrote a text of another form than the one that was reviewed.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-verifier-") as scratch:
        path = Path(scratch) / "Verifier.sol"
        options = ["-k", str(vk), "-o", str(path), "-t", TARGETS[zero_knowledge], "--optimized"]
        run(["write_solidity_verifier", *options], timeout=_TIMEOUT_S)
        return finish(path.read_text(encoding="utf-8"), string, zero_knowledge=zero_knowledge)


def finish(source: str, string: ReferenceString, *, zero_knowledge: bool = True) -> str:
    """Return the text that bb wrote, hardened and with [tau]_2 of the string.

    Raises:
        ProverError: the text is not of the known form, or was finished already.
    """
    if _MARKER in source:
        raise ProverError("the verifier's source is hardened already")
    for what, text in (_CHECKS | (_HIDING_CHECKS if zero_knowledge else {})).items():
        _once(source.count(text), f"the check of {what}")
    source = _replace(_ENTRY, source, lambda found: found + _CANONICAL, "the entry of verify")
    source = _bind(source, string)
    said = f"// Written by bb {BUILD} ({PACKAGE}), then hardened by zkdescent."
    if string.source == "unsafe-local":
        said += (
            "\n// UNSAFE: everybody knows the secret of its reference string: anybody can forge."
        )
        source = _replace(
            _NAME, source, lambda found: found.replace(CONTRACT, UNSAFE_CONTRACT), "the contract"
        )
    return _replace(_PRAGMA, source, lambda found: f"{said}\n{found}", "the pragma").lstrip()


def compile_verifier(source: str) -> dict[str, Any]:
    """Compile a finished verifier.

    Returns:
        `{"bytecode": "0x..", "deployedBytecode": "0x..", "abi": [...]}`.

    Raises:
        ToolMissing: there is no compiler, or another version.
        ProverError: the code is larger than EIP-170 allows, or does not hold [tau]_2 once.
    """
    words = tau_words(source)
    compiled = compile_solidity({"Verifier.sol": source}, settings=HONK_SETTINGS)
    contract = only_contract(compiled, hint="make the circuit smaller: fewer steps per proof")
    for word in words:
        # Contracts and auditors look for these words to tell which string a verifier is bound to.
        _once(contract["deployedBytecode"].count(word.hex()), "a word of [tau]_2 in the code")
    return {key: contract[key] for key in ("bytecode", "deployedBytecode", "abi")}


def tau_words(source: str) -> tuple[bytes, ...]:
    """Return the four words of [tau]_2 that a verifier's text pairs with the opening.

    Raises:
        ProverError: they are not where bb writes them.
    """
    found = _TAU.findall(source)
    _once(len(found), "[tau]_2")
    return tuple(bytes.fromhex(word) for word in found[0])


def _bind(source: str, string: ReferenceString) -> str:
    if tau_words(source) != CEREMONY_G2_WORDS:
        raise ProverError(
            "bb wrote another ceremony's [tau]_2 into the verifier",
            expected=CEREMONY_G2_WORDS,
            got=tau_words(source),
        )
    for old, new in zip(CEREMONY_G2_WORDS, string.g2_words, strict=True):
        _once(source.count(old.hex()), "a word of the ceremony's [tau]_2")
        source = source.replace(old.hex(), new.hex())
    return source


def _replace(pattern: re.Pattern[str], source: str, change: Callable[[str], str], what: str) -> str:
    _once(len(pattern.findall(source)), what)
    return pattern.sub(lambda match: change(match.group()), source)


def _once(count: int, what: str) -> None:
    if count != 1:
        raise ProverError(
            f"cannot use the generated verifier: {what} was not found exactly once",
            expected=1,
            got=count,
            hint="this is another text than the one that was reviewed; use the pinned prover",
        )
