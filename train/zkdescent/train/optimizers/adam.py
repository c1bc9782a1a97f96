"""Adam and AdamW: averaged gradients over the root of averaged squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from zkdescent.train.optimizers.base import (
    Bits,
    Slots,
    Tensors,
    decayed,
    smallest_epsilon,
    zeros_like,
)


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1): ``p <- p - lr * m_hat / (sqrt(v_hat) + eps)``.

    The slots hold the corrected moments themselves, which have a recurrence of their own:
    ``v_hat <- v_hat + w * (g^2 - v_hat)`` with ``w = (1 - beta2) / (1 - beta2^t)``, and the same
    for m. It is the same number. But v_hat has the size of a squared gradient from the first step
    on, where v begins with a thousandth of it: the slot needs ten bits less to be as fine, its
    root five, and what a circuit divides by is narrower. ``1 - beta^t`` lives in the state times
    128, by ``c <- c + (1 - beta)(1 - c)`` from 0, so that one circuit serves every step.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    name: str = "adam"
    slot_names: tuple[str, ...] = ("first_moment", "second_moment", "correction")

    def init(self, params: Tensors) -> Slots:
        """Return moments and corrections of zero."""
        like = next(iter(params.values()))
        return {
            "first_moment": zeros_like(params),
            "second_moment": zeros_like(params),
            "correction": {name: like.new_zeros(1) for name in ("first", "second")},
        }

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters, moments and corrections after one step."""
        grads = decayed(params, grads, self.weight_decay)
        directions, slots = self.directions(grads, slots)
        return {name: p - learning_rate * directions[name] for name, p in params.items()}, slots

    def directions(self, grads: Tensors, slots: Slots) -> tuple[Tensors, Slots]:
        """Return ``m_hat / (sqrt(v_hat) + eps)`` by parameter, and the slots after the step."""
        old = slots["correction"]
        first, newest = _correction(old["first"], self.beta1)
        second, newest_square = _correction(old["second"], self.beta2)
        m = {n: m + newest * (grads[n] - m) for n, m in slots["first_moment"].items()}
        v = {
            n: v + newest_square * (grads[n] * grads[n] - v)
            for n, v in slots["second_moment"].items()
        }
        directions = {n: m[n] / (torch.sqrt(v[n]) + self.epsilon) for n in grads}
        correction = {"first": first, "second": second}
        return directions, {"first_moment": m, "second_moment": v, "correction": correction}

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return f + 8 for m, 2f + 4 for v, f + 2 for the corrections.

        The root of v is then finer than data and parameters by two bits.
        """
        f = fraction_bits
        return {"first_moment": f + 8, "second_moment": 2 * f + 4, "correction": f + 2}

    def fitted(self, fraction_bits: int) -> Self:
        """Return the optimizer with an epsilon of one unit of the root or more."""
        least = smallest_epsilon(self.slot_bits(fraction_bits)["second_moment"])
        return replace(self, epsilon=max(self.epsilon, least))


_FULL = 128.0  # a correction of 1 in the state: numbers up to 256 fit, and small ones are finer so


def _correction(old: Tensor, beta: float) -> tuple[Tensor, Tensor]:  # (1,) -> (1,), (1,)
    """Return ``128 (1 - beta^t)`` from that of t - 1, and ``(1 - beta) / (1 - beta^t)``."""
    new = old + (1 - beta) * (_FULL - old)
    # A quotient's unit is fixed, so it is made as large as fits, 128, and then divided by that. Its
    # numerator is a tensor: a plain number over a tensor is traced as a rounded reciprocal.
    newest = torch.full_like(new, _FULL * _FULL * (1 - beta)) / new / _FULL
    return new, newest


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``p <- p - lr * (direction + wd * p)``.

    Loshchilov and Hutter 2019, algorithm 2, with the decay scaled by the rate, as torch has it.
    """

    weight_decay: float = 0.01
    name: str = "adamw"

    def update(
        self, params: Tensors, grads: Tensors, slots: Slots, learning_rate: float | Tensor
    ) -> tuple[Tensors, Slots]:
        """Return parameters, moments and corrections after one step."""
        directions, slots = self.directions(grads, slots)
        decayed_directions = decayed(params, directions, self.weight_decay)
        moved = {n: p - learning_rate * decayed_directions[n] for n, p in params.items()}
        return moved, slots
