"""``[train]`` and ``[train.schedule]``: the declared update step."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zkdescent.core._tables import (
    Count,
    Finite,
    NotNegative,
    Positive,
    Share,
    Table,
    refuse_others,
    require_reference,
    wrong,
)


class ScheduleTable(Table):
    """``[train.schedule]``: how the learning rate changes from one update step to the next.

    Names and meaning of the keys are those of torch.optim.lr_scheduler. ``warmup_steps`` comes
    first and counts for itself: the schedule proper begins at its step 0 after it.
    """

    kind: Literal["constant", "step", "exponential", "cosine"] = "constant"
    step_size: Count | None = None
    gamma: Annotated[Finite, Field(gt=0.0, lt=1.0)] | None = None
    t_max: Count | None = None
    eta_min: Annotated[Finite, Field(ge=0.0)] | None = None
    warmup_steps: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        used = {"step": ("step_size", "gamma"), "exponential": ("gamma",)}
        used["cosine"] = ("t_max", "eta_min")
        refuse_others(self, used.get(self.kind, ()), used.values(), f"kind = {self.kind!r}")
        needed = {"step": "step_size", "exponential": "gamma"}.get(self.kind)
        if needed is not None and getattr(self, needed) is None:
            raise wrong(needed, f"a value, because kind = {self.kind!r}", None)
        return self

    def smallest_factor(self, steps: int) -> float | None:
        """What a decay leaves of the learning rate at the last step; None if nothing decays away.

        A cosine is no decay in this sense: it is meant to end at ``eta_min``, which may be 0.
        """
        gamma = 0.1 if self.gamma is None else self.gamma
        last = steps - max(1, self.warmup_steps)
        if self.kind == "step" and self.step_size is not None:
            return float(gamma ** (last // self.step_size))
        return float(gamma**last) if self.kind == "exponential" else None


OPTIMIZER_DEFAULTS: dict[str, dict[str, float]] = {
    "sgd": {"weight_decay": 0.0},
    "momentum": {"momentum": 0.9, "weight_decay": 0.0},
    "nesterov": {"momentum": 0.9, "weight_decay": 0.0},
    "adagrad": {"epsilon": 1e-10, "initial_accumulator": 0.0, "weight_decay": 0.0},
    "rmsprop": {"alpha": 0.99, "epsilon": 1e-8, "weight_decay": 0.0},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    "adamw": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
    "lamb": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weight_decay": 0.0},
    "signsgd": {"weight_decay": 0.0},
    "lion": {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
}
"""The keys that each optimizer takes besides ``learning_rate``, with torch.optim's defaults.

Torch has no LAMB, signSGD and Lion: theirs are the papers'. Its SGD has no default momentum.
"""

DECLARED_LOSSES = ("mse", "l1", "huber", "bce", "hinge", "cross_entropy")
CLASSIFYING = ("bce", "hinge", "cross_entropy")
"""Losses whose targets are classes, which must not be standardised."""


class TrainTable(Table):
    """``[train]``: the declared update step, and how long it runs.

    ``steps``, ``batch_size``, loss, optimizer and schedule are proven as declared.
    ``early_stopping`` (patience in evaluations, 0: off) acts on float training only, to find a
    good ``steps``. What a key of an optimizer means and defaults to: `OPTIMIZER_DEFAULTS`.
    """

    loss: str = "mse"
    optimizer: Literal[
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop",
        "adam", "adamw", "lamb", "signsgd", "lion",
    ] = "sgd"  # fmt: skip
    learning_rate: Positive
    momentum: Share | None = None
    beta1: Share | None = None
    beta2: Share | None = None
    alpha: Share | None = None
    epsilon: Positive | None = None
    initial_accumulator: NotNegative | None = None
    weight_decay: NotNegative | None = None
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    clip_value: Positive | None = None
    clip_norm: Positive | None = None
    schedule: ScheduleTable = Field(default_factory=ScheduleTable)
    batch_size: Count
    steps: Count
    seed: int = Field(default=0, ge=0, lt=2**63)
    early_stopping: int = Field(default=0, ge=0)
    evaluate_every: Count = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.loss not in DECLARED_LOSSES:
            also = ", ".join(f"{name!r}" for name in DECLARED_LOSSES)
            require_reference("loss", self.loss, also=f"{also} or ")
        taken = OPTIMIZER_DEFAULTS[self.optimizer]
        because = f"optimizer = {self.optimizer!r}"
        refuse_others(self, tuple(taken), OPTIMIZER_DEFAULTS.values(), because)
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise wrong("momentum", "above 0, because optimizer = 'nesterov'", self.momentum)
        if self.clip_value is not None and self.clip_norm is not None:
            raise wrong("clip_norm", "either clip_value or clip_norm, not both", self.clip_norm)
        schedule = self.schedule
        if schedule.warmup_steps >= self.steps:
            key, got = "schedule.warmup_steps", schedule.warmup_steps
            raise wrong(key, f"less than steps = {self.steps}", got)
        if schedule.eta_min is not None and schedule.eta_min >= self.learning_rate:
            expected = f"less than learning_rate = {self.learning_rate:g}"
            raise wrong("schedule.eta_min", expected, schedule.eta_min)
        return self

    @property
    def optimizer_settings(self) -> dict[str, float]:
        """The keys that the optimizer takes, as given or by default."""
        settings = OPTIMIZER_DEFAULTS[self.optimizer]
        given = {key: getattr(self, key) for key in settings}
        return {key: settings[key] if v is None else float(v) for key, v in given.items()}

    @property
    def momentum_value(self) -> float:
        """The momentum factor: as given, 0.9 if not given, 0 for optimizers without one."""
        return self.optimizer_settings.get("momentum", 0.0)
