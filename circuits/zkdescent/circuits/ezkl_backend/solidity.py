"""Compile the verifiers that ezkl generates."""

from __future__ import annotations

from typing import Any

from zkdescent.circuits.ezkl_backend.harden import harden
from zkdescent.circuits.solc import compile_solidity, only_contract

# The generated verifiers are one block of assembly with a memory layout of its own: use the plain
# code generator, whose layout ezkl was written for. No metadata: equal sources are equal code.
VERIFIER_SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "prague",
    "viaIR": False,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}


def compile_dedicated_verifier(source: str) -> dict[str, Any]:
    """Harden and compile the verifier that ezkl generated for one circuit.

    Args:
        source: Solidity as ``ezkl.create_evm_verifier(..., reusable=False)`` wrote it.

    Returns:
        The one contract, as :func:`compile_solidity` describes it.

    Raises:
        ToolMissing: no compiler.
        ProverError: the source can't be hardened, or its code is larger than EIP-170 allows.
    """
    compiled = compile_solidity(
        {"Verifier.sol": harden(source, reusable=False)}, settings=VERIFIER_SETTINGS
    )
    return only_contract(compiled, hint="use the reusable verifier for this circuit")
