"""From a torch module, a loss and an optimizer to graphs of ATen operators, automatically.

Nobody writes a backward pass: `torch.func.grad` of the functional loss is traced by `make_fx`,
together with the optimizer's update, into one graph of one update step. The inference graph is
traced from the same module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from zkdescent.circuits.user_code import raising_line
from zkdescent.core.errors import ModelError

Loss = Callable[[Tensor, Tensor], Tensor]
Shape = tuple[int, ...]

# update(params, gradients, slots) -> (new params, new slots): one optimizer step, pure torch.
Update = Callable[[list[Tensor], list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]


@dataclass(frozen=True, slots=True)
class StateLayout:
    """How parameters, then optimizer slots, lie in the flat state.

    Attributes:
        names: parameter names as torch gives them, then slot names.
        shapes: their shapes, in the same order.
        parameters: how many of them are parameters.
        scales: fraction bits of each tensor.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    parameters: int
    scales: tuple[int, ...]

    @classmethod
    def uniform(
        cls, names: tuple[str, ...], shapes: tuple[Shape, ...], parameters: int, fraction_bits: int
    ) -> StateLayout:
        """A state whose tensors all have the same fraction bits."""
        return cls(names, shapes, parameters, (fraction_bits,) * len(names))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each tensor."""
        return tuple(int(torch.Size(shape).numel()) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Elements of the whole state."""
        return sum(self.sizes)

    @property
    def parameter_size(self) -> int:
        """Elements that are parameters; they stand first."""
        return sum(self.sizes[: self.parameters])


class _TraceableLosses(TorchFunctionMode):
    """Replaces losses that torch computes by unprovable detours with the same function.

    `binary_cross_entropy_with_logits` guards its exponentials by hand; log(1 + exp z) - z y is
    equal, and its gradient is one sigmoid.
    """

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        given = {name: v for name, v in (keywords or {}).items() if v is not None}
        if function is functional.binary_cross_entropy_with_logits:
            named = dict(zip(("input", "target"), arguments, strict=False)) | given
            reduction = named.pop("reduction", "mean")
            if set(named) == {"input", "target"}:  # no class or example weights
                loss = functional.softplus(named["input"]) - named["input"] * named["target"]
                return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()
        return function(*arguments, **(keywords or {}))


def trace_step(
    module: torch.nn.Module,
    loss: Loss,
    update: Update,
    slots: list[Tensor],
    *,
    batch_size: int,
    features: int,
    targets: int,
) -> fx.GraphModule:
    """Trace one update step on one mini-batch.

    Args:
        module: the user's model; it maps (batch, features) to (batch, targets).
        loss: maps (prediction, target) to a scalar.
        update: the optimizer's step; `slots` are its initial state tensors.

    Returns:
        A graph with placeholders params..., slots..., x (batch, features), y (batch, targets), and
        outputs new params..., new slots... .

    Raises:
        ModelError: torch can't trace or differentiate the model; the cause is chained.
    """
    names = [name for name, _ in module.named_parameters()]
    params = [p.detach().clone() for _, p in module.named_parameters()]

    def step(params: list[Tensor], slots: list[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
        def objective(params: list[Tensor]) -> Tensor:
            prediction = torch.func.functional_call(
                module, dict(zip(names, params, strict=True)), x
            )
            with _TraceableLosses():
                return loss(prediction, y)

        gradients = torch.func.grad(objective)(params)
        new_params, new_slots = update(params, gradients, slots)
        return [*new_params, *new_slots]

    x = torch.zeros(batch_size, features)
    y = torch.zeros(batch_size, targets)
    return _trace(step, params, slots, x, y, what="the update step")


def trace_inference(module: torch.nn.Module, *, features: int) -> fx.GraphModule:
    """Trace the model on one row: placeholders params..., x (1, features); output (1, outputs)."""
    names = [name for name, _ in module.named_parameters()]
    params = [p.detach().clone() for _, p in module.named_parameters()]

    def forward(params: list[Tensor], x: Tensor) -> list[Tensor]:
        def model(params: list[Tensor]) -> Any:
            return torch.func.functional_call(module, dict(zip(names, params, strict=True)), x)

        # The forward half of a gradient: torch then takes no shortcuts in place, as in RNNCell.
        return [torch.func.vjp(model, params)[0]]

    return _trace(forward, params, torch.zeros(1, features), what="the model")


def _trace(function: Callable[..., Any], *arguments: Any, what: str) -> fx.GraphModule:
    # Buffers would be constants that no commitment covers.
    # Without functionalisation, a node that was overwritten in place would stand for two values.
    pure = torch.func.functionalize(function, remove="mutations")
    try:
        graph = make_fx(pure, tracing_mode="real", record_stack_traces=True)(*arguments)
    except Exception as error:
        raise ModelError(
            f"torch could not trace {what}",
            got=f"{type(error).__name__}: {error}",
            path=raising_line(error),
            hint=_remedy(str(error)),
        ) from error
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _remedy(message: str) -> str:
    if "mutate a captured Tensor" in message:
        return (
            "the model changes a buffer; layers with running statistics (BatchNorm) can't be "
            "proven, use LayerNorm"
        )
    if "indices" in message or "scalar type Long" in message:
        return (
            "integers are not numbers of the circuit: give one-hot columns instead of indices, "
            "one_hot @ embedding.weight instead of an embedding"
        )
    return "the model must be pure tensor code: no data-dependent branches or shapes, no .item()"
