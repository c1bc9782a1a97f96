"""Clipping of gradients: what torch.nn.utils does in place."""

from __future__ import annotations

import pytest
import torch

from zkdescent.train.clipping import clip_by_norm, clip_by_value


def gradients(size: float) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: size * torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in (("w", (4, 3)), ("b", (4,)))
    }


def leaves(grads: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    made = []
    for g in grads.values():
        leaf = torch.zeros_like(g, requires_grad=True)
        leaf.grad = g.clone()
        made.append(leaf)
    return made


@pytest.mark.parametrize("size", [0.0, 0.01, 1.0, 50.0])
@pytest.mark.parametrize("limit", [0.1, 2.0])
def test_clipping_equals_torchs(size: float, limit: float) -> None:
    grads = gradients(size)
    for ours, theirs in (
        (clip_by_value, torch.nn.utils.clip_grad_value_),
        (clip_by_norm, torch.nn.utils.clip_grad_norm_),
    ):
        expected = leaves(grads)
        theirs(expected, limit)
        clipped = ours(grads, limit)
        for got, leaf in zip(clipped.values(), expected, strict=True):
            assert leaf.grad is not None
            assert torch.allclose(got, leaf.grad, rtol=2e-5, atol=1e-12)
    assert torch.equal(grads["w"], gradients(size)["w"])


def test_a_norm_below_the_limit_changes_nothing_and_one_above_is_the_limit() -> None:
    small, large = gradients(0.01), gradients(10.0)
    assert all(torch.equal(clip_by_norm(small, 1.0)[n], small[n]) for n in small)
    clipped = clip_by_norm(large, 1.0)
    norm = torch.cat([g.reshape(-1) for g in clipped.values()]).norm()
    assert float(norm) == pytest.approx(1.0)
    assert not torch.equal(clipped["w"], large["w"])
