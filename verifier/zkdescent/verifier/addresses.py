"""Where the contracts are, and what their code is: known before there is a chain.

Every contract goes through the CREATE2 factory with salt zero, so its address follows from its
creation code and constructor arguments alone (:mod:`._create2`). A run can therefore be planned,
and its proofs made, with no chain in reach; and whoever reads a proof can recompute where it
belongs.

>>> predicted_addresses().ledger.startswith("0x")
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from zkdescent.core.records import Record
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier._pyevm import Sandbox
from zkdescent.verifier.artifacts import load_artifact


@dataclass(frozen=True, slots=True)
class Addresses(Record):
    """Where the contracts are, on every chain (checksummed)."""

    verifier: str
    circuits: str
    ledger: str
    registry: str


CONTRACT_NAMES = {
    "verifier": "Halo2VerifierReusable",
    "circuits": "Circuits",
    "ledger": "TrainingLedger",
    "registry": "ModelRegistry",
}


@cache
def init_codes() -> dict[str, bytes]:
    """Creation code with constructor arguments, in order of deployment."""
    verifier = load_artifact(CONTRACT_NAMES["verifier"]).creation_code
    circuits = load_artifact(CONTRACT_NAMES["circuits"]).creation_code
    ledger = load_artifact(CONTRACT_NAMES["ledger"]).creation_code
    ledger += encode(["address"], [predict_address(circuits)])
    registry = load_artifact(CONTRACT_NAMES["registry"]).creation_code
    registry += encode(["address"], [predict_address(ledger)])
    return {"verifier": verifier, "circuits": circuits, "ledger": ledger, "registry": registry}


@cache
def predicted_addresses() -> Addresses:
    """Return the addresses of the contracts of this version, the same on every chain."""
    return Addresses(**{key: predict_address(code) for key, code in init_codes().items()})


@cache
def runtime_code_hashes() -> dict[str, bytes]:
    """Return keccak256 of each contract's code on chain, by field of :class:`Addresses`.

    The constructors are run in a private EVM, because their immutables (addresses of each other)
    are in the code.
    """
    sandbox = Sandbox()
    codes = init_codes().items()
    return {key: keccak(sandbox.code(sandbox.deploy(code))) for key, code in codes}
