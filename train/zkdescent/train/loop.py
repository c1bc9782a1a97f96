"""Float training over the same batch blocks that are proven, with torch.optim where it can.

It finds out whether the hyperparameters work, in seconds, before anything is proven. The proven
trajectory is the fixed-point one; with the same blocks in the same order the two stay close, and
:class:`~zkdescent.train.metrics.History` describes both.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zkdescent.core.config import TrainTable
from zkdescent.core.errors import ConfigError
from zkdescent.train._arrays import FloatArray
from zkdescent.train.data import PreparedData
from zkdescent.train.losses import Loss
from zkdescent.train.metrics import Evaluation, History, evaluate
from zkdescent.train.model import FlatParameters, flat_parameters
from zkdescent.train.optimizers import rule_of
from zkdescent.train.optimizers.twin import Descent


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is: ``step`` of ``steps`` done, the batch's loss, the latest evaluation."""

    step: int
    steps: int
    batch_loss: float
    evaluation: Evaluation


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, eq=False)
class FloatTraining:
    """The result: the trajectory, parameters after the last and after the best step, and which.

    The best step has the lowest validation loss of all evaluations (training loss if nothing is
    held back). ``stopped_early`` tells that the steps after it were cut short by patience.
    """

    history: History
    final: FlatParameters
    best: FlatParameters
    best_step: int
    stopped_early: bool


def train_float(
    module: nn.Module,
    loss: Loss,
    data: PreparedData,
    *,
    blocks: FloatArray,
    order: Sequence[int],
    settings: TrainTable,
    progress: ProgressCallback | None = None,
    fraction_bits: int | None = None,
) -> FloatTraining:
    """Train a copy of ``module``; the given one keeps its initial (genesis) values.

    Args:
        blocks: batch blocks (blocks_per_epoch, K, batch_size, d + t).
        order: indices of blocks in the order of visits; its steps are ``len(order) * K``.
        settings: the update rule, evaluate_every and early_stopping are used.
        progress: called after each step.
        fraction_bits: of the circuit, whose epsilon is then used here as well; None: as declared.

    Raises:
        ConfigError: an index out of range, no blocks to visit, early stopping with nothing held
            back, or a loss that stops being finite (the step is named).
    """
    _check_order(order, len(blocks))
    if settings.early_stopping and not len(data.validation):
        raise ConfigError(
            "early stopping needs rows held back for validation",
            expected="[data] validation above 0",
            got=0,
            hint="set [data] validation, or [train] early_stopping = 0",
        )
    module = copy.deepcopy(module).train()
    descent = Descent(module, rule_of(settings, fraction_bits=fraction_bits))
    features = data.train.features.shape[1]
    steps_per_block, total = blocks.shape[1], len(order) * blocks.shape[1]
    evaluations = [evaluate(module, loss, data.train, data.validation, step=0)]
    best, best_step, patience_used, stopped = flat_parameters(module), 0, 0, False
    batch_losses: list[float] = []

    for step in range(1, total + 1):
        block = blocks[order[(step - 1) // steps_per_block]]
        batch = torch.tensor(block[(step - 1) % steps_per_block], dtype=torch.float32)
        batch_loss = _descend(module, loss, descent, batch, features)
        batch_losses.append(batch_loss)
        _check_finite(batch_loss, step, settings)
        if step % settings.evaluate_every == 0 or step == total:
            latest = evaluate(module, loss, data.train, data.validation, step=step)
            # The last update's effect shows first here: no later batch would catch it.
            _check_finite(latest.train.loss, step, settings)
            if _judged(latest) < min(_judged(e) for e in evaluations):
                best, best_step, patience_used = flat_parameters(module), step, 0
            else:
                patience_used += 1
            evaluations.append(latest)
            stopped = 0 < settings.early_stopping <= patience_used and step < total
        if progress is not None:
            progress(Progress(step, total, batch_loss, evaluations[-1]))
        if stopped:
            break

    history = History(
        task=loss.task,
        loss=loss.name,
        evaluations=tuple(evaluations),
        batch_losses=tuple(batch_losses),
    )
    return FloatTraining(history, flat_parameters(module), best, best_step, stopped)


def _descend(
    module: nn.Module,
    loss: Loss,
    descent: Descent,
    batch: Tensor,  # (batch_size, d + t)
    features: int,
) -> float:
    module.zero_grad(set_to_none=True)
    value = loss.function(module(batch[:, :features]), batch[:, features:])
    value.backward()  # type: ignore[no-untyped-call]
    descent.step()
    return float(value.detach())


def _judged(evaluation: Evaluation) -> float:
    return (evaluation.validation or evaluation.train).loss


def _check_order(order: Sequence[int], count: int) -> None:
    if not order:
        raise ConfigError("there are no blocks to visit", expected="1 or more", got=0)
    for index in order:
        if not 0 <= index < count:
            raise ConfigError("no such batch block", expected=f"0 to {count - 1}", got=index)


def _check_finite(value: float, step: int, settings: TrainTable) -> None:
    if not math.isfinite(value):
        raise ConfigError(
            f"float training diverged at step {step}: the loss is {value}",
            expected="a finite loss",
            got=f"learning_rate = {settings.learning_rate}",
            hint=f"try [train] learning_rate = {settings.learning_rate / 10:g}, and "
            "[data] standardize = true",
        )
