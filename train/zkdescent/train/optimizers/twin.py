"""The float twin of a declared update: torch.optim where torch has the optimizer.

Where it has not (LAMB, signSGD, Lion) the rule's own update is applied. Penalties, clipping and
the rate of each step are the rule's in both cases.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zkdescent.train.optimizers.adam import Adam, AdamW
from zkdescent.train.optimizers.adaptive import Adagrad, RmsProp
from zkdescent.train.optimizers.base import Optimizer
from zkdescent.train.optimizers.descent import Momentum, Nesterov, Sgd
from zkdescent.train.optimizers.rule import UpdateRule


def torch_optimizer(
    optimizer: Optimizer, parameters: list[Tensor], learning_rate: float
) -> torch.optim.Optimizer | None:
    """Return torch's own implementation of an optimizer, or None where torch has none."""
    lr, o = learning_rate, optimizer
    # By name: LAMB is a subclass of Adam, and signSGD of SGD, but they are not those.
    if isinstance(o, Sgd) and o.name == "sgd":
        return torch.optim.SGD(parameters, lr=lr, weight_decay=o.weight_decay)
    if isinstance(o, Momentum):
        return torch.optim.SGD(
            parameters,
            lr=lr,
            momentum=o.mu,
            weight_decay=o.weight_decay,
            nesterov=isinstance(o, Nesterov),
        )
    if isinstance(o, Adagrad):
        return torch.optim.Adagrad(
            parameters,
            lr=lr,
            eps=o.epsilon,
            weight_decay=o.weight_decay,
            initial_accumulator_value=o.initial_accumulator,
        )
    if isinstance(o, RmsProp):
        return torch.optim.RMSprop(
            parameters, lr=lr, alpha=o.alpha, eps=o.epsilon, weight_decay=o.weight_decay
        )
    if isinstance(o, Adam) and o.name in ("adam", "adamw"):
        kind = torch.optim.AdamW if isinstance(o, AdamW) else torch.optim.Adam
        return kind(
            parameters,
            lr=lr,
            betas=(o.beta1, o.beta2),
            eps=o.epsilon,
            weight_decay=o.weight_decay,
        )
    return None


class Descent:
    """Applies a rule to a module's parameters, in place, from their ``grad``."""

    def __init__(self, module: nn.Module, rule: UpdateRule) -> None:
        self._rule = rule
        self._parameters = dict(module.named_parameters())
        self._slots = rule.optimizer.init(self._values())
        self._steps = 0
        self._torch = torch_optimizer(
            rule.optimizer, list(self._parameters.values()), rule.learning_rate
        )

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters; their gradients are those of the loss alone."""
        rate = self._rule.learning_rate * self._rule.schedule.factor(self._steps)
        self._steps += 1
        params = self._values()
        found = {n: p.grad for n, p in self._parameters.items() if p.grad is not None}
        grads = self._rule.shaped(params, found)
        if self._torch is None:
            moved, self._slots = self._rule.optimizer.update(params, grads, self._slots, rate)
            for name, parameter in self._parameters.items():
                parameter.copy_(moved[name].reshape(parameter.shape))
            return
        for name, parameter in self._parameters.items():
            parameter.grad = grads[name]
        for group in self._torch.param_groups:
            group["lr"] = rate
        self._torch.step()

    def _values(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self._parameters.items()}
