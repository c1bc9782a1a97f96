"""LAMB: Adam's direction with a trust ratio for each layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zkdescent.train.optimizers.adam import Adam
from zkdescent.train.optimizers.base import Slots, Tensors, decayed, positive


@dataclass(frozen=True, slots=True)
class Lamb(Adam):
    """LAMB (You et al. 2020, algorithm 2), a parameter tensor being a layer, phi the identity.

    ``r`` is Adam's direction, ``u = r + wd * p``, ``p <- p - lr * |p|/|u| * u``; the ratio is 1
    where one of the norms is zero, as in the authors' implementation.
    """

    epsilon: float = 1e-6
    name: str = "lamb"

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters, moments and corrections after one step."""
        directions, slots = self.directions(grads, slots)
        updates = decayed(params, directions, self.weight_decay)
        moved = {
            name: p - learning_rate * (_trust(p, updates[name]) * updates[name])
            for name, p in params.items()
        }
        return moved, slots


def _trust(p: Tensor, update: Tensor) -> Tensor:  # (*shape), (*shape) -> ()
    weight, step = _size(p), _size(update)
    moving = positive(step)
    # The divisor is 1 where the step's norm is zero, so that it is never zero itself.
    ratio = weight / (step + (1 - moving))
    return 1 + moving * positive(weight) * (ratio - 1)


def _size(x: Tensor) -> Tensor:  # (*shape) -> ()
    """Return |x| / 2^k, 4^k >= elements > 4^(k-1): about the root of the mean square.

    The common factor cancels in the ratio. It keeps the norm of a large layer within a circuit's
    range, and spends the bits that it saves on precision.
    """
    k = max(0, math.ceil(math.log2(x.numel()) / 2))
    return torch.sqrt((x * x).sum() * 4.0**-k)
