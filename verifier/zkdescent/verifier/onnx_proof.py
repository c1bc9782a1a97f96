"""Verify a third-party ONNX inference from the directory that `zkdescent onnx prove` wrote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from zkdescent.core.errors import ArtefactError, ProofRejected
from zkdescent.core.records import CircuitRecord, ProofRecord, parse_json
from zkdescent.verifier.evm import EvmProofVerifier
from zkdescent.verifier.twins.fixed import from_field
from zkdescent.verifier.verifying_key import check_key

RECORD = "inference.json"
FORMAT = "zkdescent.onnx/1"


@dataclass(frozen=True, slots=True)
class CheckedOnnxInference:
    """What was verified: the outputs in real numbers, read from the proof's public values.

    ``vka_digest`` names what the proof was checked against; ``vk_sha256`` the key that it was
    found to be made from. Who recompiles the model compares both. ``unsafe_srs`` is always true:
    this release knows no ceremony's string, and a record's own word is no evidence.
    """

    outputs: tuple[float, ...]
    vk_sha256: bytes
    vka_digest: bytes
    unsafe_srs: bool


def verify_onnx(directory: Path) -> CheckedOnnxInference:
    """Verify model, verifying key, public values and proof of a directory.

    1. The record is of the known format and lists model, settings and verifying key, unchanged.
    2. The circuit is that verifying key's: sha256, and the commitments in the verifier's words.
    3. The stated outputs are the proof's public values, in the shapes and scales of the settings.
    4. The proof verifies, by the hardened verifier's bytecode.

    That key and settings are the model's is what recompiling shows: compare `vk_sha256`,
    `vka_digest` and settings.json, which are reproducible under the same reference string.

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
    files = raw.get("files")
    if not isinstance(files, dict):
        raise ArtefactError("the record lists no files", expected="files", path=path)
    for name in ("model.onnx", "settings.json", "vk.key"):
        _check_file(directory / name, files.get(name))
    check_key(circuit, (directory / "vk.key").read_bytes(), path=str(path))

    # 3. What people read is what was proven. How many values are outputs, and their scales, are
    #    facts of the circuit: taken from its settings, not from the record that is being checked.
    scales = _output_scales(directory / "settings.json", circuit.public_values)
    if circuit.outputs != len(scales):
        raise ProofRejected(
            "the circuit has another number of outputs",
            expected=len(scales),
            got=circuit.outputs,
            path=str(path),
        )
    values = [from_field(v) for v in proof.public_values[circuit.features :]]
    outputs = tuple(v / 2.0**scale for v, scale in zip(values, scales, strict=False))
    stated = raw.get("outputs")
    if len(values) != len(scales) or list(outputs) != stated or raw.get("scales") != scales:
        raise ProofRejected(
            "the stated outputs are not the proof's", expected=outputs, got=stated, path=str(path)
        )

    # 4.
    EvmProofVerifier().verify(circuit, proof)
    return CheckedOnnxInference(outputs, circuit.vk_sha256, circuit.vka_digest, unsafe_srs=True)


def _output_scales(path: Path, public_values: int) -> list[int]:
    """Scale (fraction bits) of each output element, from ezkl's settings.

    Raises:
        ArtefactError: the settings are of another form.
        ProofRejected: they do not describe this number of public values.
    """
    settings: Any = parse_json(path.read_bytes(), path=str(path))
    try:
        arguments = settings["run_args"]
        visible = [str(arguments[f"{part}_visibility"]).lower() for part in ("input", "output")]
        sizes = [prod(int(n) for n in shape) for shape in settings["model_instance_shapes"]]
        per_tensor = [int(scale) for scale in settings["model_output_scales"]]
        known = visible == ["public", "public"] and all(0 <= s < 128 for s in per_tensor)
        if not known or not 0 < len(per_tensor) < len(sizes) or min(sizes) < 1:
            raise ValueError("inputs and outputs must be public, with scales from 0 to 127")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError("unknown form of settings", got=str(error), path=path) from error
    if sum(sizes) != public_values:
        raise ProofRejected(
            "the settings are for another number of public values",
            expected=sum(sizes),
            got=public_values,
            path=str(path),
        )
    outputs = sizes[-len(per_tensor) :]
    pairs = zip(outputs, per_tensor, strict=True)
    return [scale for size, scale in pairs for _ in range(size)]


def _check_file(path: Path, digest: object) -> None:
    try:
        got = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ArtefactError("a file of the proof is missing", path=path) from error
    if got != digest:
        raise ProofRejected("a file of the proof was changed", expected=digest, got=got, path=path)
