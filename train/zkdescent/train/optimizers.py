"""The declared optimizers: pure functions from (params, grads, slots, learning rate) to the next.

Parameters and gradients are dicts of tensors by parameter name; slots are a dict of such dicts by
slot name, empty where an optimizer has none. Nothing is changed in place, so that torch.func can
trace an update as a part of the proven step.

Example:
    >>> optimizer = make_optimizer("momentum", momentum=0.5)
    >>> params = {"w": torch.tensor([1.0])}
    >>> slots = optimizer.init(params)
    >>> grads = {"w": torch.tensor([2.0])}
    >>> params, slots = optimizer.update(params, grads, slots, 0.25)
    >>> params["w"].item(), slots["velocity"]["w"].item()
    (0.5, 2.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from zkdescent.core.config import TrainTable
from zkdescent.core.errors import ConfigError, suggestion

Tensors = dict[str, Tensor]
Slots = dict[str, Tensors]


class Optimizer(Protocol):
    """An update rule. ``slot_names`` fixes the order of the slots in the flat state."""

    @property
    def name(self) -> str:
        """The name in the project file."""

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The slots, in state order."""

    def init(self, params: Tensors) -> Slots:
        """Return the slots before the first step."""

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and slots after one step."""


@dataclass(frozen=True, slots=True)
class Sgd:
    """Stochastic gradient descent: ``p <- p - lr * g`` (Robbins and Monro 1951)."""

    name: str = "sgd"
    slot_names: tuple[str, ...] = ()

    def init(self, params: Tensors) -> Slots:
        """Return no slots."""
        return {}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters after one step, and no slots."""
        return {name: p - learning_rate * grads[name] for name, p in params.items()}, {}


@dataclass(frozen=True, slots=True)
class Momentum:
    """Heavy ball as torch defines it: ``v <- mu * v + g``, ``p <- p - lr * v``.

    Dampening 0, weight decay 0, ``v`` starts at 0 (Sutskever et al. 2013 scale g by lr inside v;
    torch does not, and the two differ once the learning rate changes).
    """

    mu: float = 0.9
    name: str = "momentum"
    slot_names: tuple[str, ...] = ("velocity",)

    def init(self, params: Tensors) -> Slots:
        """Return a velocity of zeros."""
        return {"velocity": {name: torch.zeros_like(p) for name, p in params.items()}}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and velocity after one step."""
        velocity = {name: self.mu * v + grads[name] for name, v in slots["velocity"].items()}
        moved = {name: p - learning_rate * velocity[name] for name, p in params.items()}
        return moved, {"velocity": velocity}


def make_optimizer(name: str, *, momentum: float = 0.9) -> Optimizer:
    """Return a declared optimizer by name; ``momentum`` is used by the optimizer of that name.

    Raises:
        ConfigError: unknown name.
    """
    if name == "sgd":
        return Sgd()
    if name == "momentum":
        return Momentum(mu=momentum)
    raise ConfigError(
        "there is no such optimizer",
        got=name,
        hint=suggestion(name, ("sgd", "momentum"), what="optimizers"),
    )


def optimizer_of(train: TrainTable) -> Optimizer:
    """Return the optimizer that a project file declares."""
    return make_optimizer(train.optimizer, momentum=train.momentum_value)
