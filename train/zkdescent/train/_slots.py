"""Types of what an update rule keeps from step to step."""

from __future__ import annotations

from torch import Tensor

Tensors = dict[str, Tensor]
Slots = dict[str, Tensors]
Bits = dict[str, int]


def positive(x: Tensor) -> Tensor:
    """Return 1 where ``x > 0``, else 0; one comparison an element."""
    return (x > 0).to(x.dtype)
