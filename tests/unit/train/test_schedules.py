"""Schedules: torch.optim.lr_scheduler's rates, in closed form and as recurrences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from zkdescent.core.config import ScheduleTable, TrainTable
from zkdescent.train.schedules import Schedule, schedule_of

STEPS = 100
CASES: dict[str, dict[str, Any]] = {
    "constant": {},
    "step": {"kind": "step", "step_size": 7, "gamma": 0.5},
    "default gamma": {"kind": "step", "step_size": 50},
    "exponential": {"kind": "exponential", "gamma": 0.95},
    "cosine": {"kind": "cosine"},
    "cosine, repeated": {"kind": "cosine", "t_max": 30, "eta_min": 0.05},
    "warm-up": {"warmup_steps": 5},
    "warm-up, step": {"kind": "step", "step_size": 7, "gamma": 0.5, "warmup_steps": 5},
    "warm-up, exponential": {"kind": "exponential", "gamma": 0.95, "warmup_steps": 5},
    "warm-up, cosine": {"kind": "cosine", "warmup_steps": 5},
    "warm-up of one": {"kind": "cosine", "warmup_steps": 1},
}


def declared(**schedule: Any) -> Schedule:
    table: dict[str, Any] = {"learning_rate": 0.5, "batch_size": 1, "steps": STEPS}
    return schedule_of(TrainTable(**table, schedule=ScheduleTable(**schedule)))


def torchs(optimizer: torch.optim.Optimizer, **schedule: Any) -> Any:
    """The schedule as a torch user writes it."""
    warmup = schedule.get("warmup_steps", 0)
    proper = STEPS - max(0, warmup - 1)
    mains: dict[str, Any] = {
        "step": lambda: lr_scheduler.StepLR(
            optimizer, schedule["step_size"], gamma=schedule.get("gamma", 0.1)
        ),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, schedule["gamma"]),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(
            optimizer, schedule.get("t_max", proper), schedule.get("eta_min", 0.0)
        ),
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    }
    main = mains[schedule.get("kind", "constant")]()
    if warmup < 2:
        return main
    warm = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return lr_scheduler.SequentialLR(optimizer, [warm, main], milestones=[warmup - 1])


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("name", CASES)
def test_the_rate_is_torchs_at_every_step(name: str) -> None:
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    schedule, theirs = declared(**CASES[name]), torchs(optimizer, **CASES[name])
    for t in range(STEPS):
        assert 0.5 * schedule.factor(t) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("name", CASES)
def test_the_recurrences_give_the_closed_form(name: str) -> None:
    schedule = declared(**CASES[name])
    slots = schedule.init(torch.zeros(1, dtype=torch.float64))
    assert bool(slots) is not schedule.constant
    assert set(slots) <= set(schedule.slot_bits(12))
    for t in range(STEPS if slots else 0):
        assert float(slots["rate"]["schedule"]) == pytest.approx(schedule.factor(t), abs=1e-9)
        slots = schedule.advance(slots)


def test_counters_beyond_4096_are_exact() -> None:
    schedule = Schedule(kind="step", steps=20000, step_size=5001, gamma=0.5)
    slots = schedule.init(torch.zeros(1, dtype=torch.float64))
    seen = []
    for _ in range(10003):
        seen.append(float(slots["rate"]["schedule"]))
        slots = schedule.advance(slots)
    assert [seen.index(0.5), seen.index(0.25)] == [5001, 10002]


def test_a_constant_rate_needs_no_state() -> None:
    assert declared().init(torch.zeros(1)) == {}
    assert declared(warmup_steps=1).constant
    assert not declared(warmup_steps=2).constant


def test_longer_runs_get_finer_scalars() -> None:
    short, long = (Schedule(kind="cosine", steps=n, t_max=n).slot_bits(12) for n in (64, 1024))
    assert (short["wave"], long["wave"]) == (23, 31)
    assert (short["decay"], long["decay"]) == (19, 23)
    assert short["rate"] == long["rate"] == 16
