"""What can't be proven: refused by name, with the node, the line and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.lowering import supported_operators
from zkdescent.core.errors import ModelError, RangeOverflow, UnsupportedOperator

Make = Callable[..., Any]
Function = Callable[[Tensor], Tensor]
FIXED = FixedPoint()

_INFINITY = torch.tensor([0.0, float("-inf"), 0.0, 0.0])


def _assigned(y: Tensor) -> Tensor:
    out = torch.zeros_like(y)
    out[:, 1] = y[:, 0]
    return out


REFUSED: dict[str, tuple[Function, str, str]] = {
    "dropout": (lambda y: functional.dropout(y, 0.5), "bernoulli", "remove dropout"),
    "noise": (lambda y: y + torch.randn_like(y), "randn_like", "remove the noise"),
    "sine": (torch.sin, "aten.cos", "buffer"),
    "logarithm": (lambda y: torch.log(1 + y * y), "aten.log", "log_softmax"),
    "error-function": (torch.erf, "aten.erf", "GELU"),
    "largest-with-index": (lambda y: y.max(1, keepdim=True).values, "max.dim", "amax"),
    "largest-index": (lambda y: y * y.argmax(1, keepdim=True), "argmax", "one-hot"),
    "embedding": (lambda y: y.long().float() * y, "int64", "one-hot"),
    "group-norm": (lambda y: functional.group_norm(y, 2), "group_norm", "LayerNorm"),
    "power": (lambda y: y.abs() ** 0.3, "the power -0.7", "square roots"),
    "large-power": (lambda y: y**9, "power 9", "products"),
    "norm-of-order-3": (lambda y: y / y.norm(p=3), "norm of order 3", ""),
    "division-by-zero": (lambda y: y / 0.0, "division by zero", ""),
    "infinite-mask": (lambda y: torch.softmax(y + _INFINITY, 1), "NaN or infinity", "-30"),
    "infinite-number": (
        lambda y: torch.softmax(y.masked_fill(y < 0, float("-inf")), 1),
        "not a finite number",
        "-30",
    ),
    "vanishing-factor": (lambda y: y * 1e-9, "quantises to zero", "fraction_bits"),
    "vanishing-divisor": (lambda y: y / 1e9, "quantises to zero", "fraction_bits"),
    "vanishing-tensor": (
        lambda y: y * torch.tensor([1e-6, 2e-6, 1e-6, 0.0]),
        "constant tensor quantises to zero",
        "fraction_bits",
    ),
    "mask-as-index": (lambda y: y[y > 0].sum() + y, "depends on data", "torch.where"),
    "assignment": (_assigned, "new_empty_strided|as_strided", "torch.cat"),
    "repeated-index": (lambda y: y[:, [0, 0, 1, 2]], "several values to one place", "matrix"),
    "variance-of-one": (lambda y: y[:, :1].var(1, keepdim=True) * y, "so few elements", "unbiased"),
    "logsumexp-over-all": (lambda y: y - torch.logsumexp(y, (0, 1)), "several axes", "flatten"),
}


@pytest.mark.filterwarnings("ignore:var\\(\\).*degrees of freedom")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(differential: Make, name: str) -> None:
    function, message, remedy = REFUSED[name]
    with pytest.raises(UnsupportedOperator, match=message) as caught:
        differential(function)
    assert caught.value.exit_code == 2
    assert remedy in (caught.value.hint or "")
    assert caught.value.got is not None, "it must say where"


ACCEPTED: dict[str, Function] = {
    "dropout": lambda y: functional.dropout(y, 0.5, training=False),
    "power": lambda y: y.abs() ** 0.5 / 1024 + y,
    "large-power": lambda y: (y / 4) ** 8,
    "mask": lambda y: torch.softmax(y + torch.tensor([0.0, -30.0, 0.0, 0.0]), 1),
    "small-factor": lambda y: y * 1e-5,
    "small-tensor": lambda y: y * torch.tensor([1e-3, 2e-3, 1e-3, 0.0]),
    "index": lambda y: y[:, [0, 3, 1, 2]],
    "integers-known-beforehand": lambda y: y * torch.tensor([1, 2, 0, 1]).float(),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_accepted_twins(differential: Make, name: str) -> None:
    output, _ = differential(ACCEPTED[name]).errors(3, spread=0.5)
    assert output <= 8


def test_the_line_of_the_user_is_named(traced: Make) -> None:
    model = traced(nn.Sequential(nn.Linear(3, 1), Sine()))
    with pytest.raises(UnsupportedOperator, match=r"aten\.sin") as caught:
        model.inference_program(FIXED)
    assert caught.value.path is not None
    assert caught.value.path.startswith(__file__)


class Sine(nn.Module):
    """A layer with an operator that can't be proven."""

    def forward(self, y: Tensor) -> Tensor:
        return torch.sin(y)


def test_an_epsilon_that_vanishes_is_refused(differential: Make) -> None:
    layers = nn.Linear(4, 4), nn.LayerNorm(4, eps=1e-12)
    with pytest.raises(UnsupportedOperator, match="eps") as caught:
        differential(nn.Sequential(*layers))
    assert "raise eps" in (caught.value.hint or "")
    differential(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4, eps=1e-5)))


@pytest.mark.parametrize(
    ("loss", "message", "remedy"),
    [
        (
            lambda p, y: functional.binary_cross_entropy(torch.sigmoid(p), torch.sigmoid(y)),
            "binary_cross_entropy",
            "with_logits",
        ),
        (
            lambda p, y: functional.nll_loss(functional.log_softmax(p, 1), y.argmax(1)),
            "argmax",
            "one-hot",
        ),
        (
            lambda p, y: functional.cross_entropy(p, y[:, 0].long()),
            "int64",
            "one-hot",
        ),
    ],
    ids=["probabilities", "index-from-argmax", "index-from-column"],
)
def test_losses_of_indices_or_probabilities_are_refused(
    differential: Make, loss: Any, message: str, remedy: str
) -> None:
    with pytest.raises(UnsupportedOperator, match=message) as caught:
        differential(torch.clone, loss)
    assert remedy in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("bias", "message"), [(-3.0, "square root of a negative"), (0.0, "not positive")]
)
def test_a_root_or_quotient_outside_its_domain_is_an_overflow_when_it_happens(
    traced: Make, bias: float, message: str
) -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = torch.sqrt(self.linear(x))
            return result

    model = traced(Root(), features=1, batch_size=1)
    one = 1 << FIXED.fraction_bits
    inputs = {
        "context": np.array([0], dtype=object),
        "state": np.array([0, int(bias * one)], dtype=object),
        "batch": np.array([one, one], dtype=object),
    }
    with pytest.raises(RangeOverflow, match=message):
        execute(model.program(FIXED), inputs, FIXED)
    execute(model.program(FIXED), inputs | {"state": np.array([0, one], dtype=object)}, FIXED)


def test_no_refused_operator_is_listed_as_supported() -> None:
    names = " ".join(supported_operators())
    for refused in ("bernoulli", "aten.sin.", "embedding", "nll_loss", "batch_norm", "argmax"):
        assert refused not in names
    for supported in ("aten.mm.default", "aten._softmax.default", "native_layer_norm_backward"):
        assert supported in names


def test_running_statistics_are_refused_while_tracing(differential: Make) -> None:
    with pytest.raises(ModelError, match="could not trace") as caught:
        differential(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    assert "LayerNorm" in (caught.value.hint or "")
