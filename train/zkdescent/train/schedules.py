"""Learning-rate schedules, in closed form and as recurrences of scalars in the proven state.

The rate of update step t (counted from 0) is the declared learning rate times `Schedule.factor`
of t. Kinds and keys are those of torch.optim.lr_scheduler, and the rate changes where torch's
changes it when its ``step()`` is called after every update.

A circuit serves every step of a run, so it cannot contain t. The state holds what the next factor
follows from, and the factor itself: ``rate`` is what the coming update uses.

Example:
    >>> schedule = Schedule(kind="exponential", steps=4, gamma=0.5)
    >>> [schedule.factor(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from zkdescent.core.config import TrainTable
from zkdescent.train._slots import Bits, Slots, Tensors, positive


@dataclass(frozen=True, slots=True)
class Schedule:
    """The factor of the learning rate at each of ``steps`` update steps.

    ``warmup`` (w) makes the first w factors 1/w, 2/w, ..., 1. The schedule proper begins, with its
    step 0, where the warm-up reaches 1: n = max(0, t + 1 - w), or n = t without warm-up.

    | kind | factor | torch |
    |---|---|---|
    | constant | 1 | |
    | step | ``gamma ** (n // step_size)`` | StepLR |
    | exponential | ``gamma ** n`` | ExponentialLR |
    | cosine | ``floor + (1 - floor)(1 + cos(pi n / t_max)) / 2`` | CosineAnnealingLR |

    Attributes:
        floor: eta_min over the learning rate.
        tick_bits: counters count in units of 2^-tick_bits, the last place of the parameters, so
            that they stay small numbers: comparisons see magnitudes below 32.
    """

    kind: str = "constant"
    steps: int = 1
    step_size: int = 1
    gamma: float = 0.1
    t_max: int = 1
    floor: float = 0.0
    warmup: int = 0
    tick_bits: int = 12

    @property
    def constant(self) -> bool:
        """Whether the factor is 1 throughout, so that nothing need be in the state."""
        return self.kind == "constant" and self.warmup <= 1

    def factor(self, t: int) -> float:
        """Return the factor of update step t, counted from 0."""
        n = t if self.warmup == 0 else max(0, t + 1 - self.warmup)
        warm = 1.0 if self.warmup == 0 else min(t + 1, self.warmup) / self.warmup
        if self.kind == "step":
            return float(warm * self.gamma ** (n // self.step_size))
        if self.kind == "exponential":
            return float(warm * self.gamma**n)
        if self.kind == "cosine":
            wave = math.cos(math.pi * n / self.t_max)
            return warm * (self.floor + (1 - self.floor) * (1 + wave) / 2)
        return warm

    def init(self, like: Tensor) -> Slots:
        """Return the scalars before the first step, each of shape (1,); none if constant."""
        if self.constant:
            return {}
        values = {"rate": {"schedule": self.factor(0)}}
        if self.kind in ("step", "exponential"):
            values["decay"] = {"schedule": 1.0}
        if self.kind == "cosine":
            values["wave"] = {"cosine": 1.0, "change": self._bend / 2}
        counts = {"warmup": self._tick} if self.warmup > 1 else {}
        if self.kind == "step":
            counts["period"] = 0.0
        if counts:
            values["count"] = counts
        return {
            slot: {name: like.new_full((1,), value) for name, value in scalars.items()}
            for slot, scalars in values.items()
        }

    def advance(self, slots: Slots) -> Slots:
        """Return the scalars of step t + 1 from those of step t."""
        after: Slots = {slot: {} for slot in slots}
        going: Tensor | float = 1.0
        factor: Tensor | float = 1.0
        if self.warmup > 1:
            count = slots["count"]["warmup"]
            warming = positive(-self._minus_ticks(count, 1.0, self.warmup))
            after["count"]["warmup"] = count + self._tick * warming
            factor, going = after["count"]["warmup"] / (self._tick * self.warmup), 1 - warming
        if self.kind in ("step", "exponential"):
            decay = self._decay(slots, after, going)
            factor = decay * factor  # a node of its own also without warm-up: it is rounded more
        if self.kind == "cosine":
            wave = self._wave(slots["wave"], going)
            after["wave"] = wave
            level = (1 + self.floor) / 2 + (1 - self.floor) / 2 * wave["cosine"]
            factor = level * factor
        assert isinstance(factor, Tensor)
        after["rate"]["schedule"] = factor
        return after

    def slot_bits(self, fraction_bits: int) -> Bits:
        """Return the bits of each scalar: roundings of all steps stay below 2^-14 of the rate.

        A rounding of a decay stays in it, hence log2(steps). A rounding of a cosine's change acts
        on all later steps, up to 0.2 * t^2 of it over a run, hence twice log2(steps).
        """
        if self.constant:
            return {}
        length = max(1, math.ceil(math.log2(max(self.steps, self.t_max))))
        return {
            "rate": fraction_bits + 4,
            "decay": 13 + length,
            "wave": 11 + 2 * length,
            "count": self.tick_bits,
        }

    @property
    def _bend(self) -> float:
        """2 - 2 cos(a), a = pi / t_max, without cancellation."""
        return 4 * math.sin(math.pi / self.t_max / 2) ** 2

    def _decay(self, slots: Slots, after: Slots, going: Tensor | float) -> Tensor:
        decay = slots["decay"]["schedule"]
        # The constant with more to say in 12 significant bits: gamma, or what it takes away.
        less = decay * self.gamma if self.gamma < 0.5 else decay - (1 - self.gamma) * decay
        if self.kind == "step":
            period = slots["count"]["period"] + self._tick * going
            full = positive(self._minus_ticks(period, 1.0, self.step_size - 1))
            after["count"]["period"] = self._minus_ticks(period, full, self.step_size)
            less = decay + full * (less - decay)
        elif isinstance(going, Tensor):
            less = decay + going * (less - decay)
        after["decay"]["schedule"] = less
        return less

    def _wave(self, wave: Tensors, going: Tensor | float) -> Tensors:
        """cos((n+1)a) = cos(na) + d', d' = d - (2 - 2 cos a) cos(na).

        Chebyshev's recurrence, with the difference d kept instead of the earlier cosine: a long
        run's 2 cos(a) is 2 but for bits that a circuit's constant does not have.
        """
        change = wave["change"] - self._bend * wave["cosine"] * going
        return {"cosine": wave["cosine"] + change * going, "change": change}

    def _minus_ticks(self, count: Tensor, factor: Tensor | float, ticks: int) -> Tensor:
        """Return ``count - factor * ticks``, exactly: constants of a circuit have 12 bits each."""
        for part in (ticks // 4096 * 4096, ticks % 4096):
            if part:
                count = count - part * self._tick * factor
        return count

    @property
    def _tick(self) -> float:
        return 2.0**-self.tick_bits


def schedule_of(train: TrainTable, *, fraction_bits: int = 12) -> Schedule:
    """Return the schedule that a project file declares; t_max defaults to the rest of the run."""
    table = train.schedule
    defaults = Schedule()
    proper = train.steps - max(0, table.warmup_steps - 1)
    return Schedule(
        kind=table.kind,
        steps=train.steps,
        step_size=table.step_size or defaults.step_size,
        gamma=defaults.gamma if table.gamma is None else table.gamma,
        t_max=table.t_max or proper,
        floor=(table.eta_min or 0.0) / train.learning_rate,
        warmup=table.warmup_steps,
        tick_bits=fraction_bits,
    )
