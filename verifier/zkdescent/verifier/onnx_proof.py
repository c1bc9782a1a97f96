"""Verify a third-party ONNX inference from the directory that `zkdescent onnx prove` wrote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core.errors import ArtefactError, ProofRejected
from zkdescent.core.records import CircuitRecord, ProofRecord, parse_json
from zkdescent.verifier.evm import EvmProofVerifier
from zkdescent.verifier.twins.fixed import from_field

RECORD = "inference.json"
FORMAT = "zkdescent.onnx/1"


@dataclass(frozen=True, slots=True)
class CheckedOnnxInference:
    """What was verified: the outputs in real numbers, read from the proof's public values."""

    outputs: tuple[float, ...]
    vk_sha256: bytes
    unsafe_srs: bool


def verify_onnx(directory: Path) -> CheckedOnnxInference:
    """Verify model, verifying key, public values and proof of a directory.

    1. The record is of the known format and lists model, settings and verifying key, unchanged.
    2. The circuit is that verifying key's.
    3. The stated outputs are the proof's public values.
    4. The proof verifies, by the hardened verifier's bytecode.

    That the key is the model's is what recompiling shows (`vk_sha256` is reproducible).

    Raises:
        ArtefactError: a file is missing or malformed.
        ProofRejected: a file, a value or the proof is not what the record says.
    """
    path = directory / RECORD
    try:
        raw = parse_json(path.read_bytes(), path=str(path))
    except OSError as error:
        raise ArtefactError(
            "there is no inference proof here", expected=RECORD, path=directory
        ) from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ArtefactError("unknown format of an inference proof", expected=FORMAT, path=path)
    circuit = CircuitRecord.from_json(raw.get("circuit"), path=str(path))
    proof = ProofRecord.from_json(raw.get("proof"), path=str(path))

    # 1. and 2. The files are the ones that were proven with.
    for name in ("model.onnx", "settings.json", "vk.key"):
        _check_file(directory / name, raw.get("files", {}).get(name))
    if raw["files"]["vk.key"] != circuit.vk_sha256.hex():
        raise ProofRejected("the circuit names another verifying key", path=str(path))

    # 3. What people read is what was proven.
    values = [from_field(v) for v in proof.public_values[circuit.features :]]
    scales, stated = raw.get("scales", []), raw.get("outputs", [])
    outputs = tuple(v / 2.0**scale for v, scale in zip(values, scales, strict=False))
    if len(scales) != len(values) or list(outputs) != stated:
        raise ProofRejected(
            "the stated outputs are not the proof's", expected=outputs, got=stated, path=str(path)
        )

    # 4.
    EvmProofVerifier().verify(circuit, proof)
    return CheckedOnnxInference(outputs, circuit.vk_sha256, circuit.srs != "ceremony")


def _check_file(path: Path, digest: str | None) -> None:
    try:
        got = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ArtefactError("a file of the proof is missing", path=path) from error
    if got != digest:
        raise ProofRejected("a file of the proof was changed", expected=digest, got=got, path=path)
