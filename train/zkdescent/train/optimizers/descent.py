"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from zkdescent.train.optimizers.base import Bits, Slots, Tensors, decayed, zeros_like


@dataclass(frozen=True, slots=True)
class Sgd:
    """Stochastic gradient descent: ``p <- p - lr * g`` (Robbins and Monro 1951)."""

    weight_decay: float = 0.0
    name: str = "sgd"
    slot_names: tuple[str, ...] = ()

    def init(self, params: Tensors) -> Slots:
        """Return no slots."""
        return {}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters after one step, and no slots."""
        grads = decayed(params, grads, self.weight_decay)
        return {name: p - learning_rate * grads[name] for name, p in params.items()}, {}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return nothing."""
        return {}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer itself."""
        return self


@dataclass(frozen=True, slots=True)
class Momentum:
    """Heavy ball as torch defines it: ``v <- mu * v + g``, ``p <- p - lr * v``.

    Dampening 0, ``v`` starts at 0 (Sutskever et al. 2013 scale g by lr inside v; torch does not,
    and the two differ once the learning rate changes).
    """

    mu: float = 0.9
    weight_decay: float = 0.0
    name: str = "momentum"
    slot_names: tuple[str, ...] = ("velocity",)

    def init(self, params: Tensors) -> Slots:
        """Return a velocity of zeros."""
        return {"velocity": zeros_like(params)}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and velocity after one step."""
        grads = decayed(params, grads, self.weight_decay)
        velocity = {name: self.mu * v + grads[name] for name, v in slots["velocity"].items()}
        moved = {name: p - learning_rate * velocity[name] for name, p in params.items()}
        return moved, {"velocity": velocity}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return the parameters' bits: the velocity has the scale of a gradient."""
        return {"velocity": fraction_bits}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer itself."""
        return self


@dataclass(frozen=True, slots=True)
class Nesterov(Momentum):
    """Nesterov's momentum as torch defines it: ``v <- mu * v + g``, ``p <- p - lr*(g + mu*v)``.

    That is Sutskever et al. 2013, eq. 3-4, in the variables of Bengio et al. 2013, eq. 7.
    """

    name: str = "nesterov"

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and velocity after one step."""
        grads = decayed(params, grads, self.weight_decay)
        velocity = {name: self.mu * v + grads[name] for name, v in slots["velocity"].items()}
        moved = {
            name: p - learning_rate * (grads[name] + self.mu * velocity[name])
            for name, p in params.items()
        }
        return moved, {"velocity": velocity}
