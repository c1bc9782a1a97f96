"""The ten optimizers in float: torch.optim's trajectories where torch has them, or the papers'."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from zkdescent.core.config import TrainTable
from zkdescent.core.errors import ConfigError
from zkdescent.train.losses import declared_loss
from zkdescent.train.optimizers import (
    OPTIMIZERS,
    Adam,
    Lamb,
    Momentum,
    Nesterov,
    RmsProp,
    Slots,
    Tensors,
    described,
    make_optimizer,
    optimizer_of,
    rule_of,
)
from zkdescent.train.optimizers.base import smallest_epsilon
from zkdescent.train.optimizers.twin import Descent, torch_optimizer

STEPS = 100
Reals = NDArray[np.float64]


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)).double()


def batches(steps: int = STEPS) -> list[tuple[Tensor, Tensor]]:
    draw = np.random.default_rng(0)
    return [
        (torch.tensor(draw.normal(size=(8, 3))), torch.tensor(draw.normal(size=(8, 1))))
        for _ in range(steps)
    ]


def gradients(module: nn.Module, params: Tensors, x: Tensor, y: Tensor) -> Tensors:
    loss = declared_loss("mse").function

    def objective(p: Tensors) -> Tensor:
        return loss(torch.func.functional_call(module, p, (x,)), y)

    return torch.func.grad(objective)(params)  # type: ignore[no-any-return]


def start(module: nn.Module) -> Tensors:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


TORCH: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "sgd": ({}, torch.optim.SGD, {}),
    "sgd, decay": ({"weight_decay": 0.1}, torch.optim.SGD, {"weight_decay": 0.1}),
    "momentum": ({"momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8}),
    "momentum, decay": (
        {"weight_decay": 0.1},
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.1},
    ),
    "nesterov": ({}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "nesterov, decay": (
        {"momentum": 0.5, "weight_decay": 0.1},
        torch.optim.SGD,
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
    ),
    "adagrad": ({}, torch.optim.Adagrad, {}),
    "adagrad, start": (
        {"initial_accumulator": 0.3, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.Adagrad,
        {"initial_accumulator_value": 0.3, "eps": 1e-3, "weight_decay": 0.1},
    ),
    "rmsprop": ({}, torch.optim.RMSprop, {}),
    "rmsprop, alpha": (
        {"alpha": 0.9, "epsilon": 1e-3, "weight_decay": 0.1},
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adam": ({}, torch.optim.Adam, {}),
    "adam, betas": (
        {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-2, "weight_decay": 0.1},
        torch.optim.Adam,
        {"betas": (0.5, 0.9), "eps": 1e-2, "weight_decay": 0.1},
    ),
    "adamw": ({}, torch.optim.AdamW, {}),
    "adamw, decay": (
        {"weight_decay": 0.3, "epsilon": 1e-2},
        torch.optim.AdamW,
        {"weight_decay": 0.3, "eps": 1e-2},
    ),
}


def ours(name: str, settings: dict[str, Any], rate: float = 0.02) -> list[Tensors]:
    """Parameters after each of the steps under our own update."""
    module = mlp()
    optimizer = make_optimizer(name, **settings)
    params, trajectory = start(module), []
    slots = optimizer.init(params)
    for x, y in batches():
        grads = gradients(module, params, x, y)
        params, slots = optimizer.update(params, grads, slots, rate)
        trajectory.append(params)
    return trajectory


def distance(a: Tensors, b: Tensors) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("case", TORCH)
def test_the_update_reproduces_torchs_trajectory_with_torchs_defaults(case: str) -> None:
    settings, kind, torch_settings = TORCH[case]
    module = mlp()
    theirs = kind(module.parameters(), lr=0.02, **torch_settings)
    trajectory = ours(case.partition(",")[0], settings)
    for (x, y), params in zip(batches(), trajectory, strict=True):
        theirs.zero_grad()
        declared_loss("mse").function(module(x), y).backward()  # type: ignore[no-untyped-call]
        theirs.step()
        assert distance(params, start(module)) <= 1e-9


def test_another_setting_is_another_trajectory() -> None:
    for case, (settings, _, _) in TORCH.items():
        name = case.partition(",")[0]
        key = next(iter(optimizer_of(table(optimizer=name)).__dataclass_fields__))  # type: ignore[attr-defined]
        key = {"mu": "momentum"}.get(key, key)
        other = ours(name, settings | {key: 0.123})
        assert distance(other[-1], ours(name, settings)[-1]) > 1e-6, case


def table(**settings: Any) -> TrainTable:
    return TrainTable(**{"learning_rate": 0.02, "batch_size": 8, "steps": STEPS, **settings})


def _lamb(p: Reals, g: Reals, s: dict[str, Any], t: int, decay: float) -> Reals:
    """You et al. 2020, algorithm 2, written out."""
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    r = (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-6)
    u = r + decay * p
    return np.asarray(p - 0.02 * np.linalg.norm(p) / np.linalg.norm(u) * u)


def _lion(p: Reals, g: Reals, s: dict[str, Any], t: int, decay: float) -> Reals:
    """Chen et al. 2023, algorithm 2, written out."""
    m = s.get("m", 0 * g)
    s["m"] = 0.99 * m + 0.01 * g
    return np.asarray(p - 0.02 * (np.sign(0.9 * m + 0.1 * g) + decay * p))


def _signsgd(p: Reals, g: Reals, s: dict[str, Any], t: int, decay: float) -> Reals:
    """Bernstein et al. 2018, algorithm 1, on the loss with decay/2 |p|^2."""
    return np.asarray(p - 0.02 * np.sign(g + decay * p))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "paper"), [("lamb", _lamb), ("lion", _lion), ("signsgd", _signsgd)]
)
def test_optimizers_that_torch_lacks_are_the_papers(name: str, paper: Any, decay: float) -> None:
    module = mlp()
    theirs = start(module)
    slots: dict[str, dict[str, Any]] = {parameter: {} for parameter in theirs}
    trajectory = ours(name, {"weight_decay": decay})
    for t, ((x, y), params) in enumerate(zip(batches(), trajectory, strict=True), start=1):
        grads = gradients(module, theirs, x, y)
        theirs = {
            n: torch.tensor(paper(p.numpy(), grads[n].numpy(), slots[n], t, decay))
            for n, p in theirs.items()
        }
        assert distance(params, theirs) <= 1e-9


def test_the_trust_ratio_is_one_where_a_norm_is_zero() -> None:
    params = {"zero": torch.zeros(3), "still": torch.ones(3)}
    grads = {"zero": torch.ones(3), "still": torch.zeros(3)}
    optimizer = Lamb()
    moved, _ = optimizer.update(params, grads, optimizer.init(params), 0.5)
    assert torch.allclose(moved["zero"], torch.full((3,), -0.5), atol=1e-4)
    assert torch.equal(moved["still"], torch.ones(3))


def test_the_sign_of_zero_moves_nothing() -> None:
    params = {"w": torch.ones(2)}
    for name in ("signsgd", "lion"):
        optimizer = make_optimizer(name)
        grads = {"w": torch.tensor([0.0, 3.0])}
        moved, _ = optimizer.update(params, grads, optimizer.init(params), 0.5)
        assert moved["w"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_change_nothing_in_place_and_can_be_traced(name: str) -> None:
    optimizer, module = make_optimizer(name), mlp()
    params = start(module)
    slots = optimizer.init(params)
    assert tuple(slots) == optimizer.slot_names
    assert set(optimizer.slot_bits(12)) == set(optimizer.slot_names)

    def step(p: Tensors, s: Slots, x: Tensor, y: Tensor) -> tuple[Tensors, Slots]:
        return optimizer.update(p, gradients(module, p, x, y), s, 0.25)

    (x, y), (other, _) = batches(2)
    before = copy.deepcopy((params, slots))
    traced = make_fx(step)(params, slots, x, y)
    expected, got = step(params, slots, other, y), traced(params, slots, other, y)
    assert distance(expected[0], got[0]) <= 1e-12
    assert distance(params, before[0]) == 0
    assert all(distance(slots[s], before[1][s]) == 0 for s in slots)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"l1": 0.01, "l2": 0.02, "clip_norm": 0.5},
        {"clip_value": 0.2, "schedule": {"kind": "cosine", "warmup_steps": 10}},
    ],
)
def test_the_float_twin_equals_the_proven_rule(name: str, options: dict[str, Any]) -> None:
    rule = rule_of(table(optimizer=name, **options), fraction_bits=12)
    module = mlp()
    twin = copy.deepcopy(module)
    descent = Descent(twin, rule)
    params = start(module)
    slots = rule.init(params)
    for x, y in batches():
        params, slots = rule.update(params, gradients(module, params, x, y), slots)
        twin.zero_grad()
        declared_loss("mse").function(twin(x), y).backward()  # type: ignore[no-untyped-call]
        descent.step()
    assert distance(params, start(twin)) <= 1e-6


def test_penalties_are_those_of_the_loss() -> None:
    module, (x, y) = mlp(), batches(1)[0]
    loss = declared_loss("mse").function(module(x), y)
    for p in module.parameters():
        loss = loss + 0.3 * p.abs().sum() + 0.2 * (p * p).sum()
    expected = torch.autograd.grad(loss, list(module.parameters()))
    params = start(module)
    shaped = rule_of(table(l1=0.3, l2=0.2)).shaped(params, gradients(module, params, x, y))
    for got, want in zip(shaped.values(), expected, strict=True):
        assert torch.allclose(got, want, atol=1e-12)


def test_twins_are_torchs_where_torch_has_the_optimizer() -> None:
    weights = [torch.zeros(1, requires_grad=True)]
    kinds = {
        name: type(torch_optimizer(make_optimizer(name), weights, 0.1)).__name__
        for name in OPTIMIZERS
    }
    assert kinds == {
        "sgd": "SGD",
        "momentum": "SGD",
        "nesterov": "SGD",
        "adagrad": "Adagrad",
        "rmsprop": "RMSprop",
        "adam": "Adam",
        "adamw": "AdamW",
        "lamb": "NoneType",
        "signsgd": "NoneType",
        "lion": "NoneType",
    }


def test_the_state_is_flat_in_a_fixed_order_with_bits_for_each_tensor() -> None:
    rule = rule_of(table(optimizer="adam", schedule={"kind": "step", "step_size": 5}))
    flat = rule.flat({"w": torch.zeros(2, 3), "b": torch.zeros(2)})
    assert flat.names == (
        "first_moment.w",
        "first_moment.b",
        "second_moment.w",
        "second_moment.b",
        "correction.first",
        "correction.second",
        "rate.schedule",
        "decay.schedule",
        "count.period",
    )
    assert flat.bits(12) == (20, 20, 28, 28, 14, 14, 16, 20, 12)
    assert flat.bits(10)[:6] == (18, 18, 24, 24, 12, 12)


def test_the_least_epsilon_is_a_power_of_two_above_the_resolution() -> None:
    assert smallest_epsilon(28) == 2.0**-14
    assert smallest_epsilon(27) == 2.0**-14
    assert smallest_epsilon(36, 0.001) == 2.0**-13
    assert Adam().fitted(12).epsilon == 2.0**-14
    first_root = RmsProp().fitted(12).epsilon * np.sqrt(1 - 0.99)
    assert 2.0**-17 <= first_root < 2.0**-16
    assert Momentum().fitted(12) == Momentum()


def test_what_is_committed_to_says_both_epsilons() -> None:
    train = table(optimizer="adam", schedule={"kind": "cosine"})
    said = described(rule_of(train, fraction_bits=12), train)
    assert (said["epsilon"], said["epsilon_used"]) == (1e-8, 2.0**-14)
    assert (said["beta1"], said["beta2"], said["weight_decay"]) == (0.9, 0.999, 0.0)
    assert said["schedule"]["kind"] == "cosine"
    plain = described(rule_of(table(), fraction_bits=12), table())
    assert "epsilon" not in plain
    assert "epsilon_used" not in plain


def test_names_settings_and_kinds() -> None:
    assert make_optimizer("nesterov", momentum=0.5) == Nesterov(mu=0.5)
    assert make_optimizer("sgd", momentum=0.5) == make_optimizer("sgd")
    with pytest.raises(ConfigError) as caught:
        make_optimizer("momentun")
    assert caught.value.hint == "did you mean 'momentum'?"
    with pytest.raises(ConfigError) as caught:
        make_optimizer("adam", beta3=0.5)
    assert caught.value.hint is not None
    assert "beta" in caught.value.hint
