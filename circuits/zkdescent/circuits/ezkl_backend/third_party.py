"""Proof of inference for any ONNX file that ezkl supports: public input and output, fixed weights.

The same rules hold as for the project's own circuits: safe settings, a lint before compiling, a
verification right after proving, and the hardened verifier for whoever checks the proof.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from eth_utils.crypto import keccak

from zkdescent.circuits.ezkl_backend import worker
from zkdescent.circuits.ezkl_backend.backend import vka_words
from zkdescent.circuits.ezkl_backend.srs import unsafe_srs
from zkdescent.circuits.onnx_lint import lint_onnx
from zkdescent.core.errors import ConfigError, DataError, ModelError, ProverError
from zkdescent.core.records import (
    FIELD_MODULUS,
    CircuitRecord,
    ProofRecord,
    canonical_json,
    shallow_json,
)

RECORD = "inference.json"


@dataclass(frozen=True, slots=True)
class OnnxInference:
    """A proven inference: circuit, proof, outputs as proven and as onnxruntime computes them."""

    circuit: CircuitRecord
    proof: ProofRecord
    outputs: tuple[float, ...]
    scales: tuple[int, ...]
    reference: tuple[float, ...]
    worst_error: float
    seconds: float


def prove_onnx(
    model: Path, input_file: Path, out: Path, *, fraction_bits: int = 12, tolerance: float = 0.02
) -> OnnxInference:
    """Prove one inference and write it to a directory.

    Args:
        model: an ONNX file.
        input_file: ``{"input_data": [[...], ...]}``, a flat list of numbers per graph input.
        out: directory for model, settings, verifying key and `inference.json`; made whole or not
            at all.
        tolerance: largest absolute difference to onnxruntime's output that is accepted.

    Raises:
        ModelError, DataError: the files can't be used.
        UnsupportedOperator: the lint refuses an operator.
        ProverError: ezkl failed, or the proven output is out of tolerance.
    """
    graph = _load(model)
    lint_onnx(graph, fraction_bits)
    feeds = _feeds(graph, input_file)
    expected = _reference(model, feeds)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            "the output is not an empty directory", path=out, hint="name a new directory with --out"
        )
    with tempfile.TemporaryDirectory(prefix="zkdescent-") as scratch:
        work = Path(scratch)
        flat = [np.asarray(v, dtype=float).reshape(-1).tolist() for v in feeds.values()]
        (work / "input.json").write_text(json.dumps({"input_data": flat}))
        shutil.copyfile(model, work / "model.onnx")
        logrows = worker.call("onnx_settings", directory=scratch, fraction_bits=fraction_bits)
        srs = unsafe_srs(int(logrows["logrows"]))
        answer = worker.call("onnx_prove", directory=scratch, srs=str(srs))
        inference = _inference(work, answer, expected, fraction_bits)
        if inference.worst_error > tolerance:
            raise ProverError(
                "the proven output differs from onnxruntime's by more than the tolerance",
                expected=f"at most {tolerance}",
                got=inference.worst_error,
                hint="raise --fraction-bits, or --tolerance if the difference does not matter",
            )
        kept = work / "kept"
        kept.mkdir()
        for name in ("model.onnx", "settings.json", "vk.key"):
            shutil.copyfile(work / name, kept / name)
        (kept / RECORD).write_bytes(canonical_json(_to_json(inference, kept)))
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        shutil.move(kept, out)
    return inference


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise ModelError("there is no such ONNX file", path=path) from error
    except Exception as error:
        raise ModelError("the file is not a valid ONNX model", got=str(error), path=path) from error
    return model


def _feeds(model: onnx.ModelProto, path: Path) -> dict[str, np.ndarray]:
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    try:
        rows = json.loads(shallow_json(path.read_bytes()))["input_data"]
    except FileNotFoundError as error:
        raise DataError("there is no such input file", path=path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the input file has another form",
            expected='{"input_data": [[numbers of the first input], ...]}',
            path=path,
        ) from error
    if not isinstance(rows, list) or len(rows) != len(inputs):
        got = len(rows) if isinstance(rows, list) else type(rows).__name__
        raise DataError("wrong number of inputs", expected=len(inputs), got=got, path=path)
    feeds = {}
    for values, spec in zip(rows, inputs, strict=True):
        shape = [d.dim_value or 1 for d in spec.type.tensor_type.shape.dim]
        try:
            array = np.asarray(values, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"the values of input {spec.name!r} are not a flat list of numbers",
                got=str(error),
                path=path,
            ) from error
        if array.size != int(np.prod(shape)) or not np.isfinite(array).all():
            raise DataError(
                f"the values of input {spec.name!r} don't fit",
                expected=f"{int(np.prod(shape))} finite numbers",
                got=array.size,
                path=path,
            )
        dtype = onnx.helper.tensor_dtype_to_np_dtype(spec.type.tensor_type.elem_type)
        feeds[spec.name] = array.reshape(shape).astype(dtype)
    return feeds


def _reference(model: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.concatenate([np.asarray(o, float).reshape(-1) for o in session.run(None, feeds)])


def _inference(
    work: Path, answer: dict[str, Any], expected: np.ndarray, fraction_bits: int
) -> OnnxInference:
    values = tuple(int.from_bytes(bytes.fromhex(v), "little") for v in answer["public_values"])
    signed = [v - FIELD_MODULUS if v > FIELD_MODULUS // 2 else v for v in values]
    pairs = zip(answer["output_sizes"], answer["output_scales"], strict=True)
    scales = [scale for size, scale in pairs for _ in range(size)]
    # Public values are inputs, then outputs.
    tail = signed[len(signed) - len(scales) :]
    outputs = np.array([v / 2.0**scale for v, scale in zip(tail, scales, strict=True)])
    if outputs.shape != expected.shape:
        raise ProverError(
            "the circuit has another number of outputs", expected=expected.size, got=outputs.size
        )
    vk, words = (work / "vk.key").read_bytes(), vka_words((work / "vka").read_bytes())
    circuit = CircuitRecord(
        role="inference",
        backend="ezkl",
        vk_sha256=hashlib.sha256(vk).digest(),
        vka=words,
        vka_digest=keccak(b"".join(words)),
        proof_length=len(bytes.fromhex(answer["proof"])),
        public_values=len(values),
        features=len(values) - outputs.size,
        outputs=int(outputs.size),
        fraction_bits=fraction_bits,
        steps_per_proof=0,
        logrows=int(answer["logrows"]),
        opening=(0, 0, 0, 0),
        srs="unsafe-local",
    )
    proof = ProofRecord(
        role="inference",
        index=0,
        circuit=circuit.vk_sha256,
        context=0,
        proof=bytes.fromhex(answer["proof"]),
        public_values=values,
    )
    return OnnxInference(
        circuit=circuit,
        proof=proof,
        outputs=tuple(float(v) for v in outputs),
        scales=tuple(scales),
        reference=tuple(float(v) for v in expected),
        worst_error=float(np.abs(outputs - expected).max()),
        seconds=float(answer["prove_seconds"]),
    )


def _to_json(inference: OnnxInference, directory: Path) -> dict[str, Any]:
    return {
        "format": "zkdescent.onnx/1",
        "circuit": inference.circuit.to_json(),
        "proof": inference.proof.to_json(),
        "outputs": list(inference.outputs),
        "scales": list(inference.scales),
        "onnxruntime": list(inference.reference),
        "worst_error": inference.worst_error,
        "files": {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir())
        },
    }
