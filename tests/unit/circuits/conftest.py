"""Models, losses and optimizers of the compiler's tests, traced as the pipeline traces them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from zkdescent.circuits.assemble import BatchShape, inference_program, step_program
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, dequantize, quantize
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.program import Program
from zkdescent.circuits.trace import StateLayout, trace_inference, trace_step
from zkdescent.train.losses import declared_loss


@dataclass(frozen=True)
class Traced:
    """One update step and one inference of a model, as graphs, and what they mean in torch."""

    module: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    update: Any
    graph: fx.GraphModule
    inference: fx.GraphModule
    layout: StateLayout
    batch: BatchShape

    def program(
        self, fixed: FixedPoint, rescaled: frozenset[str] = frozenset(), steps: int = 1
    ) -> Program:
        """Lower `steps` update steps."""
        return step_program(
            self.graph, self.layout, self.batch, steps=steps, fixed=fixed, rescaled=rescaled
        )

    def inference_program(
        self, fixed: FixedPoint, rescaled: frozenset[str] = frozenset()
    ) -> Program:
        """Lower the model on one row."""
        return inference_program(
            self.inference,
            self.layout,
            features=self.batch.features,
            fixed=fixed,
            rescaled=rescaled,
        )

    def products(self) -> frozenset[str]:
        """Names of all nodes of the step: rounding everywhere fits whenever anything does."""
        return _names(self.graph)

    def inferred_products(self) -> frozenset[str]:
        """The same for the inference."""
        return _names(self.inference)

    def genesis(self, seed: int) -> np.ndarray[Any, Any]:
        """A random state; slots start at zero."""
        state = np.random.default_rng(seed).normal(0, 0.5, self.layout.size)
        state[self.layout.parameter_size :] = 0
        return state

    def data(self, seed: int, steps: int, *, binary: bool) -> np.ndarray[Any, Any]:
        """Random mini-batches (steps, size), features then targets; features in standard units."""
        draw = np.random.default_rng(seed)
        b = self.batch
        x = np.clip(draw.normal(size=(steps, b.batch_size * b.features)), -3, 3)
        y = draw.normal(size=(steps, b.batch_size * b.targets))
        return np.concatenate([x, (y > 0).astype(float) if binary else y], axis=1)

    def run_float(self, state: np.ndarray[Any, Any], data: np.ndarray[Any, Any]) -> Any:
        """The same steps in float64, by autograd and the optimizer itself."""
        sizes = self.layout.sizes
        count, b = self.layout.parameters, self.batch
        flat = torch.split(torch.tensor(state, dtype=torch.float64), list(sizes))
        tensors = [t.reshape(s) for t, s in zip(flat, self.layout.shapes, strict=True)]
        names = list(self.layout.names[:count])
        for row in torch.tensor(data, dtype=torch.float64):
            x, y = torch.split(row, [b.batch_size * b.features, b.batch_size * b.targets])
            params = [t.detach().requires_grad_() for t in tensors[:count]]
            prediction = torch.func.functional_call(
                self.module, dict(zip(names, params, strict=True)), x.reshape(b.batch_size, -1)
            )
            loss = self.loss(prediction, y.reshape(b.batch_size, -1))
            gradients = torch.autograd.grad(loss, params)
            moved, slots = self.update(params, list(gradients), tensors[count:])
            tensors = [t.detach() for t in [*moved, *slots]]
        return torch.cat([t.reshape(-1) for t in tensors]).numpy()

    def run_forward(self, state: np.ndarray[Any, Any], row: np.ndarray[Any, Any]) -> Any:
        """The model on one row, in float64; flat."""
        count = self.layout.parameters
        flat = torch.split(torch.tensor(state, dtype=torch.float64), list(self.layout.sizes))
        pairs = zip(self.layout.names[:count], flat, self.layout.shapes, strict=False)
        params = {name: part.reshape(shape) for name, part, shape in pairs}
        output = torch.func.functional_call(self.module, params, torch.tensor(row)[None])
        return output.detach().reshape(-1).numpy()

    def run_fixed(
        self,
        program: Program,
        fixed: FixedPoint,
        state: np.ndarray[Any, Any],
        data: np.ndarray[Any, Any],
    ) -> Any:
        """The same steps in the reference executor; `program` takes all of them at once."""
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": quantize(state, fixed.fraction_bits, what="state"),
            "batch": quantize(data.reshape(-1), fixed.fraction_bits, what="batch"),
        }
        return dequantize(execute(program, inputs, fixed), fixed.fraction_bits)


def _names(graph: fx.GraphModule) -> frozenset[str]:
    return frozenset(n.name for n in graph.graph.nodes if n.op == "call_function")


def _sgd(learning_rate: float) -> Any:
    def update(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
        moved = [p - learning_rate * g for p, g in zip(params, gradients, strict=True)]
        return moved, slots

    return update


def _momentum(learning_rate: float) -> Any:
    def update(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
        velocity = [0.9 * v + g for v, g in zip(slots, gradients, strict=True)]
        return [p - learning_rate * v for p, v in zip(params, velocity, strict=True)], velocity

    return update


def trace(
    module: nn.Module,
    *,
    loss: str | Callable[[Tensor, Tensor], Tensor] = "mse",
    optimizer: str = "sgd",
    learning_rate: float = 0.1,
    batch_size: int = 4,
    features: int = 3,
    targets: int = 1,
) -> Traced:
    """Trace a model under a loss and plain or momentum gradient descent."""
    function = declared_loss(loss).function if isinstance(loss, str) else loss
    has_slots = optimizer == "momentum"
    update = (_momentum if has_slots else _sgd)(learning_rate)
    names = [name for name, _ in module.named_parameters()]
    params = [p.detach() for _, p in module.named_parameters()]
    slots = [torch.zeros_like(p) for p in params] if has_slots else []
    graph = trace_step(
        module, function, update, slots, batch_size=batch_size, features=features, targets=targets
    )
    layout = StateLayout.uniform(
        tuple(names + ([f"velocity.{n}" for n in names] if has_slots else [])),
        tuple(tuple(t.shape) for t in [*params, *slots]),
        len(names),
        FixedPoint().fraction_bits,
    )
    return Traced(
        module=module,
        loss=function,
        update=update,
        graph=graph,
        inference=trace_inference(module, features=features),
        layout=layout,
        batch=BatchShape(batch_size, features, targets),
    )


class Through(nn.Module):
    """A linear layer with four outputs, then a function of them."""

    def __init__(self, function: Callable[[Tensor], Tensor], features: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 4)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


@dataclass(frozen=True)
class Differential:
    """One model in the executor and in float64, forward and backward, apart from any rounding.

    Only gadgets round: products keep all their bits, so the errors are those of the operators under
    test. The learning rate is 1, so that the error of the state is that of the gradient, plus half
    a unit.
    """

    model: Traced
    step: Program
    inference: Program

    @classmethod
    def of(
        cls,
        model: nn.Module | Callable[[Tensor], Tensor],
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        *,
        features: int = 4,
        targets: int = 4,
        batch_size: int = 4,
    ) -> Differential:
        """Trace and lower a module, or a linear layer and a function.

        The default loss is linear with random weights, sum(p y) / rows.
        """
        traced_model = trace(
            model if isinstance(model, nn.Module) else Through(model),
            loss=loss or pairing,
            learning_rate=1.0,
            batch_size=batch_size,
            features=features,
            targets=targets,
        )
        fixed = FixedPoint()
        return cls(traced_model, traced_model.program(fixed), traced_model.inference_program(fixed))

    def errors(
        self, seed: int, *, spread: float = 1.0, target: Callable[[Any], Any] | None = None
    ) -> tuple[float, float]:
        """Largest errors of an output and of a gradient for random numbers, in units of 2**-f.

        Args:
            spread: factor of the parameters.
            target: maps normal numbers (batch, targets) to targets.
        """
        fixed, b = FixedPoint(), self.model.batch
        unit = 2.0**-fixed.fraction_bits
        state = _on_grid(self.model.genesis(seed) * spread, fixed)
        data = self.model.data(seed, 1, binary=False)
        x, y = np.split(data, [b.batch_size * b.features], axis=1)
        if target is not None:
            y = target(y.reshape(b.batch_size, b.targets)).reshape(1, -1)
        data = _on_grid(np.concatenate([x, y], axis=1), fixed)
        proven = self.model.run_fixed(self.step, fixed, state, data)
        gradient = np.abs(proven - self.model.run_float(state, data)).max() / unit
        row = data[0, : b.features]
        inputs = {
            "context": np.zeros(1, dtype=object),
            "state": quantize(state, fixed.fraction_bits, what="state"),
            "x": quantize(row, fixed.fraction_bits, what="row"),
        }
        answer = dequantize(execute(self.inference, inputs, fixed), fixed.fraction_bits)
        output = np.abs(answer[b.features :] - self.model.run_forward(state, row)).max() / unit
        return float(output), float(gradient)


def pairing(prediction: Tensor, target: Tensor) -> Tensor:
    """sum(p y) / rows: its gradient is the target, so every operator is pulled back at random."""
    return (prediction * target).sum() / len(target)


def _on_grid(values: np.ndarray[Any, Any], fixed: FixedPoint) -> np.ndarray[Any, Any]:
    return dequantize(quantize(values, fixed.fraction_bits, what="values"), fixed.fraction_bits)


@pytest.fixture(scope="session")
def traced() -> Callable[..., Traced]:
    """The function `trace`."""
    return trace


@pytest.fixture(scope="session")
def lowering() -> type[Lowering]:
    """The class that lowers graphs."""
    return Lowering


@pytest.fixture(scope="session")
def differential() -> Callable[..., Differential]:
    """The function `Differential.of`."""
    return Differential.of
