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
Task = Literal["regression", "binary", "custom"]


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


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss with its name and the task it stands for, which decides outputs and metrics.

    ``regression``: outputs (n, t) like the targets. ``binary``: outputs (n, 1), logits. ``custom``:
    the user's function decides; only the loss itself is reported.
    """

    name: str
    task: Task
    function: LossFunction


_DECLARED = {"mse": Loss("mse", "regression", mse), "bce": Loss("bce", "binary", bce)}


def declared_loss(name: str) -> Loss:
    """Return a declared loss by name.

    Raises:
        ConfigError: unknown name.
    """
    if name not in _DECLARED:
        raise ConfigError(
            "there is no such loss",
            expected="mse, bce or FILE.py:function",
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
