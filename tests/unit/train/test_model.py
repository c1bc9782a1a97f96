"""The model: what can be proven is accepted, everything else is refused by its reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError, ModelError
from zkdescent.train.data import Dataset
from zkdescent.train.losses import Loss, declared_loss, load_loss
from zkdescent.train.model import (
    build_model,
    check_model,
    flat_parameters,
    unflatten,
    with_parameters,
)

MakeProject = Callable[..., Project]
DATA = Dataset.of(np.random.default_rng(0).normal(size=(6, 2)), [0, 1, 0, 1, 1, 0])
MSE, BCE = declared_loss("mse"), declared_loss("bce")


def build(project: Project, data: Dataset = DATA) -> nn.Module:
    return build_model(project, data, load_loss(project))


def test_the_seed_decides_the_initial_values(make_project: MakeProject) -> None:
    state = torch.random.get_rng_state()
    one = flat_parameters(build(make_project(train="seed = 1"))).vector
    same = flat_parameters(build(make_project(train="seed = 1"))).vector
    other = flat_parameters(build(make_project(train="seed = 2"))).vector
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_factory_arguments_reach_the_factory(make_project: MakeProject) -> None:
    wide = Dataset.of(np.zeros((4, 3)), np.zeros(4))
    assert flat_parameters(build(make_project(args="{ n = 3 }"), wide)).shapes == ((1, 3), (1,))
    with pytest.raises(ModelError, match="raised TypeError") as caught:
        build(make_project(args="{ widht = 3 }"))
    assert "widht=3" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('boom')", "raised ValueError"),
        ("return 3", "something else than a module"),
        ("return nn.ReLU()", "no parameters"),
        ("return nn.Linear(3, 1)", "failed on a batch"),
        ("return nn.Linear(2, 2)", "does not fit loss = 'mse'"),
        ("return nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))", "does not fit loss = 'mse'"),
        ("return nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))", "two outputs for one input"),
        ("return nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))", "state outside"),
        ("return nn.Linear(2, 1).requires_grad_(False)", "not trained"),
        ("return nn.LSTM(2, 1)", "something else than a tensor"),
        (
            "m = nn.Linear(2, 1)\n    m.spare = nn.Linear(2, 1)\n    return m",
            "does not depend on some parameters",
        ),
        (
            "m = nn.Linear(2, 1)\n    nn.init.constant_(m.weight, float('nan'))\n    return m",
            "not finite",
        ),
    ],
)
def test_a_model_that_cannot_be_proven(make_project: MakeProject, body: str, message: str) -> None:
    source = f"from torch import nn\ndef build():\n    {body}\n"
    with pytest.raises(ModelError, match=message) as caught:
        build(make_project(files={"model.py": source}))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(2, 1),
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)),
        nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 1)),
    ],
)
@pytest.mark.parametrize("loss", [MSE, BCE])
def test_models_that_fit(module: nn.Module, loss: Loss) -> None:
    before = flat_parameters(module).vector
    check_model(module, DATA, loss, batch_size=32)  # more than there are rows
    assert np.array_equal(flat_parameters(module).vector, before)
    assert all(p.grad is None for p in module.parameters())


def test_the_output_must_fit_the_loss_and_the_message_says_how() -> None:
    with pytest.raises(ModelError) as caught:
        check_model(nn.Linear(2, 3), DATA, BCE, batch_size=4)
    assert caught.value.expected == "shape (4, 1): one logit per row"
    assert caught.value.got == "shape (4, 3)"
    assert caught.value.hint == "the last layer needs 1 output feature(s)"
    squeezed = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    with pytest.raises(ModelError) as caught:
        check_model(squeezed, DATA, BCE, batch_size=4)
    assert "squeeze" in (caught.value.hint or "")
    two = Dataset.of(DATA.features, np.zeros((6, 2)))
    check_model(nn.Linear(2, 2), two, MSE, batch_size=4)


def test_a_custom_loss_is_loaded_and_checked(make_project: MakeProject) -> None:
    huber = "import torch\ndef huber(p, t):\n    return torch.nn.functional.huber_loss(p, t)\n"
    project = make_project(train='loss = "loss.py:huber"', files={"loss.py": huber})
    assert load_loss(project).task == "custom"
    build(project)
    for body, message in (
        ("return (p - t) ** 2", "returned no scalar"),
        ("return 1.0", "returned no scalar"),
        ("raise IndexError('x')", "raised IndexError"),
        ("return t.mean()", "does not depend on the model"),
    ):
        files = {"loss.py": f"def huber(p, t):\n    {body}\n"}
        with pytest.raises(ModelError, match=message):
            build(make_project(train='loss = "loss.py:huber"', files=files))
    with pytest.raises(ConfigError, match="does not define"):
        load_loss(make_project(train='loss = "loss.py:hubert"', files={"loss.py": huber}))


def test_flat_parameters_there_and_back() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    flat = flat_parameters(module)
    assert flat.names == ("0.weight", "0.bias", "2.weight", "2.bias")
    assert flat.shapes == ((3, 2), (3,), (1, 3), (1,))
    assert flat.vector.shape == (13,)
    for name, value in unflatten(flat.vector, flat.names, flat.shapes).items():
        assert torch.equal(value, dict(module.named_parameters())[name])
    moved = with_parameters(module, flat.vector + 1.0)
    assert np.allclose(flat_parameters(moved).vector, flat.vector + 1.0, atol=1e-6)
    assert np.array_equal(flat_parameters(module).vector, flat.vector)
    for length in (12, 14):
        with pytest.raises(ModelError, match="wrong length"):
            with_parameters(module, np.zeros(length))
