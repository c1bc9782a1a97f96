"""The three circuits as programs: order of inputs, the range circuit, bounds that hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from zkdescent.circuits.assemble import place_step_rescales, range_program, state_capacity
from zkdescent.circuits.bounds import check_step, magnitude_bounds
from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.errors import RangeOverflow

Trace = Callable[..., Any]
FIXED = FixedPoint()
DATA = 1 << FIXED.data_capacity


def exactly(capacity: int) -> int:
    """A backend whose digits hold what was asked for and nothing more."""
    return 1 << capacity


def rounding_cost(program: Program) -> float:
    """A cost under which only roundings count."""
    return program.count(Op.RESCALE)


def test_steps_in_one_program_are_steps_one_after_the_other(traced: Trace) -> None:
    model = traced(nn.Linear(3, 1), optimizer="momentum")
    state, data = model.genesis(1), model.data(2, 3, binary=False)
    chosen = model.products()
    at_once = model.run_fixed(model.program(FIXED, chosen, 3), FIXED, state, data)
    for row in data:
        state = model.run_fixed(model.program(FIXED, chosen), FIXED, state, row[None])
    assert np.array_equal(at_once, state)


def test_the_range_program_bounds_every_element(traced: Trace) -> None:
    model = traced(nn.Linear(3, 1))
    program = range_program(model.layout, model.batch, steps=2, fixed=FIXED)
    assert list(program.inputs) == ["state", "batch"]
    state = np.zeros(model.layout.size, dtype=object)
    batch = np.zeros(2 * model.batch.size, dtype=object)
    state[-1], batch[0] = DATA - 1, -5
    inputs = {"state": state, "batch": batch}
    assert execute(program, inputs, FIXED) == [DATA - 6]
    for name, size in (("state", len(state)), ("batch", len(batch))):
        for index in range(size):
            changed = {k: v.copy() for k, v in inputs.items()}
            changed[name][index] = -DATA
            what = "genesis state" if name == "state" else "batch block"
            with pytest.raises(RangeOverflow, match=f"{what} is too large to be range-checked"):
                execute(program, changed, FIXED)


def test_the_state_holds_its_finest_tensor(traced: Trace) -> None:
    layout = traced(nn.Linear(3, 1), optimizer="momentum").layout
    assert state_capacity(layout, FIXED) == FIXED.data_capacity
    finer = replace(layout, scales=(*layout.scales[:-1], 24))
    assert state_capacity(finer, FIXED) == 24 + FIXED.headroom_bits


@pytest.mark.parametrize("loss", ["mse", "bce"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("rate", [0.05, 1.0])
def test_every_element_of_the_new_state_is_bounded_by_a_gadget(
    traced: Trace, loss: str, optimizer: str, rate: float
) -> None:
    """A power of two as learning rate needs no mantissa, perhaps no rescale: a check, then."""
    hidden = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    changes = {"loss": loss, "optimizer": optimizer, "learning_rate": rate}
    linear, deep = traced(nn.Linear(3, 1), **changes), traced(hidden, **changes)
    least = place_step_rescales(linear.graph, linear.layout, linear.batch, FIXED, rounding_cost)
    for model, chosen in ((linear, least), (linear, linear.products()), (deep, deep.products())):
        program = model.program(FIXED, chosen, 2)
        check_step(program, state=DATA, batch=DATA, gadget=exactly)


def test_magnitudes_are_bounded_for_every_witness(traced: Trace) -> None:
    model = traced(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    program = model.program(FIXED, model.products(), 2)
    check_step(program, state=DATA, batch=DATA, gadget=exactly)
    with pytest.raises(RangeOverflow, match="not bounded by the circuit"):
        check_step(program, state=DATA - 1, batch=DATA, gadget=exactly)


def test_a_program_that_could_wrap_is_refused_by_name() -> None:
    b = Builder()
    x = b.input("x", 2)
    for _ in range(4):
        x = b.mul(x, x, "a tower of squares")
    program = b.finish(b.rescale(x, 8, 20))
    magnitude_bounds(program, {"x": 1 << 15}, exactly)
    with pytest.raises(RangeOverflow, match="a tower of squares could wrap"):
        magnitude_bounds(program, {"x": 1 << 16}, exactly)
