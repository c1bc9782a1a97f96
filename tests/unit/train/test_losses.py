"""The declared losses: equal to torch's with their gradients, and traceable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.metrics import accuracy_score, hinge_loss
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from zkdescent.core.config import DECLARED_LOSSES
from zkdescent.core.errors import ConfigError
from zkdescent.train.losses import bce, cross_entropy, declared_loss, hinge, huber, l1, mse
from zkdescent.train.metrics import HEADLINE, metrics_of

Function = Callable[[Tensor, Tensor], Tensor]


def _hinge(score: Tensor, target: Tensor) -> Tensor:
    """torch's own, for an embedding's distance: max(0, 1 - d) where the target is -1."""
    signed = torch.where(target > 0, score, -score)
    return nn.functional.hinge_embedding_loss(signed, -torch.ones_like(target))


@pytest.mark.parametrize(
    ("ours", "theirs", "columns"),
    [
        (mse, nn.functional.mse_loss, 2),
        (l1, nn.functional.l1_loss, 2),
        (huber, nn.functional.huber_loss, 2),
        (bce, nn.functional.binary_cross_entropy_with_logits, 1),
        (hinge, _hinge, 1),
        (cross_entropy, nn.functional.cross_entropy, 4),
    ],
)
def test_losses_equal_torchs_with_their_gradients(
    ours: Function, theirs: Function, columns: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    z = 4 * torch.randn(16, columns, generator=generator, dtype=torch.float64)
    y = (torch.rand(16, columns, generator=generator) > 0.5).double()
    if columns == 4:
        y = nn.functional.one_hot(torch.arange(16) % 4, 4).double()
    z[0], z[1] = 90.0, -90.0
    results = []
    for loss in (ours, theirs):
        leaf = z.clone().requires_grad_()
        value = loss(leaf, y)
        (gradient,) = torch.autograd.grad(value, leaf)
        results.append((value, gradient))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-12)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-12, atol=1e-15)


def test_hinge_equals_scikit_learns_on_zeros_and_ones() -> None:
    score = torch.tensor([[0.3], [-2.0], [1.5], [-0.1]], dtype=torch.float64)
    target = torch.tensor([[1.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
    expected = hinge_loss(target.ravel().numpy(), score.ravel().numpy(), labels=[0, 1])
    assert float(hinge(score, target)) == pytest.approx(expected)
    # Targets of -1 and 1 are another loss: they are not what is declared.
    assert float(hinge(score, 2 * target - 1)) != pytest.approx(expected)


def test_bce_is_finite_where_the_naive_form_overflows() -> None:
    z = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    value = bce(z, torch.tensor([[0.0], [1.0]]))
    assert torch.isfinite(value)
    value.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert torch.equal(z.grad, torch.tensor([[0.5], [-0.5]]))


@pytest.mark.parametrize("name", DECLARED_LOSSES)
def test_declared_losses_have_a_task_with_a_headline_and_can_be_traced(name: str) -> None:
    loss = declared_loss(name)
    assert loss.name == name
    assert loss.task in HEADLINE
    z, y = torch.randn(4, 3), torch.eye(4, 3)
    gradient = torch.func.grad(loss.function)
    traced = make_fx(gradient)(z, y)
    other = torch.randn(4, 3)
    assert torch.allclose(traced(other, y), gradient(other, y))


def test_accuracy_of_classes_equals_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(30, 4, generator=generator)
    labels = torch.arange(30) % 4
    target = nn.functional.one_hot(labels, 4).double()
    got = metrics_of(output, target, "multiclass")
    assert got["accuracy"] == pytest.approx(accuracy_score(labels, output.argmax(dim=1)))
    assert metrics_of(target, target, "multiclass") == {"accuracy": 1.0}
    score = torch.tensor([[0.2], [-0.2]])
    assert metrics_of(score, torch.tensor([[1.0], [1.0]]), "binary") == {"accuracy": 0.5}


def test_unknown_losses_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        declared_loss("mes")
    assert caught.value.hint == "did you mean 'mse'?"
