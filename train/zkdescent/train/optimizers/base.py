"""What an optimizer is here, and the arithmetic that several of them share.

Parameters and gradients are dicts of tensors by parameter name. Slots are a dict of such dicts by
slot name; a slot of scalars has names of its own instead of the parameters'. Nothing is changed in
place, so that torch.func can trace an update as a part of the proven step.
"""

from __future__ import annotations

import math
from typing import Protocol, Self

import torch
from torch import Tensor

from zkdescent.train._slots import Bits, Slots, Tensors, positive

__all__ = [
    "Bits", "Optimizer", "Slots", "Tensors",
    "average", "decayed", "positive", "smallest_epsilon", "zeros_like",
]  # fmt: skip


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

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return the fraction bits of each slot where parameters have ``fraction_bits``."""

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer with an epsilon that does not vanish in fixed point."""


def zeros_like(params: Tensors) -> Tensors:
    """Return a slot of zeros."""
    return {name: torch.zeros_like(p) for name, p in params.items()}


def decayed(params: Tensors, grads: Tensors, weight_decay: float) -> Tensors:
    """Return ``g + wd * p``, the gradient under a penalty of ``wd/2 * |p|^2`` (torch's L2)."""
    if weight_decay == 0:
        return grads
    return {name: g + weight_decay * params[name] for name, g in grads.items()}


def average(old: Tensor, new: Tensor, beta: float) -> Tensor:
    """Return ``beta * old + (1 - beta) * new``, an exponential moving average.

    Written with 1 - beta alone: a constant has 12 significant bits in a circuit, and those of
    0.001 say more than those of 0.999.
    """
    return old + (1 - beta) * (new - old)


def smallest_epsilon(slot_bits: int, newest: float = 1.0) -> float:
    """Return the least epsilon beside the square root of a slot of ``slot_bits`` fraction bits.

    The root has half the bits of the slot: what is smaller than a unit of it is lost. ``newest``
    is the weight of the newest squared gradient in the slot, so that a gradient counts
    ``sqrt(newest)`` in the root. The result is the power of two at or above one unit over that
    weight; it bounds an update by about the learning rate even where the root is rounded to zero.
    """
    unit = 2.0 ** -math.ceil(slot_bits / 2)
    return float(2.0 ** math.ceil(math.log2(unit / math.sqrt(newest))))
