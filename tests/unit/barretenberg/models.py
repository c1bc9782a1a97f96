"""Update steps of small torch models, lowered as the pipeline lowers them, and random runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE, BatchShape, step_program
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, quantize
from zkdescent.circuits.program import Program
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.config import TrainTable
from zkdescent.train.losses import declared_loss
from zkdescent.train.optimizers import rule_of

from .samples import CONTEXT_VALUE

FIXED = FixedPoint(table_bits=6)


class Network(nn.Module):
    """A linear model, or one hidden layer with a function after it."""

    def __init__(self, features: int, hidden: int, outputs: int, function: str) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden) if function else None
        functions: dict[str, Callable[[Tensor], Tensor]] = {
            "": lambda x: x,
            "relu": torch.relu,
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
            "gelu": nn.functional.gelu,
            "elu": nn.functional.elu,
            "softplus": nn.functional.softplus,
            "norm": lambda x: nn.functional.layer_norm(x, (hidden,), eps=0.01),
        }
        self.function = functions[function]
        self.last = nn.Linear(hidden if function else features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.function(self.hidden(x)) if self.hidden is not None else x)
        return found


@dataclass(frozen=True)
class Model:
    """A small model and how it is trained."""

    features: int = 3
    hidden: int = 3
    outputs: int = 1
    function: str = ""
    loss: str = "mse"
    optimizer: str = "sgd"
    batch_size: int = 2
    steps: int = 1
    rounds_products: bool = True

    def lowered(self) -> tuple[Program, StateLayout]:
        """The program of `steps` update steps, and how its state lies."""
        torch.manual_seed(0)
        module = Network(self.features, self.hidden, self.outputs, self.function)
        settings: dict[str, Any] = {"loss": self.loss, "optimizer": self.optimizer}
        train = TrainTable(**settings, learning_rate=0.05, batch_size=2, steps=2)
        params = {name: p.detach() for name, p in module.named_parameters()}
        bits = FIXED.fraction_bits
        flat = rule_of(train, fraction_bits=bits).flat(params)
        graph = trace_step(
            module,
            declared_loss(self.loss).function,
            flat.update,
            [t.float() for t in flat.initial],
            batch_size=self.batch_size,
            features=self.features,
            targets=self.outputs,
        )
        layout = StateLayout(
            (*params, *flat.names),
            tuple(tuple(t.shape) for t in [*params.values(), *flat.initial]),
            len(params),
            (bits,) * len(params) + flat.bits(bits),
        )
        every = frozenset(n.name for n in graph.graph.nodes if n.op == "call_function")
        program = step_program(
            graph,
            layout,
            BatchShape(self.batch_size, self.features, self.outputs),
            steps=self.steps,
            fixed=FIXED,
            # Rounding everywhere would round an adaptive optimizer's epsilon away.
            rescaled=every if self.rounds_products and not flat.initial else frozenset(),
        )
        return program, layout

    def genesis(self, layout: StateLayout, seed: int) -> IntegerArray:
        """Random parameters; the optimizer's slots are zero."""
        state = np.random.default_rng(seed).normal(0, 0.4, layout.size)
        state[layout.parameter_size :] = 0
        return quantize(state, FIXED.fraction_bits, what="state")

    def block(self, seed: int) -> IntegerArray:
        """A random batch block; targets are classes unless the loss takes any number."""
        draw = np.random.default_rng(seed)
        rows = []
        for _ in range(self.steps):
            x = np.clip(draw.normal(size=(self.batch_size, self.features)), -2.5, 2.5)
            y = draw.normal(size=(self.batch_size, self.outputs))
            if self.loss == "bce":
                y = (y > 0).astype(float)
            elif self.loss == "cross_entropy":
                y = np.eye(self.outputs)[draw.integers(0, self.outputs, self.batch_size)]
            rows += [x.reshape(-1), y.reshape(-1)]
        return quantize(np.concatenate(rows), FIXED.fraction_bits, what="batch")


def named(state: IntegerArray, block: IntegerArray) -> dict[str, IntegerArray]:
    """Inputs of a step."""
    return {CONTEXT: np.array([CONTEXT_VALUE], dtype=object), STATE: state, BATCH: block}
