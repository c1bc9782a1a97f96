"""Third-party ONNX: what is kept of a proof, and that a bad result leaves nothing.

The prover is replaced here; real proofs are made in tests/prover.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zkdescent.circuits.ezkl_backend import third_party, worker
from zkdescent.circuits.ezkl_backend.backend import felt
from zkdescent.circuits.ezkl_backend.third_party import prove_onnx
from zkdescent.core.errors import ProverError

BITS = 12


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The sum of three numbers, as an ONNX file, and an input with the sum 1.5."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(np.ones((3, 1), np.float32), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.save(made, tmp_path / "sum.onnx")
    (tmp_path / "input.json").write_text('{"input_data": [[0.5, -1.0, 2.0]]}')
    return tmp_path / "sum.onnx"


def answering(monkeypatch: pytest.MonkeyPatch, output: float) -> None:
    """A prover that proves this output."""

    def call(operation: str, **arguments: Any) -> dict[str, Any]:
        work = Path(arguments["directory"])
        if operation == "onnx_settings":
            (work / "settings.json").write_text("{}")
            return {"logrows": 9}
        values = [0.5, -1.0, 2.0, output]
        (work / "vk.key").write_bytes(b"key")
        (work / "vka").write_bytes((1).to_bytes(8, "little") + bytes(32))
        return {
            "proof": "00" * 64,
            "public_values": [felt(round(v * 2**BITS)) for v in values],
            "output_scales": [BITS],
            "output_sizes": [1],
            "logrows": 9,
            "prove_seconds": 0.0,
        }

    monkeypatch.setattr(worker, "call", call)
    monkeypatch.setattr(third_party, "unsafe_srs", lambda logrows: Path("srs"))


def test_a_directory_holds_what_verifying_needs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, 1.5)
    out = tmp_path / "deep" / "out"
    inference = prove_onnx(model, tmp_path / "input.json", out, fraction_bits=BITS)
    assert inference.outputs == (1.5,)
    assert inference.worst_error == 0
    assert (inference.circuit.features, inference.circuit.outputs) == (3, 1)
    names = ["inference.json", "model.onnx", "settings.json", "vk.key"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert (out / "model.onnx").read_bytes() == model.read_bytes()
    listed = json.loads((out / "inference.json").read_text())["files"]
    assert sorted(listed) == names[1:]


def test_an_empty_directory_is_taken(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, 1.5)
    (tmp_path / "out").mkdir()
    prove_onnx(model, tmp_path / "input.json", tmp_path / "out")
    assert (tmp_path / "out" / "inference.json").exists()


def test_an_output_out_of_tolerance_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, 1.5 + 2.0**-BITS)
    data, out = tmp_path / "input.json", tmp_path / "out"
    with pytest.raises(ProverError, match="by more than the tolerance") as caught:
        prove_onnx(model, data, out, tolerance=2.0**-13)
    assert caught.value.got == pytest.approx(2.0**-BITS)
    assert not out.exists()
    prove_onnx(model, data, out, tolerance=2.0**-11)


def test_another_number_of_outputs_is_an_error(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, 1.5)
    monkeypatch.setattr(third_party, "_reference", lambda model, feeds: np.zeros(2))
    with pytest.raises(ProverError, match="another number of outputs"):
        prove_onnx(model, tmp_path / "input.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()
