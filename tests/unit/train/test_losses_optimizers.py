"""The declared losses and optimizers: equal to torch's, step by step, and traceable."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from zkdescent.core.errors import ConfigError
from zkdescent.train.losses import bce, declared_loss, mse
from zkdescent.train.optimizers import Momentum, Sgd, Slots, Tensors, make_optimizer


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)).double()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (mse, nn.functional.mse_loss),
        (bce, nn.functional.binary_cross_entropy_with_logits),
    ],
)
def test_losses_equal_torchs_with_their_gradients(ours: object, theirs: object) -> None:
    generator = torch.Generator().manual_seed(1)
    z = 4 * torch.randn(16, 1, generator=generator, dtype=torch.float64)
    y = (torch.rand(16, 1, generator=generator) > 0.5).double()
    z[0], z[1] = 90.0, -90.0
    results = []
    for loss in (ours, theirs):
        leaf = z.clone().requires_grad_()
        value = loss(leaf, y)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(value, leaf)
        results.append((value, gradient))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-12)
    assert torch.allclose(results[0][1], results[1][1], rtol=1e-12, atol=1e-15)


def test_bce_is_finite_where_the_naive_form_overflows() -> None:
    z = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    value = bce(z, torch.tensor([[0.0], [1.0]]))
    assert torch.isfinite(value)
    value.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert torch.equal(z.grad, torch.tensor([[0.5], [-0.5]]))


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("loss_name", ["mse", "bce"])
def test_optimizers_equal_torch_optim_step_by_step(mu: float, loss_name: str) -> None:
    loss, module = declared_loss(loss_name).function, mlp()
    ours = make_optimizer("momentum" if mu else "sgd", momentum=mu)
    theirs_module = copy.deepcopy(module)
    theirs = torch.optim.SGD(theirs_module.parameters(), lr=0.3, momentum=mu)
    params = {name: p.detach().clone() for name, p in module.named_parameters()}
    slots = ours.init(params)
    rng = np.random.default_rng(0)
    for _ in range(12):
        x = torch.tensor(rng.normal(size=(8, 3)))
        y = torch.tensor(rng.integers(0, 2, size=(8, 1)).astype(float))

        def objective(p: Tensors, x: Tensor = x, y: Tensor = y) -> Tensor:
            return loss(torch.func.functional_call(module, p, (x,)), y)

        params, slots = ours.update(params, torch.func.grad(objective)(params), slots, 0.3)
        theirs.zero_grad()
        loss(theirs_module(x), y).backward()  # type: ignore[no-untyped-call]
        theirs.step()
        for name, p in theirs_module.named_parameters():
            assert torch.allclose(params[name], p.detach(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimizer", [Sgd(), Momentum(mu=0.9)])
@pytest.mark.parametrize("loss_name", ["mse", "bce"])
def test_an_update_step_can_be_traced(optimizer: Sgd | Momentum, loss_name: str) -> None:
    loss, module = declared_loss(loss_name).function, mlp()
    params = {name: p.detach() for name, p in module.named_parameters()}
    slots = optimizer.init(params)

    def step(p: Tensors, s: Slots, x: Tensor, y: Tensor) -> tuple[Tensors, Slots]:
        def objective(q: Tensors) -> Tensor:
            return loss(torch.func.functional_call(module, q, (x,)), y)

        return optimizer.update(p, torch.func.grad(objective)(p), s, 0.25)

    x, y = torch.randn(4, 3).double(), torch.ones(4, 1).double()
    traced = make_fx(step)(params, slots, x, y)
    other = torch.randn(4, 3).double()
    expected, got = step(params, slots, other, y), traced(params, slots, other, y)
    for name, value in expected[0].items():
        assert torch.allclose(got[0][name], value)


def test_updates_change_nothing_in_place() -> None:
    optimizer = Momentum(mu=0.5)
    params, grads = {"w": torch.ones(2)}, {"w": torch.ones(2)}
    slots = optimizer.init(params)
    optimizer.update(params, grads, slots, torch.tensor(0.5))
    assert torch.equal(params["w"], torch.ones(2))
    assert torch.equal(slots["velocity"]["w"], torch.zeros(2))
    assert tuple(slots) == optimizer.slot_names


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        make_optimizer("momentun")
    assert caught.value.hint == "did you mean 'momentum'?"
    with pytest.raises(ConfigError) as caught:
        declared_loss("mes")
    assert caught.value.hint == "did you mean 'mse'?"
