"""Arithmetic, comparisons, reductions, matrices and moves against torch, in units of 2**-12.

What is exact but for the final rounding is held to one unit forward and two backward: half a unit
of the state's rounding, and what the mantissas of constants (12 bits) add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

Make = Callable[..., Any]
Function = Callable[[Tensor], Tensor]

_WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 0.25])
_ORDER = torch.tensor([2, 0, 3, 1])


_PLACES = (torch.tensor([0]), torch.tensor([2]))


CASES: dict[str, tuple[Function, float, float]] = {
    # sums and products
    "scalars": (lambda y: 2 - 3 * y / 4 + (-y) * 0.5, 1, 3),
    "rsub": (lambda y: torch.rsub(y, 1.0), 1, 2),
    "alpha": (lambda y: torch.sub(y, y * y, alpha=0.5), 1, 3),
    "addcmul": (lambda y: torch.addcmul(y, y, y, value=0.25), 1, 3),
    "addcdiv": (lambda y: torch.addcdiv(y, y, y.abs() + 1, value=0.5), 1, 6),
    "lerp": (lambda y: torch.lerp(y, y * y, 0.25), 1, 3),
    "constant-tensors": (lambda y: y * _WEIGHTS + _WEIGHTS, 1, 3),
    "in-place": (lambda y: y.clone().add_(1).mul_(y), 1, 4),
    "squares": (lambda y: y.square() + y**2, 1, 4),
    "cube": (lambda y: y**3 / 8, 2, 6),
    # quotients and roots
    "quotient": (lambda y: y / (1 + y * y), 1, 8),
    "reciprocal": (lambda y: torch.reciprocal(1 + y.abs()), 1, 3),
    "sqrt": (lambda y: torch.sqrt(1 + y * y), 2, 20),
    "rsqrt": (lambda y: y * torch.rsqrt(1 + y * y), 12, 12),
    "power-minus-half": (lambda y: (1 + y.abs()) ** -0.5, 2, 6),
    # comparisons
    "abs": (torch.abs, 1, 2),
    "sign": (lambda y: y * torch.sign(y - 0.5), 1, 2),
    "clamp": (lambda y: y.clamp(-0.5, 0.75), 1, 2),
    "clamp-min": (lambda y: y.clamp(min=0.25), 1, 2),
    "clamp-max": (lambda y: y.clamp_max(0.25), 1, 2),
    "clamp-by-tensors": (lambda y: torch.clamp(y / 4, y.detach() / 2 - 1, y / 2), 1, 3),
    "maximum": (lambda y: torch.maximum(y, y.flip(-1)), 1, 2),
    "minimum": (lambda y: torch.minimum(y, y * y / 4), 1, 3),
    "where": (lambda y: torch.where(y > 0.5, y, y * y), 1, 3),
    "masks": (lambda y: y * ((y >= 0) & (y <= 1)) + y * ((y < -1) | ~(y < 2)), 1, 3),
    "equal": (lambda y: y * (y == y.detach().clamp(min=0)) + y * (y != 0), 1, 3),
    "masked-fill": (lambda y: y.masked_fill(y < 0, 0.5), 1, 2),
    # reductions
    "sum": (lambda y: y * y.sum(), 1, 8),
    "sum-of-repeated": (lambda y: y.sum(1, keepdim=True).expand(-1, 4).sum(0) * y, 1, 8),
    "mean": (lambda y: y - y.mean(0) * y.mean(1, keepdim=True), 1, 4),
    "variance": (lambda y: y * y.var(1, unbiased=False, keepdim=True) / 4, 1, 8),
    "deviation": (lambda y: y / (1 + y.std(1, keepdim=True)), 3, 8),
    "norm": (lambda y: y / (1 + y.norm(dim=1, keepdim=True)), 3, 7),
    "norm-1": (lambda y: y / (1 + torch.linalg.vector_norm(y, 1)), 2, 9),
    "amax": (lambda y: y - y.amax(1, keepdim=True), 1, 2),
    "amin-of-three": (lambda y: y[:, :3].amin(1, keepdim=True) * y, 1, 4),
    # matrices
    "matmul": (lambda y: y @ y.t() @ y / 8, 4, 16),
    "batched": (lambda y: (y.view(-1, 2, 2) @ y.view(-1, 2, 2)).flatten(1), 1, 4),
    "einsum": (lambda y: torch.einsum("bi,bj->bij", y, y).sum(2), 1, 4),
    "vector": (lambda y: y * (y @ _WEIGHTS.to(y.dtype)).unsqueeze(1), 1, 6),
    "broadcast-operand": (lambda y: y.sum(1, keepdim=True).expand(-1, 4) @ y.t() / 8, 1, 6),
    # moves
    "slices": (lambda y: torch.cat([y[:, 2:], y[:, :2] * 2], 1), 1, 3),
    "select": (lambda y: y * y[:, 1].unsqueeze(1), 1, 4),
    "split": (lambda y: torch.cat(torch.split(y, 2, 1)[::-1], 1), 1, 2),
    "chunk": (lambda y: (y.chunk(2, 1)[0] * y.chunk(2, 1)[1]).repeat(1, 2), 1, 4),
    "unbind-stack": (lambda y: torch.stack(y.unbind(1)[::-1], 1), 1, 2),
    "stack-zeros": (lambda y: torch.stack([y, torch.zeros_like(y)], 1).sum(1), 1, 2),
    "permute": (lambda y: y.view(-1, 2, 2).permute(0, 2, 1).flatten(1), 1, 2),
    "flip-roll": (lambda y: y.flip(1).roll(1, 1), 1, 2),
    "gather-fixed": (lambda y: y[:, _ORDER] * y, 1, 4),
    "write-fixed": (lambda y: y + torch.zeros_like(y).index_put(_PLACES, y[:1, 0]), 1, 4),
    "pad": (lambda y: functional.pad(y, (1, 0))[:, :4] * y, 1, 4),
    "triangle": (lambda y: torch.tril(y.t() @ y)[:1].expand(len(y), -1), 1, 12),
    "positions": (lambda y: y * torch.arange(4) + torch.linspace(0, 1, 4), 2, 4),
}


@pytest.mark.parametrize("name", CASES)
def test_follows_torch(differential: Make, name: str) -> None:
    function, forward, backward = CASES[name]
    case = differential(function)

    @settings(max_examples=6, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.25, 0.5, 1.0]))
    def holds(seed: int, spread: float) -> None:
        output, gradient = case.errors(seed, spread=spread)
        assert output <= forward
        assert gradient <= backward

    holds()
