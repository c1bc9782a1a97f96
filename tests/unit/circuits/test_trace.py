"""Tracing: what the graph is, and what can't be traced."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zkdescent.circuits.trace import StateLayout, trace_inference, trace_step
from zkdescent.core.errors import ModelError


class Layer(nn.Module):
    """A linear layer and a function of its output."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.function(self.linear(x))
        return result


def step(module: nn.Module, loss: Any = nn.functional.mse_loss) -> Any:
    def update(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
        return [p - 0.5 * g for p, g in zip(params, gradients, strict=True)], slots

    return trace_step(module, loss, update, [], batch_size=4, features=3, targets=2)


def test_the_graph_is_the_step() -> None:
    module = nn.Linear(3, 2)
    graph = step(module)
    x, y = torch.randn(4, 3), torch.randn(4, 2)
    params = [p.detach() for p in module.parameters()]
    moved = graph(params, [], x, y)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    loss = nn.functional.mse_loss(module(x), y)
    for parameter, gradient in zip(
        module.parameters(), torch.autograd.grad(loss, list(module.parameters())), strict=True
    ):
        parameter.grad = gradient
    optimizer.step()
    for after, parameter in zip(moved, module.parameters(), strict=True):
        torch.testing.assert_close(after, parameter.detach())


@pytest.mark.parametrize(
    "function",
    [lambda y: y.add_(1).mul_(2), lambda y: torch.relu_(y), lambda y: y.clone().zero_() + y],
    ids=["sums", "relu", "zero"],
)
def test_nothing_is_changed_in_place(function: Any) -> None:
    targets = [str(node.target) for node in step(Layer(function)).graph.nodes]
    assert not [t for t in targets if t.split(".")[1:2] and t.split(".")[1].endswith("_")]


@pytest.mark.parametrize(
    "function",
    [
        lambda y: y if y.sum() > 0 else -y,
        lambda y: y * float(y.sum()),
    ],
    ids=["branch", "item"],
)
def test_what_depends_on_data_is_refused(function: Any) -> None:
    with pytest.raises(ModelError, match="could not trace") as caught:
        step(Layer(function))
    assert "data-dependent" in (caught.value.hint or "")
    assert caught.value.path is not None
    assert caught.value.path.startswith(__file__)


def test_a_branch_on_shapes_is_no_branch_on_data() -> None:
    step(Layer(lambda y: y if len(y) > 2 else -y))


def test_an_embedding_of_a_column_is_refused_with_the_one_hot_form() -> None:
    class Indexed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.embedding(x[:, 0])
            return result

    with pytest.raises(ModelError, match="could not trace") as caught:
        step(Indexed())
    assert "one_hot @ embedding.weight" in (caught.value.hint or "")


def test_an_inference_has_one_row_and_no_targets() -> None:
    graph = trace_inference(nn.Linear(3, 2), features=3)
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    assert [tuple(n.meta["val"].shape) for n in placeholders] == [(2, 3), (2,), (1, 3)]


def test_sizes_of_a_layout() -> None:
    layout = StateLayout.uniform(("w", "b", "velocity.w"), ((2, 3), (), (2, 3)), 2, 12)
    assert layout.sizes == (6, 1, 6)
    assert (layout.size, layout.parameter_size) == (13, 7)
    assert layout.scales == (12, 12, 12)
