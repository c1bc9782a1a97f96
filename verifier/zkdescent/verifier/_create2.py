"""Addresses that depend on nothing but the code: the deterministic CREATE2 factory.

The factory at 0x4e59...956C (Arachnid's deterministic-deployment-proxy, present on nearly every
public chain and preinstalled in anvil) takes a 32-byte salt and init code as call data and creates
the contract with CREATE2 (EIP-1014): address = keccak256(0xff ++ factory ++ salt ++
keccak256(init code))[12:]. With salt zero a contract has one address on all chains, so contexts,
and with them proofs, can be computed before anything is deployed.
"""

from __future__ import annotations

from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

FACTORY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
FACTORY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
SALT = bytes(32)


def factory_call(init_code: bytes) -> bytes:
    """Return the call data that makes the factory deploy this init code under salt zero."""
    return SALT + init_code


def predict_address(init_code: bytes) -> str:
    """Return the checksummed address at which the factory puts this init code."""
    preimage = b"\xff" + to_canonical_address(FACTORY) + SALT + keccak(init_code)
    return to_checksum_address(keccak(preimage)[12:])
