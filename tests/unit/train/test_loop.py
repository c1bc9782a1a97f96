"""Float training: the declared steps over the declared blocks, and when it stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error
from torch import nn

from zkdescent.core.config import TrainTable
from zkdescent.core.errors import ConfigError
from zkdescent.core.records import canonical_json, parse_json
from zkdescent.train.blocks import batch_blocks
from zkdescent.train.data import Dataset, PreparedData, Standardizer, split
from zkdescent.train.loop import FloatTraining, Progress, train_float
from zkdescent.train.losses import declared_loss
from zkdescent.train.metrics import History, evaluate, metrics_of
from zkdescent.train.model import flat_parameters, with_parameters
from zkdescent.train.optimizers import optimizer_of


def prepared(validation: float = 0.25, binary: bool = False) -> PreparedData:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.01 * rng.normal(size=64)
    data = Dataset.of(x, (y > 0).astype(float) if binary else y)
    train, held_back = split(data, validation=validation, seed=0)
    return PreparedData(train, held_back, Standardizer.fit(train))


def settings(**changes: Any) -> TrainTable:
    return TrainTable(**{"learning_rate": 0.1, "batch_size": 8, "steps": 12, **changes})


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def train(
    config: TrainTable, data: PreparedData, *, order: list[int] | None = None, **options: Any
) -> FloatTraining:
    blocks = batch_blocks(data.train, config.batch_size, 2, config.seed)
    order = [i % len(blocks) for i in range(config.steps // 2)] if order is None else order
    loss = declared_loss(config.loss)
    return train_float(linear(), loss, data, blocks=blocks, order=order, settings=config, **options)


@pytest.mark.parametrize(("loss", "metric"), [("mse", "r2"), ("bce", "accuracy")])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_training_learns(loss: str, metric: str, optimizer: str) -> None:
    rate = {"sgd": 0.1, "momentum": 0.02}[optimizer] * {"mse": 1, "bce": 10}[loss]
    config = settings(loss=loss, optimizer=optimizer, steps=40, learning_rate=rate)
    result = train(config, prepared(binary=loss == "bce"))
    history = result.history
    assert [e.step for e in history.evaluations] == list(range(41))
    assert len(history.batch_losses) == 40
    assert history.last.validation is not None
    assert history.last.validation.get(metric) > 0.85
    assert history.last.train.loss < history.evaluations[0].train.loss / 2
    assert not result.stopped_early


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_the_loop_equals_the_pure_update_over_the_same_blocks(optimizer: str) -> None:
    config, data = settings(optimizer=optimizer), prepared()
    order = [2, 0, 1, 2, 2, 0]
    result = train(config, data, order=order)
    blocks = batch_blocks(data.train, 8, 2, 0)
    rule, loss, module = optimizer_of(config), declared_loss("mse").function, linear()
    params = {name: p.detach() for name, p in module.named_parameters()}
    slots = rule.init(params)
    for batch in torch.tensor(blocks[order].reshape(-1, 8, 4), dtype=torch.float32):
        x, y = batch[:, :3], batch[:, 3:]
        grads = torch.func.grad(
            lambda p, x=x, y=y: loss(torch.func.functional_call(module, p, (x,)), y)
        )(params)
        params, slots = rule.update(params, grads, slots, config.learning_rate)
    expected = np.concatenate([p.reshape(-1).numpy() for p in params.values()])
    assert np.allclose(result.final.vector, expected, rtol=1e-5, atol=1e-6)


def test_the_given_module_keeps_its_genesis_values() -> None:
    data, module = prepared(), linear()
    before = flat_parameters(module).vector
    blocks = batch_blocks(data.train, 8, 2, 0)
    loss = declared_loss("mse")
    results = [
        train_float(module, loss, data, blocks=blocks, order=[0, 1], settings=settings())
        for _ in range(2)
    ]
    assert np.array_equal(flat_parameters(module).vector, before)
    assert results[0].history == results[1].history


def test_evaluation_every_few_steps_always_has_the_first_and_the_last() -> None:
    result = train(settings(evaluate_every=5), prepared())
    assert [e.step for e in result.history.evaluations] == [0, 5, 10, 12]


def test_progress_is_called_after_each_step() -> None:
    seen: list[Progress] = []
    train(settings(), prepared(), progress=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert all(p.steps == 12 for p in seen)


def test_early_stopping_reports_the_best_step() -> None:
    # The step size bounces: validation loss soon stops improving.
    config = settings(learning_rate=0.72, steps=40, early_stopping=3)
    data = prepared()
    result = train(config, data)
    assert result.stopped_early
    steps = len(result.history.batch_losses)
    assert result.best_step == steps - 3
    losses = {e.step: e.validation.loss for e in result.history.evaluations if e.validation}
    assert losses[result.best_step] == min(losses.values())
    best = with_parameters(linear(), result.best.vector)
    again = evaluate(best, declared_loss("mse"), data.train, data.validation, step=0)
    assert again.validation is not None
    assert again.validation.loss == losses[result.best_step]
    assert not train(settings(learning_rate=0.72, steps=40), data).stopped_early


def test_without_validation_training_works_but_early_stopping_does_not() -> None:
    result = train(settings(), prepared(validation=0.0))
    assert result.history.last.validation is None
    with pytest.raises(ConfigError, match="early stopping needs rows"):
        train(settings(early_stopping=1), prepared(validation=0.0))


def test_divergence_names_the_step_and_a_smaller_learning_rate() -> None:
    with pytest.raises(ConfigError, match=r"diverged at step \d+") as caught:
        train(settings(learning_rate=1e12, steps=30), prepared())
    assert "1e+11" in (caught.value.hint or "")


@pytest.mark.parametrize("order", [[], [99], [-1]])
def test_an_order_that_leaves_the_blocks_is_refused(order: list[int]) -> None:
    with pytest.raises(ConfigError):
        train(settings(), prepared(), order=order)


def test_metrics_equal_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    output, target = rng.normal(size=(2, 30, 2))
    got = metrics_of(torch.tensor(output), torch.tensor(target), "regression")
    assert got["r2"] == pytest.approx(r2_score(target, output))
    mean_square = np.mean(root_mean_squared_error(target, output, multioutput="raw_values") ** 2)
    assert got["rmse"] == pytest.approx(np.sqrt(mean_square))
    logits, labels = output[:, :1], (target[:, :1] > 0).astype(float)
    got = metrics_of(torch.tensor(logits), torch.tensor(labels), "binary")
    assert got["accuracy"] == pytest.approx(accuracy_score(labels, logits > 0))
    assert metrics_of(torch.tensor(output), torch.tensor(target), "custom") == {}


@pytest.mark.parametrize(("output", "r2"), [(1.0, 1.0), (2.0, 0.0)])
def test_r2_of_a_constant_target_is_a_number(output: float, r2: float) -> None:
    got = metrics_of(torch.full((3, 1), output), torch.ones(3, 1), "regression")
    assert got["r2"] == r2


def test_a_history_survives_the_store() -> None:
    history = train(settings(), prepared()).history
    assert History.from_json(parse_json(canonical_json(history))) == history
