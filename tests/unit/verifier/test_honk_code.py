"""What a verifier's code says of its key and its reference string, on made-up keys and code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ArtefactError, ProofRejected
from zkdescent.verifier import EvmProofVerifier
from zkdescent.verifier.evm import encode_verify_honk
from zkdescent.verifier.honk_code import (
    CEREMONY_G2,
    KEY_BYTES,
    check_honk_key,
    holds_ceremony_point,
    load_key,
    load_verifier,
    pushes_ceremony_point,
)


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World(backend="barretenberg", aggregate=2)


def step(world: Any) -> tuple[Any, bytes, bytes]:
    circuit = world.circuits.step
    key = load_key(circuit, world.load_object)
    return circuit, key, load_verifier(circuit, world.load_object).runtime_code


def test_key_and_code_of_each_circuit_agree(world: Any) -> None:
    for circuit in world.circuits.present():
        key = load_key(circuit, world.load_object)
        check_honk_key(circuit, key, load_verifier(circuit, world.load_object).runtime_code)


@pytest.mark.parametrize("number", range(56))
def test_each_coordinate_counts(world: Any, synthetic: ModuleType, number: int) -> None:
    circuit, key, _ = step(world)
    start = 96 + 32 * number
    other = key[:start] + (7).to_bytes(32, "big") + key[start + 32 :]
    code = synthetic.honk_verifier(other, point=synthetic.UNSAFE_POINT)
    with pytest.raises(ProofRejected, match="does not hold the verifying key"):
        check_honk_key(circuit, key, code)
    named = replace(circuit, vk_sha256=hashlib.sha256(other).digest())
    check_honk_key(named, other, code)


def test_an_honest_key_beside_another_circuits_verifier_is_refused(world: Any) -> None:
    circuit, key, _ = step(world)
    other = load_verifier(world.circuits.inference, world.load_object).runtime_code
    with pytest.raises(ProofRejected, match="does not hold the verifying key"):
        check_honk_key(circuit, key, other)


def test_points_of_the_key_in_another_order_are_another_circuit(
    world: Any, synthetic: ModuleType
) -> None:
    circuit, key, _ = step(world)
    swapped = key[:96] + key[160:224] + key[96:160] + key[224:]
    code = synthetic.honk_verifier(swapped, point=synthetic.UNSAFE_POINT)
    with pytest.raises(ProofRejected, match="does not hold the verifying key"):
        check_honk_key(circuit, key, code)


def test_a_constant_stored_twice_is_refused(world: Any, synthetic: ModuleType) -> None:
    circuit, key, code = step(world)
    again = synthetic._store(5, 0x1220) + code
    with pytest.raises(ProofRejected, match="does not hold the verifying key"):
        check_honk_key(circuit, key, again)


def test_the_keys_hash_binds_its_header(world: Any, synthetic: ModuleType) -> None:
    circuit, key, code = step(world)
    other = key[:64] + (6).to_bytes(32, "big") + key[96:]
    named = replace(circuit, vk_sha256=hashlib.sha256(other).digest())
    with pytest.raises(ProofRejected, match="does not hold the verifying key") as error:
        check_honk_key(named, other, code)
    assert "hash" in str(error.value.expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vk_sha256": bytes(32)}, "not the one the circuit names"),
        ({"logrows": 15}, "size of the circuit"),
        ({"public_values": 1}, "number of public inputs"),
    ],
)
def test_what_the_circuit_says_of_its_key_is_compared(
    world: Any, changes: dict[str, Any], reason: str
) -> None:
    circuit, key, code = step(world)
    with pytest.raises(ProofRejected, match=reason):
        check_honk_key(replace(circuit, **changes), key, code)


def test_a_key_of_another_size_is_refused(world: Any) -> None:
    circuit, key, code = step(world)
    assert len(key) == KEY_BYTES
    for other in (key[:-32], key + bytes(32)):
        named = replace(circuit, vk_sha256=hashlib.sha256(other).digest())
        with pytest.raises(ProofRejected, match=r"not a key of bb"):
            check_honk_key(named, other, code)


def test_the_ceremonys_point_is_found_where_it_is_used(synthetic: ModuleType) -> None:
    key = synthetic.honk_key("step", logrows=14, inputs=4)
    safe = synthetic.honk_verifier(key, point=CEREMONY_G2)
    assert holds_ceremony_point(safe)
    assert pushes_ceremony_point(safe)
    unsafe = synthetic.honk_verifier(key, point=synthetic.UNSAFE_POINT)
    assert not holds_ceremony_point(unsafe)
    assert not pushes_ceremony_point(unsafe)
    # Pushed for nothing: what the gateway can't see, the auditor sees.
    idle = b"".join(b"\x7f" + word + b"\x50" for word in CEREMONY_G2) + unsafe
    assert pushes_ceremony_point(idle)
    assert not holds_ceremony_point(idle)
    for number in range(4):
        point = list(CEREMONY_G2)
        point[number] = point[number][:-1] + bytes([point[number][-1] ^ 1])
        code = synthetic.honk_verifier(key, point=tuple(point))
        assert not holds_ceremony_point(code)
        assert not pushes_ceremony_point(code)


def test_words_inside_other_pushes_and_cut_words_are_not_pushed() -> None:
    code = b"".join(b"\x7f" + word + b"\x50" for word in CEREMONY_G2)
    assert pushes_ceremony_point(code)
    assert not pushes_ceremony_point(code.replace(b"\x7f", b"\x60\x7f"))
    assert not pushes_ceremony_point(code[:-10])


def test_missing_and_damaged_objects_are_named(world: Any) -> None:
    circuit = world.circuits.step
    with pytest.raises(ArtefactError, match="no such object"):
        load_verifier(replace(circuit, objects={}), world.load_object)
    with pytest.raises(ArtefactError, match="not what its name says"):
        load_key(circuit, lambda digest: b"something else")
    for content in (b"{}", b"[]", json.dumps({"bytecode": 1, "deployedBytecode": 2}).encode()):
        digest = hashlib.sha256(content).hexdigest()
        named = replace(circuit, objects={"verifier": digest})
        with pytest.raises(ArtefactError, match="not a compiled verifier"):
            load_verifier(named, {digest: content}.__getitem__)


# --- in the EVM ---


def test_proofs_run_through_the_circuits_own_verifier(world: Any) -> None:
    verify = EvmProofVerifier(world.load_object)
    world.combine(0)
    for (role, _), proof in world.proofs.items():
        verify(getattr(world.circuits, role), proof)
    verify(world.circuits.inference, world.inference().proof)


def test_what_the_verifier_does_not_accept_is_rejected(world: Any) -> None:
    verify, good = EvmProofVerifier(world.load_object), world.proofs["step", 0]
    bad = replace(good, proof=good.proof[:-1] + b"\x00")
    with pytest.raises(ProofRejected, match="does not accept"):
        verify(world.circuits.step, bad)
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    for slot in range(4):
        word = int.from_bytes(good.proof[32 * slot : 32 * slot + 32], "big") + order
        second = good.proof[: 32 * slot] + word.to_bytes(32, "big") + good.proof[32 * slot + 32 :]
        with pytest.raises(ProofRejected, match="canonical"):
            verify(world.circuits.step, replace(good, proof=second))
    with pytest.raises(ProofRejected, match="proof length"):
        verify(world.circuits.step, replace(good, proof=good.proof + bytes(32)))


def test_a_verifier_that_leaves_other_code_is_refused(world: Any, synthetic: ModuleType) -> None:
    codes = {
        "bytecode": "0x" + synthetic.VERIFIER_INIT.hex(),
        "deployedBytecode": "0x" + world.verifiers["step"].hex(),
    }
    content = json.dumps(codes).encode()
    digest = hashlib.sha256(content).hexdigest()
    circuit = replace(world.circuits.step, objects={"verifier": digest})
    with pytest.raises(ProofRejected, match="leaves other code"):
        EvmProofVerifier({digest: content}.__getitem__)(circuit, world.proofs["step", 0])


def test_without_objects_there_is_no_verifier(world: Any) -> None:
    with pytest.raises(ArtefactError, match="verifier is needed"):
        EvmProofVerifier()(world.circuits.step, world.proofs["step", 0])


def test_call_data_is_canonical() -> None:
    data = encode_verify_honk(b"\x01" * 64, (b"\x02" * 32,), (5,))
    words = [data[4 + 32 * i : 36 + 32 * i] for i in range((len(data) - 4) // 32)]
    numbers = [int.from_bytes(word, "big") for word in words]
    assert data[:4].hex() == "ea50d0e4"
    assert numbers[:3] == [0x40, 0xA0, 64]
    assert (numbers[5], words[6], numbers[7]) == (2, b"\x02" * 32, 5)
    assert len(data) == 4 + 32 * 8
