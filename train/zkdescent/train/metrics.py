"""What is measured of a model: loss, and what a person understands better than a loss.

One definition serves the float and the proven trajectory, so that they can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zkdescent.core.records import Record
from zkdescent.train.data import Dataset
from zkdescent.train.losses import Loss, Task
from zkdescent.train.model import tensors_of

HEADLINE: dict[Task, str] = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "regression": "r2",
    "custom": "loss",
}
"""The metric that a summary shows, by task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics(Record):
    """Loss, and by task: ``accuracy`` in [0, 1], or ``rmse`` (units of the target) and ``r2``."""

    loss: float
    values: dict[str, float] = field(default_factory=dict)

    def get(self, name: str) -> float:
        """Return a metric by name; ``loss`` is one."""
        return self.loss if name == "loss" else self.values[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Record):
    """Metrics after ``step`` update steps; ``validation`` is None if nothing is held back."""

    step: int
    train: Metrics
    validation: Metrics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Record):
    """A trajectory: evaluations by step (the first is step 0) and the loss of every mini-batch.

    ``batch_losses[i]`` is the loss of step i before its update.
    """

    task: str
    loss: str
    evaluations: tuple[Evaluation, ...]
    batch_losses: tuple[float, ...] = ()

    @property
    def last(self) -> Evaluation:
        """The evaluation after the last step."""
        return self.evaluations[-1]


def evaluate(
    module: nn.Module, loss: Loss, train: Dataset, validation: Dataset, *, step: int
) -> Evaluation:
    """Measure a module on both parts, without gradients; ``validation`` may be empty."""
    held_back = measure(module, loss, validation) if len(validation) else None
    return Evaluation(step=step, train=measure(module, loss, train), validation=held_back)


def measure(module: nn.Module, loss: Loss, data: Dataset) -> Metrics:
    """Measure a module on a dataset of at least one row."""
    x, y = tensors_of(data)
    with torch.no_grad():
        output = module(x)
        value = float(loss.function(output, y))
    return Metrics(loss=value, values=metrics_of(output, y, loss.task))


def metrics_of(output: Tensor, target: Tensor, task: Task) -> dict[str, float]:
    """Return the metrics of a task for outputs and targets of shape (n, t)."""
    output, target = output.to(torch.float64), target.to(torch.float64)
    if task == "binary":
        # A logit of 0 is a probability of 1/2: counted as class 0.
        return {"accuracy": float(((output > 0) == (target > 0.5)).double().mean())}
    if task == "multiclass":
        hit = output.argmax(dim=1) == target.argmax(dim=1)
        return {"accuracy": float(hit.double().mean())}
    if task == "regression":
        residual = ((output - target) ** 2).sum(dim=0)
        spread = ((target - target.mean(dim=0)) ** 2).sum(dim=0)
        # A constant target has no variance to explain: 1 if hit exactly, else 0 (as scikit-learn).
        explained = torch.where(
            spread > 0, 1 - residual / spread.clamp(min=1e-300), (residual == 0).double()
        )
        rmse = ((output - target) ** 2).mean().sqrt()
        return {"r2": float(explained.mean()), "rmse": float(rmse)}
    return {}
