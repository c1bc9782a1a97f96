"""Optimizers that move every parameter by the same amount: signSGD and Lion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from zkdescent.train.optimizers.base import Bits, Slots, Tensors, average, decayed, zeros_like
from zkdescent.train.optimizers.descent import Sgd


@dataclass(frozen=True, slots=True)
class SignSgd(Sgd):
    """signSGD: ``p <- p - lr * sign(g)``, sign(0) = 0 (Bernstein et al. 2018, algorithm 1)."""

    name: str = "signsgd"

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters after one step, and no slots."""
        grads = decayed(params, grads, self.weight_decay)
        return {n: p - learning_rate * torch.sign(grads[n]) for n, p in params.items()}, {}


@dataclass(frozen=True, slots=True)
class Lion:
    """Lion (Chen et al. 2023, algorithm 2): the sign of an average, decoupled weight decay.

    ``c = beta1 * m + (1 - beta1) * g``, ``p <- p - lr * (sign(c) + wd * p)``,
    ``m <- beta2 * m + (1 - beta2) * g``.
    """

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    name: str = "lion"
    slot_names: tuple[str, ...] = ("first_moment",)

    def init(self, params: Tensors) -> Slots:
        """Return an average of zeros."""
        return {"first_moment": zeros_like(params)}

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters and averaged gradients after one step."""
        old = slots["first_moment"]
        signs = {n: torch.sign(average(old[n], grads[n], self.beta1)) for n in params}
        directions = decayed(params, signs, self.weight_decay)
        moved = {n: p - learning_rate * directions[n] for n, p in params.items()}
        return moved, {"first_moment": {n: average(old[n], grads[n], self.beta2) for n in params}}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return f + 8: an average over 100 steps gathers as many roundings."""
        return {"first_moment": fraction_bits + 8}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer itself."""
        return self
