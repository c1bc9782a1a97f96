"""The reusable verifier in an in-process EVM: shapes and refusals (real proofs: tests/prover)."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ProofRejected
from zkdescent.verifier import EvmProofVerifier
from zkdescent.verifier.evm import encode_verify


@pytest.fixture(scope="module")
def verifier() -> EvmProofVerifier:
    return EvmProofVerifier()


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World()


def test_made_up_proof_is_rejected_by_the_contract(verifier: EvmProofVerifier, world: Any) -> None:
    with pytest.raises(ProofRejected, match="verifier contract") as error:
        verifier(world.circuits.step, world.proofs["step", 3])
    assert error.value.path == "step proof 3"


@pytest.mark.parametrize(
    ("circuit_change", "proof_change", "reason"),
    [
        ({"vka": (bytes(32),)}, {}, "not those it names"),
        ({"vka": (), "vka_digest": b""}, {}, "not those it names"),
        ({}, {"circuit": keccak(text="another")}, "another circuit"),
        ({}, {"role": "range"}, "another circuit"),
        ({}, {"proof": bytes(32)}, "proof length"),
        ({}, {"public_values": (1,)}, "number of public values"),
    ],
)
def test_wrong_shapes_are_rejected_before_the_evm_runs(
    verifier: EvmProofVerifier,
    world: Any,
    circuit_change: dict[str, Any],
    proof_change: dict[str, Any],
    reason: str,
) -> None:
    circuit = replace(world.circuits.step, **circuit_change)
    proof = replace(world.proofs["step", 0], **proof_change)
    with pytest.raises(ProofRejected, match=reason):
        verifier.verify(circuit, proof)


def test_call_data_is_canonical() -> None:
    data = encode_verify(b"\x01" * 64, (5,), (b"\x02" * 32,))
    words = [data[4 + 32 * i : 36 + 32 * i] for i in range((len(data) - 4) // 32)]
    numbers = [int.from_bytes(word, "big") for word in words]
    assert numbers[:4] == [0x60, 0xC0, 0x100, 64]
    assert (numbers[6], numbers[7], numbers[8]) == (1, 5, 1)
    assert len(data) == 4 + 32 * 10
