"""The three circuits as programs: order of inputs, the range circuit, bounds that hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from zkdescent.circuits.assemble import place_step_rescales, range_program
from zkdescent.circuits.bounds import check_step, magnitude_bounds
from zkdescent.circuits.executor import execute
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.fixed_point import FixedPoint, range_arithmetic
from zkdescent.circuits.program import Builder
from zkdescent.core.errors import RangeOverflow

Trace = Callable[..., Any]
FIXED = FixedPoint()


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
    program = range_program(model.layout, model.batch, steps=2)
    assert list(program.inputs) == ["state", "batch"]
    bound = range_arithmetic(FIXED)
    state = np.zeros(model.layout.size, dtype=object)
    batch = np.zeros(2 * model.batch.size, dtype=object)
    state[-1], batch[0] = bound.decomposition_bound - 1, -5
    inputs = {"state": state, "batch": batch}
    assert execute(program, inputs, bound) == [bound.decomposition_bound + 4]
    for name, size in (("state", len(state)), ("batch", len(batch))):
        for index in range(size):
            changed = {k: v.copy() for k, v in inputs.items()}
            changed[name][index] = -bound.decomposition_bound
            what = "genesis state" if name == "state" else "batch block"
            with pytest.raises(RangeOverflow, match=f"{what} is too large for a range check"):
                execute(program, changed, bound)


@pytest.mark.parametrize("loss", ["mse", "bce"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("rate", [0.05, 1.0])
def test_every_element_of_the_new_state_is_bounded_by_a_gadget(
    traced: Trace, loss: str, optimizer: str, rate: float
) -> None:
    """A power of two as learning rate needs no mantissa, perhaps no rescale: a check, then."""
    batch = range_arithmetic(FIXED).decomposition_bound
    hidden = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    changes = {"loss": loss, "optimizer": optimizer, "learning_rate": rate}
    linear, deep = traced(nn.Linear(3, 1), **changes), traced(hidden, **changes)
    least = place_step_rescales(
        linear.graph, linear.layout, linear.batch, FIXED, lambda p: rows(p, FIXED)
    )
    for model, chosen in ((linear, least), (linear, linear.products()), (deep, deep.products())):
        program = model.program(FIXED, chosen, 2)
        check_step(program, state=FIXED.decomposition_bound, batch=batch, fixed=FIXED)


def test_magnitudes_are_bounded_for_every_witness(traced: Trace) -> None:
    model = traced(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    program = model.program(FIXED, model.products(), 2)
    batch = range_arithmetic(FIXED).decomposition_bound
    check_step(program, state=FIXED.decomposition_bound, batch=batch, fixed=FIXED)
    with pytest.raises(RangeOverflow, match="not bounded by the circuit"):
        check_step(program, state=1 << 20, batch=batch, fixed=FIXED)


def test_a_program_that_could_wrap_is_refused_by_name() -> None:
    b = Builder()
    x = b.input("x", 2)
    for _ in range(4):
        x = b.mul(x, x, "a tower of squares")
    program = b.finish(b.rescale(x, 8))
    magnitude_bounds(program, {"x": 1 << 15}, FIXED)
    with pytest.raises(RangeOverflow, match="a tower of squares could wrap"):
        magnitude_bounds(program, {"x": 1 << 16}, FIXED)
