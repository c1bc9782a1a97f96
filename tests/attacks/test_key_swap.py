"""A dishonest publisher names an honest verifying key beside another circuit's verifier words.

Proofs are checked against the words. Whoever compares the key's sha256 alone, as people do after
compiling a model themselves, would take proofs of any circuit for proofs of this one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak
from py_ecc.optimized_bn128 import G1, field_modulus, multiply, normalize

from zkdescent.core.errors import ProofRejected, ZkDescentError
from zkdescent.core.records import CircuitRecord, ProofRecord
from zkdescent.verifier import audit_run, onnx_proof
from zkdescent.verifier.onnx_proof import verify_onnx
from zkdescent.verifier.verifying_key import check_key, key_commitments

LOGROWS, FIXED, PERMUTATION, SELECTORS = 12, 3, 2, 4


def coordinates(first: int, count: int) -> list[int]:
    """x and y of ``count`` curve points."""
    points = [normalize(multiply(G1, first + i)) for i in range(count)]
    return [int(c.n) for point in points for c in point]


def key_bytes(first: int) -> bytes:
    """A verifying key in ezkl's layout over made-up commitments."""
    values = coordinates(first, FIXED + PERMUTATION)
    montgomery = (((v << 256) % field_modulus).to_bytes(32, "little") for v in values)
    header = bytes([3, LOGROWS, 1]) + FIXED.to_bytes(4, "little")
    return header + b"".join(montgomery) + bytes(SELECTORS * (1 << LOGROWS) // 8)


def words(first: int) -> tuple[bytes, ...]:
    """Verifier words over the same commitments, between others."""
    middle = (v.to_bytes(32, "big") for v in coordinates(first, FIXED + PERMUTATION))
    return (keccak(text="program"), *middle, keccak(text="more program"))


def onnx_circuit(key: bytes, vka: tuple[bytes, ...], **changes: Any) -> CircuitRecord:
    circuit = CircuitRecord(
        role="inference", backend="ezkl", vk_sha256=hashlib.sha256(key).digest(), vka=vka,
        vka_digest=keccak(b"".join(vka)), proof_length=32, public_values=3, features=2,
        outputs=1, fraction_bits=4, steps_per_proof=0, logrows=LOGROWS, opening=(0, 0, 0, 0),
        srs="unsafe-local",
    )  # fmt: skip
    return replace(circuit, **changes)


Write = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Publish an ONNX inference whose proof is valid for the words it comes with."""

    class Accepting:
        def verify(self, circuit: CircuitRecord, proof: ProofRecord) -> None:
            """The words decide, and the attacker chose them."""

    monkeypatch.setattr(onnx_proof, "EvmProofVerifier", Accepting)

    def write(circuit: CircuitRecord, key: bytes, **changes: Any) -> Path:
        settings = {
            "run_args": {"input_visibility": "Public", "output_visibility": "Public"},
            "model_instance_shapes": [[1, 2], [1, 1]],
            "model_output_scales": [4],
        }
        contents = {
            "model.onnx": b"model",
            "settings.json": json.dumps(settings).encode(),
            "vk.key": key,
        }
        proof = ProofRecord(
            role="inference", index=0, circuit=circuit.vk_sha256, context=0, proof=bytes(32),
            public_values=(160, 32, 8),
        )  # fmt: skip
        record: dict[str, Any] = {
            "format": onnx_proof.FORMAT,
            "circuit": circuit.to_json(),
            "proof": proof.to_json(),
            "outputs": [0.5],
            "scales": [4],
            "files": {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()},
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "inference.json").write_text(json.dumps({**record, **changes}))
        return tmp_path

    return write


def test_key_and_words_of_one_circuit_are_accepted(publish: Write) -> None:
    key, vka = key_bytes(10), words(10)
    checked = verify_onnx(publish(onnx_circuit(key, vka), key))
    assert checked.outputs == (0.5,)
    assert checked.vka_digest == keccak(b"".join(vka))
    assert len(key_commitments(key)) == 2 * (FIXED + PERMUTATION)


def test_another_circuits_words_beside_an_honest_key_are_rejected(publish: Write) -> None:
    key = key_bytes(10)
    with pytest.raises(ProofRejected, match="words are not those of the verifying key"):
        verify_onnx(publish(onnx_circuit(key, words(50)), key))


def test_words_with_one_other_commitment_are_rejected() -> None:
    key, vka = key_bytes(10), list(words(10))
    vka[2 * FIXED + 1] = keccak(text="another")
    with pytest.raises(ProofRejected, match="words are not those of the verifying key"):
        check_key(onnx_circuit(key, tuple(vka)), key)


@pytest.mark.parametrize("key", [b"", b"\x03", b"\x02" + key_bytes(10)[1:], key_bytes(10)[:-1]])
def test_bytes_that_are_no_key_are_rejected(key: bytes) -> None:
    with pytest.raises(ProofRejected, match="not a verifying key"):
        check_key(onnx_circuit(key, words(10)), key)


@pytest.mark.parametrize(
    ("circuit", "record"),
    [
        # The same proven value 8, said to be 8.0 or 2.0 instead of 0.5.
        ({}, {"scales": [0], "outputs": [8.0]}),
        ({}, {"scales": [2], "outputs": [2.0]}),
        # An input passed off as an output, or an output hidden among the inputs.
        ({"features": 1, "outputs": 2}, {"scales": [4, 4], "outputs": [2.0, 0.5]}),
        ({"features": 3, "outputs": 0}, {"scales": [], "outputs": []}),
        # Values of other types must be refused by name, not by a crash.
        ({}, {"scales": ["4"]}),
        ({}, {"scales": [10**9]}),
        ({}, {"outputs": None}),
        ({}, {"files": []}),
    ],
)
def test_a_record_cannot_reinterpret_the_proven_values(
    publish: Write, circuit: dict[str, Any], record: dict[str, Any]
) -> None:
    key = key_bytes(10)
    with pytest.raises(ZkDescentError):
        verify_onnx(publish(onnx_circuit(key, words(10), **circuit), key, **record))


def test_the_report_names_what_proofs_were_checked_against(synthetic: ModuleType) -> None:
    """Offline nothing can bind words to a key that isn't there: the report must tell them apart."""
    honest, hostile = synthetic.World(), synthetic.World()
    vka = (keccak(text="another circuit"),)
    swapped = replace(hostile.circuits.step, vka=vka, vka_digest=keccak(vka[0]))
    manifest = hostile.manifest(circuits=replace(hostile.circuits, step=swapped))
    before = audit_run(honest.manifest(), honest.load, synthetic.verify_synthetic)
    after = audit_run(manifest, hostile.load, synthetic.verify_synthetic)
    assert before.circuits[0].vk_sha256 == after.circuits[0].vk_sha256
    assert before.circuits[0].vka_digest != after.circuits[0].vka_digest
    assert [c.role for c in after.circuits] == ["step", "range", "inference"]


def test_a_manifest_cannot_claim_a_ceremony(synthetic: ModuleType) -> None:
    world = synthetic.World()
    circuits = replace(
        world.circuits,
        **{
            role: replace(getattr(world.circuits, role), srs="ceremony")
            for role in ("step", "range", "inference")
        },
    )
    report = audit_run(world.manifest(circuits=circuits), world.load, synthetic.verify_synthetic)
    assert report.unsafe_srs
