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
from zkdescent.train.optimizers import make_optimizer


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
        """Names of all nodes that placement may round: rounding everywhere always fits."""
        from zkdescent.circuits.placement import _CANDIDATES

        return frozenset(n.name for n in self.graph.graph.nodes if n.target in _CANDIDATES)

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
    """Trace a model under a declared loss and optimizer."""
    function = declared_loss(loss).function if isinstance(loss, str) else loss
    chosen = make_optimizer(optimizer, momentum=0.9)
    names = [name for name, _ in module.named_parameters()]
    params = [p.detach() for _, p in module.named_parameters()]
    slots = [torch.zeros_like(p) for _ in chosen.slot_names for p in params]

    def update(params: Any, gradients: Any, state: Any) -> Any:
        grouped = {s: dict(zip(names, state, strict=True)) for s in chosen.slot_names}
        moved, after = chosen.update(
            dict(zip(names, params, strict=True)),
            dict(zip(names, gradients, strict=True)),
            grouped,
            learning_rate,
        )
        return [moved[n] for n in names], [after[s][n] for s in chosen.slot_names for n in names]

    graph = trace_step(
        module, function, update, slots, batch_size=batch_size, features=features, targets=targets
    )
    layout = StateLayout(
        tuple(names + [f"{s}.{n}" for s in chosen.slot_names for n in names]),
        tuple(tuple(t.shape) for t in [*params, *slots]),
        len(names),
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


@pytest.fixture(scope="session")
def traced() -> Callable[..., Traced]:
    """The function `trace`."""
    return trace


@pytest.fixture(scope="session")
def lowering() -> type[Lowering]:
    """The class that lowers graphs."""
    return Lowering
