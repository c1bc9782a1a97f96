"""The declared losses: pure functions of (prediction, target) that return a scalar mean.

They are built of elementwise operations and one mean, so that torch.func can differentiate and
trace them and every traced operation has a fixed-point meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from zkdescent.core.config import Project
from zkdescent.core.errors import ConfigError, suggestion

LossFunction = Callable[[Tensor, Tensor], Tensor]
Task = Literal["regression", "binary", "multiclass", "custom"]


def mse(prediction: Tensor, target: Tensor) -> Tensor:  # (b, t), (b, t) -> ()
    """Return the mean squared error over all elements (as torch.nn.functional.mse_loss)."""
    difference = prediction - target
    return (difference * difference).mean()


def bce(logit: Tensor, target: Tensor) -> Tensor:  # (b, 1), (b, 1) in {0, 1} -> ()
    """Return the mean binary cross-entropy of logits, in nats.

    ``softplus(z) - z*y``; its gradient is ``(sigmoid(z) - y) / b`` (Goodfellow et al., Deep
    Learning, eq. 6.20-6.26), and traces to one sigmoid, which circuits look up.
    """
    return (functional.softplus(logit) - logit * target).mean()


def l1(prediction: Tensor, target: Tensor) -> Tensor:  # (b, t), (b, t) -> ()
    """Return the mean absolute error (as torch.nn.functional.l1_loss); slope 0 at 0."""
    return functional.l1_loss(prediction, target)


def huber(prediction: Tensor, target: Tensor) -> Tensor:  # (b, t), (b, t) -> ()
    """Return the mean Huber loss with delta 1 (as torch.nn.functional.huber_loss; Huber 1964)."""
    return functional.huber_loss(prediction, target)


def hinge(score: Tensor, target: Tensor) -> Tensor:  # (b, 1), (b, 1) in {0, 1} -> ()
    """Return the mean of ``max(0, 1 - s * score)``, s = 2y - 1 (Cortes and Vapnik 1995, eq. 30).

    Targets are 0 and 1 as for binary cross-entropy, so that the same data serve both.
    """
    return functional.relu(1 - (2 * target - 1) * score).mean()


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:  # (b, c), (b, c) -> ()
    """Return the mean cross-entropy, in nats, of logits with class probabilities.

    Targets are one-hot rows, one column a class (as torch.nn.functional.cross_entropy with
    probabilities): an index would not be a fixed-point number that a gradient can be made of.
    """
    return -(target * functional.log_softmax(logits, dim=-1)).sum(dim=-1).mean()


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss with its name and the task it stands for, which decides outputs and metrics.

    ``regression``: outputs (n, t) like the targets. ``binary``: outputs (n, 1), above 0 for class
    1. ``multiclass``: outputs (n, c) like the one-hot targets, the largest is the class.
    ``custom``: the user's function decides; only the loss itself is reported.
    """

    name: str
    task: Task
    function: LossFunction


_DECLARED = {
    "mse": Loss("mse", "regression", mse),
    "l1": Loss("l1", "regression", l1),
    "huber": Loss("huber", "regression", huber),
    "bce": Loss("bce", "binary", bce),
    "hinge": Loss("hinge", "binary", hinge),
    "cross_entropy": Loss("cross_entropy", "multiclass", cross_entropy),
}


def declared_loss(name: str) -> Loss:
    """Return a declared loss by name.

    Raises:
        ConfigError: unknown name.
    """
    if name not in _DECLARED:
        raise ConfigError(
            "there is no such loss",
            expected=f"{', '.join(_DECLARED)} or FILE.py:function",
            got=name,
            hint=suggestion(name, _DECLARED, what="losses"),
        )
    return _DECLARED[name]


def load_loss(project: Project) -> Loss:
    """Return the project's loss: a declared one, or the user's function.

    Raises:
        ConfigError: the function cannot be imported.
    """
    function = project.loss_function()
    name = project.config.train.loss
    return declared_loss(name) if function is None else Loss(name, "custom", function)
