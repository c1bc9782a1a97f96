"""The picture and the ONNX file: made in memory, checked, reproducible."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from zkdescent.core.errors import ModelError, ToolMissing
from zkdescent.train.curves import plot_curves
from zkdescent.train.export import _check, export_onnx
from zkdescent.train.metrics import Evaluation, History, Metrics


def history(task: str, steps: int = 9, *, validation: bool = True) -> History:
    values = {"binary": {"accuracy": 0.9}, "regression": {"r2": 0.5, "rmse": 1.0}}.get(task, {})
    loss = {"binary": "bce", "regression": "mse"}.get(task, "loss.py:huber")
    evaluations = []
    for step in range(steps):
        metrics = Metrics(loss=1 / (1 + step), values=values)
        held_back = metrics if validation else None
        evaluations.append(Evaluation(step=step, train=metrics, validation=held_back))
    batch_losses = tuple(1.0 for _ in range(steps - 1))
    return History(task=task, loss=loss, evaluations=tuple(evaluations), batch_losses=batch_losses)


@pytest.mark.parametrize("task", ["binary", "regression", "custom"])
@pytest.mark.parametrize("validation", [True, False])
def test_curves_for_every_task(task: str, validation: bool) -> None:
    floats = history(task, validation=validation)
    proven = dataclasses.replace(floats, evaluations=floats.evaluations[::4], batch_losses=())
    alone, both = plot_curves(floats), plot_curves(floats, proven, title="side by side")
    assert alone != both
    assert both == plot_curves(floats, proven, title="side by side")
    pixels = matplotlib.image.imread(io.BytesIO(both), format="png")
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 1500
    assert 0.5 < pixels[..., :3].mean() < 1.0  # neither blank nor black


def test_curves_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ToolMissing):
        plot_curves(history("binary"))


MODELS = {
    "linear": (nn.Linear(3, 1), 3),
    "mlp": (nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), 3),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_export_computes_what_torch_computes(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    module, width = MODELS[name]
    rows = np.random.default_rng(0).normal(size=(4, width))
    data = export_onnx(module, rows)
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (got,) = session.run(["output"], {"input": rows[:1].astype(np.float32)})
    expected = module(torch.tensor(rows[:1], dtype=torch.float32)).detach().numpy()
    assert np.allclose(got, expected, atol=1e-6)


def test_export_is_reproducible_and_holds_no_paths() -> None:
    module, width = MODELS["mlp"]
    data = export_onnx(module, np.ones((1, width)))
    assert data == export_onnx(module, np.ones((1, width)))
    for trace in (b".py", b"forward", str(Path(__file__).parent).encode()):
        assert trace not in data
    proto = onnx.load_from_string(data)
    assert [o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")] == [18]
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in proto.graph.initializer)


class _Stubborn(nn.Module):
    """Depends on values, which a graph cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        return y if float(y.sum()) > 0 else -y


def test_export_refuses_control_flow_on_values() -> None:
    with pytest.raises(ModelError, match="cannot be exported"):
        export_onnx(_Stubborn(), np.ones((1, 2)))


def test_export_refuses_a_graph_that_disagrees_with_torch() -> None:
    module, rows = nn.Linear(2, 1), np.ones((2, 2))
    data, examples = export_onnx(module, rows), torch.tensor(rows, dtype=torch.float32)
    _check(data, module, examples, 1e-5)
    with torch.no_grad():
        module.bias.add_(1e-3)
    with pytest.raises(ModelError, match="something else than torch on row 1"):
        _check(data, module, examples, 1e-5)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_export_without_a_package(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ToolMissing):
        export_onnx(nn.Linear(2, 1), np.ones((1, 2)))
