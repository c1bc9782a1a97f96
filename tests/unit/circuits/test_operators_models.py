"""Layers and small architectures, rounded everywhere, against torch over two steps.

Every rounding adds half a unit of 2**-12; the learning rate of 1/8 carries an eighth of the
gradient's error into the state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zkdescent.circuits.fixed_point import FixedPoint, dequantize, quantize
from zkdescent.circuits.program import Op

Trace = Callable[..., Any]
FIXED = FixedPoint()
STEPS = 2


class Unrolled(nn.Module):
    """A recurrent cell over two time steps of two features each."""

    def __init__(self, cell: nn.Module, memory: bool = False) -> None:
        super().__init__()
        self.cell, self.memory = cell, memory
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 3)
        carried: Any = (state, state) if self.memory else state
        for step in x.view(len(x), 2, 2).unbind(1):
            carried = self.cell(step, carried)
        result: Tensor = self.head(carried[0] if self.memory else carried)
        return result


class Elman(nn.Module):
    """A recurrent layer by hand (Elman 1990), averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden, seen = x.new_zeros(len(x), 3), []
        for t in range(2):
            hidden = torch.tanh(self.inner(x[:, 2 * t : 2 * t + 2]) + self.outer(hidden))
            seen.append(hidden)
        result: Tensor = self.head(torch.stack(seen, 1).mean(1))
        return result


class Recurrent(nn.Module):
    """torch's own recurrent layer; its last state is read."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.RNN(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.layer(x.view(len(x), 2, 2))[0][:, -1])
        return result


class Attention(nn.Module):
    """One head of scaled dot-product attention over two tokens (Vaswani et al. 2017, eq. 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(2, 2) for _ in range(3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.view(len(x), 2, 2)
        scores = self.query(tokens) @ self.key(tokens).transpose(1, 2) / 2**0.5
        result: Tensor = self.head((torch.softmax(scores, -1) @ self.value(tokens)).flatten(1))
        return result


class OneHot(nn.Module):
    """An embedding as a product with one-hot rows; the rest of the columns pass by."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(3, 2))
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(torch.cat([x[:, :3] @ self.table, x[:, 3:]], 1))
        return result


def sequence(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*layers)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "two-hidden-layers": sequence(
        nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)
    ),
    "layer-norm": sequence(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)),
    "layer-norm-plain": sequence(
        nn.Linear(4, 4), nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 2)
    ),
    "root-mean-square-norm": sequence(nn.Linear(4, 4), nn.RMSNorm(4, eps=0.25), nn.Linear(4, 2)),
    "trained-slope": sequence(nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 2)),
    "dropout-of-nothing": sequence(nn.Linear(4, 4), nn.Dropout(0.0), nn.Linear(4, 2)),
    "autoencoder": sequence(
        nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 4), nn.Unflatten(1, (2, 2)), nn.Flatten()
    ),
    "recurrent-cell": lambda: Unrolled(nn.RNNCell(2, 3)),
    "recurrent-relu": lambda: Unrolled(nn.RNNCell(2, 3, nonlinearity="relu")),
    "gated": lambda: Unrolled(nn.GRUCell(2, 3)),
    "long-short-term-memory": lambda: Unrolled(nn.LSTMCell(2, 3), memory=True),
    "by-hand": Elman,
    "recurrent-layer": Recurrent,
    "attention": Attention,
    "one-hot": OneHot,
}


@pytest.mark.parametrize("name", MODELS)
def test_two_steps_follow_torch(traced: Trace, name: str) -> None:
    targets = 4 if name == "autoencoder" else 2
    torch.manual_seed(0)
    model = traced(MODELS[name](), features=4, targets=targets, learning_rate=0.125)
    program = model.program(FIXED, model.products(), STEPS)
    grid = FIXED.fraction_bits

    @settings(max_examples=4, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def holds(seed: int) -> None:
        state = dequantize(quantize(model.genesis(seed), grid, what="state"), grid)
        data = model.data(seed, STEPS, binary=False)
        data = dequantize(quantize(data, grid, what="data"), grid)
        proven = model.run_fixed(program, FIXED, state, data)
        error = np.abs(proven - model.run_float(state, data)).max() * 2**grid
        assert error <= BOUNDS.get(name, 5)

    holds()


BOUNDS = {"layer-norm": 12, "layer-norm-plain": 12}
"""Units after two steps; a row with little variance magnifies what it is divided by."""


def test_layer_norm_is_computed_once_for_both_passes(traced: Trace) -> None:
    layers = (nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    program = traced(nn.Sequential(*layers), features=4).program(FIXED)
    assert program.count(Op.SQRT) == program.count(Op.DIVIDE) == 4, "one for each row"


def test_cross_entropy_needs_no_logarithm_and_one_division_a_row(traced: Trace) -> None:
    model = traced(nn.Linear(4, 3), loss=nn.functional.cross_entropy, features=4, targets=3)
    program = model.program(FIXED)
    assert program.count(Op.DIVIDE) == 4
    assert program.count(Op.EXP) == 4 * 3
    # Two comparisons for the largest of three, one to keep the table's argument above its end.
    assert program.count(Op.IS_POSITIVE) == 4 * (2 + 3)


def test_a_logarithm_that_is_asked_for_costs_more(traced: Trace) -> None:
    layers = (nn.Linear(4, 3), nn.LogSoftmax(-1))
    model = traced(nn.Sequential(*layers), features=4, targets=3)
    assert model.program(FIXED).count(Op.DIVIDE) == 2 * 4
