"""Published trajectories of keras's own optimizer tests, where its definition is torch's.

The file is not shipped: ``ZKDESCENT_VECTORS`` names its folder, or it is found beside the
checkout. Its caveats: the SGD row is plain SGD (momentum 0); the LAMB row's trust ratio is about
1; the Adam row is of AMSGrad, which is Adam while squares grow, as they do there.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from zkdescent.train.optimizers import AdamW, Optimizer, make_optimizer

FOLDER = os.environ.get("ZKDESCENT_VECTORS") or Path(__file__).resolve().parents[4].joinpath(
    "shared", "vectors"
)
FILE = Path(FOLDER) / "keras_optimizer_goldens.json"
TOLERANCE = 5e-4  # keras's own

pytestmark = pytest.mark.realdata


def goldens(name: str) -> list[list[float]]:
    text = json.loads(FILE.read_text(encoding="utf-8"))
    rows: list[list[float]] = text["goldens"][f"{name}:test_correctness_with_golden"]["golden"]
    return rows


def trajectory(optimizer: Optimizer, rate: float, *, keras_epsilon: bool = False) -> Any:
    """x after each of five steps, as the file's procedure says."""
    params = {"x": torch.ones(10, dtype=torch.float64)}
    slots, seen = optimizer.init(params), []
    for step in range(1, 6):
        grad = torch.full((10,), 0.01) if step == 1 else torch.arange(1, 11) / 10
        current = optimizer
        if keras_epsilon and isinstance(optimizer, AdamW):
            # Keras adds epsilon to the uncorrected root (Kingma and Ba's epsilon hat).
            hat = optimizer.epsilon / (1 - optimizer.beta2**step) ** 0.5
            current = replace(optimizer, epsilon=hat)
        params, slots = current.update(params, {"x": grad.double()}, slots, rate)
        seen.append(params["x"])
    return torch.stack(seen)


CASES: dict[str, tuple[Optimizer, float]] = {
    "sgd": (make_optimizer("sgd"), 0.01),
    "adagrad": (make_optimizer("adagrad", initial_accumulator=0.3, epsilon=1e-6), 0.2),
    "adam": (make_optimizer("adam", epsilon=1e-7), 0.001),
    "adamw": (make_optimizer("adamw", weight_decay=0.5, epsilon=2.0), 1.0),
    "lamb": (make_optimizer("lamb"), 0.001),
    "lion": (make_optimizer("lion"), 0.001),
}


@pytest.mark.parametrize("name", CASES)
def test_five_steps_are_the_published_ones(name: str) -> None:
    optimizer, rate = CASES[name]
    got = trajectory(optimizer, rate, keras_epsilon=name == "adamw")
    expected = torch.tensor(goldens(name), dtype=torch.float64)
    assert torch.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_another_epsilon_is_not_the_published_one() -> None:
    optimizer, rate = CASES["adamw"]
    expected = torch.tensor(goldens("adamw"), dtype=torch.float64)
    assert not torch.allclose(trajectory(optimizer, rate), expected, rtol=TOLERANCE, atol=TOLERANCE)
