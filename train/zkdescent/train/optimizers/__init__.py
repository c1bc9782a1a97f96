"""The declared optimizers: pure functions from (params, grads, slots, learning rate) to the next.

Example:
    >>> import torch
    >>> optimizer = make_optimizer("momentum", momentum=0.5)
    >>> params = {"w": torch.tensor([1.0])}
    >>> slots = optimizer.init(params)
    >>> grads = {"w": torch.tensor([2.0])}
    >>> params, slots = optimizer.update(params, grads, slots, 0.25)
    >>> params["w"].item(), slots["velocity"]["w"].item()
    (0.5, 2.0)
"""

from __future__ import annotations

from zkdescent.train.optimizers.adam import Adam, AdamW
from zkdescent.train.optimizers.adaptive import Adagrad, RmsProp
from zkdescent.train.optimizers.base import Bits, Optimizer, Slots, Tensors
from zkdescent.train.optimizers.descent import Momentum, Nesterov, Sgd
from zkdescent.train.optimizers.lamb import Lamb
from zkdescent.train.optimizers.registry import OPTIMIZERS, make_optimizer
from zkdescent.train.optimizers.rule import (
    FlatState,
    UpdateRule,
    described,
    optimizer_of,
    rule_of,
)
from zkdescent.train.optimizers.sign import Lion, SignSgd

__all__ = [
    "OPTIMIZERS",
    "Adagrad",
    "Adam",
    "AdamW",
    "Bits",
    "FlatState",
    "Lamb",
    "Lion",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RmsProp",
    "Sgd",
    "SignSgd",
    "Slots",
    "Tensors",
    "UpdateRule",
    "described",
    "make_optimizer",
    "optimizer_of",
    "rule_of",
]
