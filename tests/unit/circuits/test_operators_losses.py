"""Losses and regularisers against torch, in units of 2**-12; targets as each loss wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

Make = Callable[..., Any]
Loss = Callable[[Tensor, Tensor], Tensor]
Array = np.ndarray[Any, Any]


def real(y: Array) -> Array:
    return y


def binary(y: Array) -> Array:
    return (y > 0).astype(float)


def signs(y: Array) -> Array:
    return np.where(y > 0, 1.0, -1.0)


def one_hot(y: Array) -> Array:
    return np.asarray(np.eye(y.shape[1])[y.argmax(axis=1)])


def hinge(p: Tensor, y: Tensor) -> Tensor:
    return functional.relu(1 - y * p).mean()


def squared_hinge(p: Tensor, y: Tensor) -> Tensor:
    return torch.clamp(1 - y * p, min=0).square().mean()


def regularised(p: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(p, y) + 0.05 * p.abs().mean() + 0.125 * (p**2).sum()


def focal(p: Tensor, y: Tensor) -> Tensor:
    return ((1 - torch.sigmoid(p)) ** 2 * functional.softplus(-p) * y).mean()


CASES: dict[str, tuple[Loss, Callable[[Array], Array], float]] = {
    "mse": (functional.mse_loss, real, 3),
    "mse-sum": (lambda p, y: functional.mse_loss(p, y, reduction="sum"), real, 2),
    "root-mse": (lambda p, y: functional.mse_loss(p, y).sqrt(), real, 6),
    "l1": (functional.l1_loss, real, 2),
    "huber": (functional.huber_loss, real, 2),
    "huber-delta": (lambda p, y: functional.huber_loss(p, y, delta=0.5), real, 2),
    "smooth-l1": (functional.smooth_l1_loss, real, 2),
    "smooth-l1-beta": (lambda p, y: functional.smooth_l1_loss(p, y, beta=0.3), real, 3),
    "smooth-l1-zero": (lambda p, y: functional.smooth_l1_loss(p, y, beta=0.0), real, 2),
    "root-of-huber": (lambda p, y: (1 + functional.huber_loss(p, y)).sqrt(), real, 4),
    "bce-with-logits": (functional.binary_cross_entropy_with_logits, binary, 6),
    "bce-sum": (
        lambda p, y: functional.binary_cross_entropy_with_logits(p, y, reduction="sum"),
        binary,
        24,
    ),
    "cross-entropy": (functional.cross_entropy, one_hot, 4),
    "cross-entropy-smoothed": (
        lambda p, y: functional.cross_entropy(p, y, label_smoothing=0.1),
        one_hot,
        4,
    ),
    "cross-entropy-by-hand": (
        lambda p, y: -(y * functional.log_softmax(p, 1)).sum(1).mean(),
        one_hot,
        4,
    ),
    "divergence": (
        lambda p, y: functional.kl_div(functional.log_softmax(p, -1), y, reduction="batchmean"),
        one_hot,
        4,
    ),
    "hinge": (hinge, signs, 2),
    "squared-hinge": (squared_hinge, signs, 3),
    "soft-margin": (functional.soft_margin_loss, signs, 4),
    "regularised": (regularised, real, 8),
    "focal": (focal, binary, 12),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient_follows_torch(differential: Make, name: str) -> None:
    loss, target, bound = CASES[name]
    case = differential(torch.clone, loss)

    @settings(max_examples=6, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.25, 0.5, 1.0]))
    def holds(seed: int, spread: float) -> None:
        assert case.errors(seed, spread=spread, target=target)[1] <= bound

    holds()
