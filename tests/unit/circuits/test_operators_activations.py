"""Activations and normalisations against torch, forward and backward, in units of 2**-12.

What bounds them: a table's entry is off by half of 2**-10, two units, and its argument by as much
times the slope; what multiplies a table's result multiplies its error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import honest_hints
from zkdescent.circuits.fixed_point import FixedPoint, quantize
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.program import Builder, Op
from zkdescent.circuits.symbolic import Arithmetic, Symbolic
from zkdescent.circuits.trace import trace_inference

Make = Callable[..., Any]
Function = Callable[[Tensor], Tensor]
FIXED = FixedPoint()


CASES: dict[str, tuple[Function, float, float]] = {
    "relu": (torch.relu, 1, 2),
    "relu-in-place": (lambda y: functional.relu(y, inplace=True), 1, 2),
    "leaky-relu": (lambda y: functional.leaky_relu(y, 0.1), 1, 3),
    "relu6": (functional.relu6, 1, 2),
    "hardtanh": (functional.hardtanh, 1, 2),
    "elu": (lambda y: functional.elu(y, 0.5), 3, 8),
    "sigmoid": (torch.sigmoid, 4, 7),
    "tanh": (torch.tanh, 6, 15),
    "exp-of-negative": (lambda y: torch.exp(-y.abs()), 5, 14),
    "softplus": (functional.softplus, 4, 8),
    "softplus-beta": (lambda y: functional.softplus(y, beta=2.0), 3, 8),
    "logsigmoid": (functional.logsigmoid, 4, 8),
    "silu": (functional.silu, 18, 20),
    "gelu-tanh": (lambda y: functional.gelu(y, approximate="tanh"), 10, 50),
    "gelu-exact": (functional.gelu, 10, 50),
    "softmax": (lambda y: torch.softmax(y, -1), 2, 2),
    "softmax-rows": (lambda y: torch.softmax(y, 0), 1, 2),
    "log-softmax": (lambda y: torch.log_softmax(y, -1), 3, 4),
    "logsumexp": (lambda y: y - torch.logsumexp(y, 1, keepdim=True), 3, 12),
    "softsign": (functional.softsign, 1, 4),
}


@pytest.mark.parametrize("name", CASES)
def test_follows_torch(differential: Make, name: str) -> None:
    function, forward, backward = CASES[name]
    case = differential(function)

    @settings(max_examples=8, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.25, 1.0, 2.0]))
    def holds(seed: int, spread: float) -> None:
        output, gradient = case.errors(seed, spread=spread)
        assert output <= forward
        assert gradient <= backward

    holds()


# Worst errors over [-8, 8] that docs/operators.md states, in units of 2**-12, the final rounding of
# half a unit included: forward, derivative.
STATED: dict[str, tuple[Function, float, float]] = {
    "sigmoid": (torch.sigmoid, 3, 2.5),
    "tanh": (torch.tanh, 4.5, 5),
    "softplus": (functional.softplus, 3, 3),
    "silu": (functional.silu, 16, 14),
    "gelu, tanh form": (lambda y: functional.gelu(y, approximate="tanh"), 7, 24),
    "gelu, exact form": (functional.gelu, 8.5, 26),
    "elu": (functional.elu, 4, 5),
}


class Pointwise(torch.nn.Module):
    """A function, or its derivative, of every column."""

    def __init__(self, function: Function, derivative: bool) -> None:
        super().__init__()
        self.function, self.derivative = function, derivative

    def forward(self, x: Tensor) -> Tensor:
        if not self.derivative:
            return self.function(x)
        slope: Tensor = torch.func.grad(lambda y: self.function(y).sum())(x)
        return slope


@pytest.mark.parametrize("derivative", [False, True], ids=["value", "derivative"])
@pytest.mark.parametrize("name", STATED)
def test_the_stated_worst_error_is_the_worst(name: str, derivative: bool) -> None:
    function, *stated = STATED[name]
    module = Pointwise(function, derivative)
    points = np.arange(-8 * 4096, 8 * 4096 + 1, 3)
    builder = Builder()
    x = builder.reshape(builder.input("x", points.size), (1, points.size))
    graph = trace_inference(module, features=points.size)
    (y,) = Lowering(builder, FIXED).run(graph, [Symbolic(x, 12)])
    program = builder.finish(builder.reshape(y.node, (points.size,)))
    got = execute(program, {"x": points.astype(object)}, FIXED).astype(float)
    real = module(torch.tensor(points / 4096)).detach().numpy() * 4096
    worst = np.abs(got - real).max()
    assert worst <= stated[derivative]
    assert worst > stated[derivative] / 1.5, "the page claims more than it has to"


def test_the_page_states_these_errors() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operators.md").read_text()
    for name, (_, forward, backward) in STATED.items():
        assert f"| {name} | {forward:g} | {backward:g} |" in page


@pytest.mark.parametrize("function", [torch.sigmoid, torch.tanh])
def test_arguments_beyond_the_table_are_clamped_to_its_very_end(
    function: Callable[[Tensor], Tensor],
) -> None:
    """The smallest circuit that holds the table takes them; one unit more and it would not."""
    fixed = FixedPoint()
    builder = Builder()
    x = Symbolic(builder.input("x", 4), fixed.fraction_bits)
    op = Op.SIGMOID if function is torch.sigmoid else Op.TANH
    y = Arithmetic(builder, fixed).table(op, x)
    program = builder.finish(y.node)
    values = evaluate(
        program, {"x": quantize(np.array([-9.0, -8.0, 8.0, 9.0]), 12, what="x")}, fixed
    )
    (table,) = (n for n in program.nodes if n.op is op)
    end = fixed.table_limit
    assert list(values[table.inputs[0]]) == [-end, -end, end, end]
    honest_hints(program, values, Digits(fixed.table_bits + 4))
