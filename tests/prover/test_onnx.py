"""Proof of inference for ONNX files that torch exports, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from zkdescent.train.export import export_onnx

pytestmark = pytest.mark.prover
Cli = Callable[..., Any]
TOLERANCE = 0.02


def linear() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Linear(4, 2), (1, 4)


def convolution() -> tuple[nn.Module, tuple[int, ...]]:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    return net, (1, 1, 4, 4)


def softmax() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1)), (1, 4)


MODELS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "linear": linear,
    "convolution": convolution,
    "softmax": softmax,
}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a model and an input to a directory, once per model."""
    made: dict[str, Path] = {}

    def export(name: str) -> Path:
        if name not in made:
            torch.manual_seed(0)
            module, shape = MODELS[name]()
            row = np.random.default_rng(1).normal(size=shape)
            made[name] = tmp_path_factory.mktemp(name)
            (made[name] / "model.onnx").write_bytes(export_onnx(module, row))
            values = {"input_data": [row.reshape(-1).tolist()]}
            (made[name] / "input.json").write_text(json.dumps(values))
        return made[name]

    return export


def prove(cli: Cli, directory: Path, out: Path) -> Any:
    model, data = directory / "model.onnx", directory / "input.json"
    return cli("onnx", "prove", model, "--input", data, "--out", out, "--json")


@pytest.mark.parametrize(
    "name", ["linear", "softmax", pytest.param("convolution", marks=pytest.mark.slow)]
)
def test_the_proven_output_is_the_runtimes(
    cli: Cli, exported: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    directory, out = exported(name), tmp_path / "out"
    answer = prove(cli, directory, out)
    assert answer.code == 0, answer.out + answer.err
    (values,) = json.loads((directory / "input.json").read_text())["input_data"]
    session = onnxruntime.InferenceSession(str(directory / "model.onnx"))
    shape = session.get_inputs()[0].shape
    (expected,) = session.run(None, {"input": np.array(values, np.float32).reshape(shape)})
    assert np.abs(np.array(answer.json["outputs"]) - expected.reshape(-1)).max() <= TOLERANCE
    checked = cli("onnx", "verify", out, "--json")
    assert checked.code == 0, checked.out
    assert checked.json["outputs"] == answer.json["outputs"]
    assert checked.json["verified"] is True
    assert answer.json["logrows"] < 15, "small graphs get small circuits"
    if name == "linear":
        _tampered(cli, out, tmp_path)


def _tampered(cli: Cli, out: Path, tmp_path: Path) -> None:
    """Whatever is changed in the directory is rejected."""
    record = json.loads((out / "inference.json").read_text())

    def changed(what: str, edit: Callable[[dict[str, Any], Path], None]) -> Any:
        copy = tmp_path / what.replace(" ", "-")
        shutil.copytree(out, copy)
        altered = json.loads(json.dumps(record))
        edit(altered, copy)
        (copy / "inference.json").write_text(json.dumps(altered))
        return cli("onnx", "verify", copy, "--json")

    def proof(altered: dict[str, Any], _: Path) -> None:
        text = altered["proof"]["proof"]
        altered["proof"]["proof"] = text[:-1] + ("0" if text[-1] != "0" else "1")

    def output(altered: dict[str, Any], _: Path) -> None:
        values = altered["proof"]["public_values"]
        values[-1] = (int(values[-1]) + 4096) if isinstance(values[-1], int) else values[-1]
        altered["outputs"][-1] += 4096 / 2 ** altered["scales"][-1]

    def given(altered: dict[str, Any], _: Path) -> None:
        altered["proof"]["public_values"][0] += 1

    def stated(altered: dict[str, Any], _: Path) -> None:
        altered["outputs"][0] += 0.5

    def model(_: dict[str, Any], copy: Path) -> None:
        data = bytearray((copy / "model.onnx").read_bytes())
        data[-1] ^= 1
        (copy / "model.onnx").write_bytes(data)

    def scale(altered: dict[str, Any], _: Path) -> None:
        altered["scales"] = [s - 1 for s in altered["scales"]]
        altered["outputs"] = [2 * v for v in altered["outputs"]]

    for what, edit in {
        "a proof byte": proof,
        "an output": output,
        "an input": given,
        "a stated output": stated,
        "the model file": model,
        "the scales": scale,
    }.items():
        answer = changed(what, edit)
        assert answer.code == 3, f"{what}: {answer.out}"
        assert answer.json["error"] == "ProofRejected"


def test_nothing_there_to_verify(cli: Cli, tmp_path: Path) -> None:
    answer = cli("onnx", "verify", tmp_path, "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError")
