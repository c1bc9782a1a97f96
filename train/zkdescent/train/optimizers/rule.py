"""The whole update rule: penalties, clipping, schedule and optimizer, as one pure function.

In this order, as torch users write it: the gradient of loss plus penalties, clipping, the
optimizer with the rate of this step; then the schedule moves on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zkdescent.core.config import TrainTable
from zkdescent.train.clipping import clip_by_norm, clip_by_value
from zkdescent.train.optimizers.base import Bits, Optimizer, Slots, Tensors
from zkdescent.train.optimizers.registry import make_optimizer
from zkdescent.train.schedules import Schedule, schedule_of


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """A declared update.

    Attributes:
        l1, l2: the loss has ``l1 * sum |p| + l2 * sum p^2`` added, over all parameters.
        clip_value, clip_norm: None means not to clip.
        declared_epsilon: epsilon before it was raised to what the circuit can hold; None if the
            optimizer has none.
    """

    optimizer: Optimizer
    schedule: Schedule
    learning_rate: float
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    declared_epsilon: float | None = None

    def init(self, params: Tensors) -> Slots:
        """Return the optimizer's slots and the schedule's scalars before the first step."""
        like = next(iter(params.values()))
        return {**self.optimizer.init(params), **self.schedule.init(like)}

    def update(self, params: Tensors, grads: Tensors, slots: Slots) -> tuple[Tensors, Slots]:
        """Return parameters and slots after one step; ``grads`` are of the loss alone."""
        rate: float | Tensor = self.learning_rate
        if not self.schedule.constant:
            rate = rate * slots["rate"]["schedule"]
        moved, after = self.optimizer.update(params, self.shaped(params, grads), slots, rate)
        if not self.schedule.constant:
            scalars = {name: value for name, value in slots.items() if name not in after}
            after = {**after, **self.schedule.advance(scalars)}
        return moved, {slot: {name: after[slot][name] for name in slots[slot]} for slot in slots}

    def shaped(self, params: Tensors, grads: Tensors) -> Tensors:
        """Return the gradients with penalties added, clipped."""
        if self.l1:
            grads = {n: g + self.l1 * torch.sign(params[n]) for n, g in grads.items()}
        if self.l2:
            grads = {n: g + 2 * self.l2 * params[n] for n, g in grads.items()}
        if self.clip_value is not None:
            grads = clip_by_value(grads, self.clip_value)
        if self.clip_norm is not None:
            grads = clip_by_norm(grads, self.clip_norm)
        return grads

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return the fraction bits of each slot where parameters have ``fraction_bits``."""
        return {
            **self.optimizer.slot_bits(fraction_bits),
            **self.schedule.slot_bits(fraction_bits),
        }

    def flat(self, params: Tensors) -> FlatState:
        """Return the slots before the first step as the flat state has them."""
        slots = self.init(params)
        keys = tuple((slot, name) for slot in slots for name in slots[slot])
        return FlatState(self, tuple(params), keys, [slots[s][n] for s, n in keys])


@dataclass(frozen=True, slots=True, eq=False)
class FlatState:
    """Slots in state order, and the rule as a function of lists of tensors in that order.

    Attributes:
        parameters: names of the parameters, in state order.
        keys: slot and name of each slot tensor.
        initial: the slot tensors before the first step.
    """

    rule: UpdateRule
    parameters: tuple[str, ...]
    keys: tuple[tuple[str, str], ...]
    initial: list[Tensor]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the state: ``velocity.0.weight``, ``rate.schedule``."""
        return tuple(f"{slot}.{name}" for slot, name in self.keys)

    def bits(self, fraction_bits: int) -> tuple[int, ...]:
        """Fraction bits of each slot tensor."""
        by_slot = self.rule.slot_bits(fraction_bits)
        return tuple(by_slot[slot] for slot, _ in self.keys)

    def update(
        self, params: list[Tensor], grads: list[Tensor], slots: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return parameters and slots after one step."""
        grouped: Slots = {}
        for (slot, name), value in zip(self.keys, slots, strict=True):
            grouped.setdefault(slot, {})[name] = value
        moved, after = self.rule.update(
            dict(zip(self.parameters, params, strict=True)),
            dict(zip(self.parameters, grads, strict=True)),
            grouped,
        )
        return [moved[n] for n in self.parameters], [after[s][n] for s, n in self.keys]


def optimizer_of(train: TrainTable) -> Optimizer:
    """Return the optimizer that a project file declares, with epsilon as declared."""
    return make_optimizer(train.optimizer, **train.optimizer_settings)


def rule_of(train: TrainTable, *, fraction_bits: int | None = None) -> UpdateRule:
    """Return the update that a project file declares.

    Args:
        fraction_bits: of the parameters in the circuit; epsilon is raised to what survives there.
            None leaves it as declared.
    """
    optimizer = optimizer_of(train)
    return UpdateRule(
        optimizer=optimizer if fraction_bits is None else optimizer.fitted(fraction_bits),
        schedule=schedule_of(train, fraction_bits=fraction_bits or 12),
        learning_rate=train.learning_rate,
        l1=train.l1,
        l2=train.l2,
        clip_value=train.clip_value,
        clip_norm=train.clip_norm,
        declared_epsilon=getattr(optimizer, "epsilon", None),
    )


def described(rule: UpdateRule, train: TrainTable) -> dict[str, Any]:
    """Return the declared update as plain JSON: what a task commits to.

    ``epsilon`` is the declared one, ``epsilon_used`` what the circuit has in its place.
    """
    settings: dict[str, Any] = dict(train.optimizer_settings)
    if rule.declared_epsilon is not None:
        settings["epsilon_used"] = getattr(rule.optimizer, "epsilon", None)
    return {
        "optimizer": train.optimizer,
        "learning_rate": train.learning_rate,
        **settings,
        "l1": train.l1,
        "l2": train.l2,
        "clip_value": train.clip_value,
        "clip_norm": train.clip_norm,
        "schedule": train.schedule.model_dump(mode="json"),
    }
