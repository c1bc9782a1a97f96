"""Clipping of gradients, by value and by norm, as torch.nn.utils defines it.

Example:
    >>> import torch
    >>> clip_by_norm({"w": torch.tensor([3.0, 4.0])}, 1.0)["w"]
    tensor([0.6000, 0.8000])
"""

from __future__ import annotations

import torch
from torch import Tensor

from zkdescent.train._slots import Tensors

_PRESCALE = 16.0  # a norm is computed in sixteenths: up to 256 fits where numbers up to 16 do


def clip_by_value(grads: Tensors, limit: float) -> Tensors:
    """Return every element clamped to ``[-limit, limit]`` (torch's clip_grad_value_).

    Two comparisons an element in a circuit.
    """
    return {name: torch.clamp(g, -limit, limit) for name, g in grads.items()}


def clip_by_norm(grads: Tensors, limit: float) -> Tensors:
    """Return all gradients times ``min(1, limit / norm)``, norm over all elements together.

    torch's clip_grad_norm_ adds 1e-6 to the norm; here the divisor is at least ``limit`` anyway,
    and the results differ by a relative 1e-6 / limit. One root, one comparison and one quotient a
    step in a circuit, whose factor is rounded to the parameters' fraction bits.
    """
    small = [g / _PRESCALE for g in grads.values()]
    squares: list[Tensor] = [(g * g).sum() for g in small]
    norm = torch.sqrt(sum(squares[1:], start=squares[0]))
    bound = limit / _PRESCALE
    # max(norm, bound), by one comparison; a quotient by it is never above 1.
    largest = torch.relu(norm - bound) + bound
    # A plain number over a tensor would be traced as a rounded reciprocal.
    factor = torch.full_like(largest, bound) / largest
    return {name: g * factor for name, g in grads.items()}
