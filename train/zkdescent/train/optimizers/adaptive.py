"""Step sizes for each parameter from its squared gradients: Adagrad and RMSprop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from zkdescent.train.optimizers.base import (
    Bits,
    Slots,
    Tensors,
    average,
    decayed,
    smallest_epsilon,
    zeros_like,
)


@dataclass(frozen=True, slots=True)
class Adagrad:
    """``s <- s + g^2``, ``p <- p - lr * g / (sqrt(s) + eps)`` (Duchi et al. 2011, torch's form).

    ``s`` starts at ``initial_accumulator``; it never falls, so a circuit holds it up to 256.
    """

    epsilon: float = 1e-10
    initial_accumulator: float = 0.0
    weight_decay: float = 0.0
    name: str = "adagrad"
    slot_names: tuple[str, ...] = ("squares",)

    def init(self, params: Tensors) -> Slots:
        """Return the initial accumulator everywhere."""
        start = self.initial_accumulator
        return {"squares": {name: torch.full_like(p, start) for name, p in params.items()}}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and accumulated squares after one step."""
        grads = decayed(params, grads, self.weight_decay)
        squares = {name: s + grads[name] * grads[name] for name, s in slots["squares"].items()}
        moved = {
            name: p - learning_rate * (grads[name] / (torch.sqrt(squares[name]) + self.epsilon))
            for name, p in params.items()
        }
        return moved, {"squares": squares}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return 2f + 4: the root is then finer than data and parameters by two bits."""
        return {"squares": 2 * fraction_bits + 4}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer with an epsilon of one unit of the root or more."""
        least = smallest_epsilon(self.slot_bits(fraction_bits)["squares"])
        return replace(self, epsilon=max(self.epsilon, least))


@dataclass(frozen=True, slots=True)
class RmsProp:
    """``s <- a * s + (1 - a) * g^2``, ``p <- p - lr * g / (sqrt(s) + eps)``.

    Tieleman and Hinton 2012, lecture 6.5, with epsilon outside the root as torch has it; not
    centred, no momentum.
    """

    alpha: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    name: str = "rmsprop"
    slot_names: tuple[str, ...] = ("squares",)

    def init(self, params: Tensors) -> Slots:
        """Return an average of zeros."""
        return {"squares": zeros_like(params)}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and averaged squares after one step."""
        grads = decayed(params, grads, self.weight_decay)
        squares = {
            name: average(s, grads[name] * grads[name], self.alpha)
            for name, s in slots["squares"].items()
        }
        moved = {
            name: p - learning_rate * (grads[name] / (torch.sqrt(squares[name]) + self.epsilon))
            for name, p in params.items()
        }
        return moved, {"squares": squares}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return 2f + 10: the first average holds 1 - alpha of a square, and its root must tell."""
        return {"squares": 2 * fraction_bits + 10}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer with an epsilon of one unit of the first root or more."""
        least = smallest_epsilon(self.slot_bits(fraction_bits)["squares"], 1 - self.alpha)
        return replace(self, epsilon=max(self.epsilon, least))
