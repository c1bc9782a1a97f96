"""Traced torch steps against the fixed-point program, and operators that can't be proven.

Bounds are in units in the last place, 2**-fraction_bits. Per step, a linear model's state is
rounded once per rescale on the way to it (half a unit each) and its learning rate has a mantissa of
12 bits; the logistic table has 10 bits, so one entry is off by up to two of the state's 12-bit
units; a hidden layer carries both through one more product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, dequantize, quantize
from zkdescent.circuits.lowering import supported_operators
from zkdescent.circuits.program import Op, Program
from zkdescent.core.errors import ModelError

Trace = Callable[..., Any]
FIXED = FixedPoint()
ULP = 2.0**-FIXED.fraction_bits


def linear() -> nn.Module:
    return nn.Linear(3, 1)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))


def quantized(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """To the grid and back, so that only the steps themselves differ."""
    return dequantize(quantize(values, FIXED.fraction_bits, what="values"), FIXED.fraction_bits)


@pytest.mark.parametrize(
    ("make", "loss", "per_step"),
    [(linear, "mse", 2.0), (linear, "bce", 2.0), (mlp, "mse", 6.0), (mlp, "bce", 4.0)],
    ids=["linear-mse", "logistic", "mlp-mse", "mlp-bce"],
)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("rounded", ["least", "everywhere"])
def test_several_steps_follow_torch(
    traced: Trace,
    make: Callable[[], nn.Module],
    loss: str,
    per_step: float,
    optimizer: str,
    rounded: str,
) -> None:
    steps = 6
    model = traced(make(), loss=loss, optimizer=optimizer, learning_rate=0.05)
    rescaled = model.products() if rounded == "everywhere" else _least(model)
    state = quantized(model.genesis(1))
    data = quantized(model.data(2, steps, binary=loss == "bce"))
    proven = model.run_fixed(model.program(FIXED, rescaled, steps), FIXED, state, data)
    real = model.run_float(state, data)
    # A slot is a gradient: not multiplied by the small learning rate, and a sum over steps.
    parameters = model.layout.parameter_size
    assert np.abs(real - state)[:parameters].max() > 100 * ULP, "the steps must move the state"
    assert np.abs(proven - real)[:parameters].max() <= per_step * steps * ULP
    if optimizer == "momentum":
        assert np.abs(proven - real)[parameters:].max() <= 10 * per_step * steps * ULP


def _least(model: Any) -> frozenset[str]:
    """What the placement chooses when only roundings and comparisons cost."""
    from zkdescent.circuits.assemble import place_step_rescales

    def cost(program: Program) -> float:
        return 6 * program.count(Op.RESCALE) + 3 * program.count(Op.IS_POSITIVE)

    return place_step_rescales(model.graph, model.layout, model.batch, FIXED, cost)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    features=st.integers(1, 5),
    hidden=st.integers(0, 4),
    targets=st.integers(1, 3),
    batch=st.integers(1, 6),
    optimizer=st.sampled_from(["sgd", "momentum"]),
)
def test_one_step_of_any_shape_follows_torch(
    traced: Trace, features: int, hidden: int, targets: int, batch: int, optimizer: str
) -> None:
    module: nn.Module = nn.Linear(features, targets)
    if hidden:
        module = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, targets))
    model = traced(
        module, optimizer=optimizer, features=features, targets=targets, batch_size=batch
    )
    state = quantized(model.genesis(3))
    data = quantized(model.data(4, 1, binary=False))
    program = model.program(FIXED, model.products())
    assert program.nodes[program.output].shape == (model.layout.size,)
    proven = model.run_fixed(program, FIXED, state, data)
    error = np.abs(proven - model.run_float(state, data))
    assert error[: model.layout.parameter_size].max() <= 6 * ULP
    assert error.max() <= 60 * ULP


@pytest.mark.parametrize("make", [linear, mlp])
def test_the_inference_repeats_its_input_and_follows_torch(
    traced: Trace, make: Callable[[], nn.Module]
) -> None:
    model = traced(make())
    program = model.inference_program(FIXED)
    state, row = quantized(model.genesis(5)), quantized(np.array([0.25, -1.5, 2.0]))
    inputs = {
        "context": np.zeros(1, dtype=object),
        "state": quantize(state, FIXED.fraction_bits, what="state"),
        "x": quantize(row, FIXED.fraction_bits, what="row"),
    }
    output = dequantize(execute(program, inputs, FIXED), FIXED.fraction_bits)
    sizes, shapes = list(model.layout.sizes), model.layout.shapes
    parts = torch.split(torch.tensor(state), sizes)
    params = {n: p.reshape(s) for n, p, s in zip(model.layout.names, parts, shapes, strict=True)}
    real = torch.func.functional_call(model.module, params, torch.tensor(row)[None])
    assert output[:3].tolist() == row.tolist()
    assert np.abs(output[3:] - real.detach().numpy()[0]).max() <= 2 * ULP


def test_the_context_enters_no_constraint(traced: Trace) -> None:
    program = traced(linear()).program(FIXED)
    context = program.inputs["context"]
    assert list(program.inputs) == ["context", "state", "batch"]
    assert not any(context in node.inputs for node in program.nodes)


def test_a_relu_and_its_gradient_share_one_comparison(traced: Trace) -> None:
    program = traced(mlp(), batch_size=4).program(FIXED)
    assert program.count(Op.IS_POSITIVE) == 4 * 5


def test_they_share_it_when_the_result_is_rounded(traced: Trace) -> None:
    model = traced(mlp(), batch_size=4)
    relu = frozenset(n.name for n in model.graph.graph.nodes if "relu" in n.name)
    rounded, plain = model.program(FIXED, relu), model.program(FIXED)
    assert rounded.count(Op.RESCALE) > plain.count(Op.RESCALE)
    assert rounded.count(Op.IS_POSITIVE) == plain.count(Op.IS_POSITIVE)


def test_an_inference_of_a_relu_is_one_comparison(traced: Trace) -> None:
    assert traced(mlp()).inference_program(FIXED).count(Op.IS_POSITIVE) == 5


def test_a_step_differs_when_any_declared_number_does(traced: Trace) -> None:
    programs = [
        _rounded(traced(linear(), **change))
        for change in ({}, {"learning_rate": 0.11}, {"optimizer": "momentum"}, {"batch_size": 5})
    ]
    assert len({p.nodes for p in programs}) == len(programs)
    assert _rounded(traced(linear())) == programs[0]


def _rounded(model: Any) -> Program:
    return model.program(FIXED, model.products())  # type: ignore[no-any-return]


class Custom(nn.Module):
    """Linear, then a function of the output."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


@pytest.mark.parametrize(
    "function",
    [
        lambda y: 2 - 3 * y,
        lambda y: -(y / 4) + 0.5,
        lambda y: y**2,
        lambda y: (y * y).sum(dim=1, keepdim=True),
        torch.relu,
        torch.sigmoid,
        lambda y: y.unsqueeze(1).squeeze(1).clone(),
    ],
)
def test_the_accepted_twins(traced: Trace, function: Callable[[Tensor], Tensor]) -> None:
    model = traced(Custom(function), learning_rate=0.05)
    state = quantized(model.genesis(1))
    data = quantized(model.data(2, 2, binary=False))
    proven = model.run_fixed(model.program(FIXED, model.products(), 2), FIXED, state, data)
    assert np.abs(proven - model.run_float(state, data)).max() <= 12 * ULP


def test_a_user_loss_is_traced_like_a_declared_one(traced: Trace) -> None:
    def doubled(prediction: Tensor, target: Tensor) -> Tensor:
        return 2 * nn.functional.mse_loss(prediction, target)

    model = traced(linear(), loss=doubled, learning_rate=0.05)
    state, data = quantized(model.genesis(1)), quantized(model.data(2, 3, binary=False))
    proven = model.run_fixed(model.program(FIXED, model.products(), 3), FIXED, state, data)
    assert np.abs(proven - model.run_float(state, data)).max() <= 6 * ULP


def test_a_model_that_torch_cannot_trace() -> None:
    from zkdescent.circuits.trace import trace_inference

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.linear(x)
            return y if y.sum().item() > 0 else -y

    with pytest.raises(ModelError, match="could not trace the model") as caught:
        trace_inference(Branching(), features=3)
    assert "item" in (caught.value.hint or "")


def test_supported_operators_are_listed_for_people() -> None:
    names = supported_operators()
    assert "aten.mm.default" in names
    assert names == sorted(names)
