"""Single operations: what is emitted means what the executor computes, and costs no more."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE
from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.program import Builder
from zkdescent.core.errors import RangeOverflow

from .checker import RANGE, Checker, R
from .dishonest import Prover, integers_of
from .samples import (
    CAPACITY,
    NARROW,
    SALT,
    Sample,
    context,
    gadgets,
    inference,
    integers,
    layers,
    products,
)

Make = Callable[[Builder, int, int], int]

# x is 3 by 4, y is 4 by 2; results are the output.
OPERATIONS: dict[str, Make] = {
    "slice": lambda b, x, y: b.slice(b.reshape(x, (12,)), 3, 7),
    "take": lambda b, x, y: b.take(x, (11, -1, 0, 0, 5), (5,)),
    "transpose": lambda b, x, y: b.transpose(x),
    "concat": lambda b, x, y: b.concat([b.reshape(x, (12,)), b.reshape(y, (8,))]),
    "add": lambda b, x, y: b.add(x, b.slice(b.reshape(y, (8,)), 0, 4)),
    "sub": lambda b, x, y: b.sub(b.slice(b.reshape(y, (8,)), 0, 4), x),
    "neg": lambda b, x, y: b.neg(x),
    "sum": lambda b, x, y: b.sum(x, (0,)),
    "sum of both axes": lambda b, x, y: b.sum(x, (0, 1)),
    "shift": lambda b, x, y: b.shift_left(x, 5),
    "square": lambda b, x, y: b.mul(x, x),
    "mul, broadcast": lambda b, x, y: b.mul(x, b.slice(b.reshape(y, (8,)), 0, 1)),
    "mul by a constant": lambda b, x, y: b.mul(x, b.constant(-9)),
    "matmul": lambda b, x, y: b.matmul(x, y),
    "short matmul": lambda b, x, y: b.matmul(
        b.reshape(x, (6, 2)), b.reshape(b.slice(b.reshape(y, (8,)), 0, 4), (2, 2))
    ),
    "matmul of sums": lambda b, x, y: b.matmul(b.add(x, x), b.mul(y, y)),
    "matmul by a constant": lambda b, x, y: b.matmul(x, b.constant(*range(-4, 4), shape=(4, 2))),
    "used twice": lambda b, x, y: b.mul(b.matmul(x, y), b.matmul(x, y)),
}


def sample(make: Make) -> Sample:
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, 20, CAPACITY)
    x = b.reshape(b.slice(state, 0, 12), (3, 4))
    y = b.reshape(b.slice(state, 12, 20), (4, 2))
    made = make(b, x, y)
    output = b.rescale(b.reshape(made, (b.node(made).size,)), 1, 60, "output")
    low, high = -(1 << CAPACITY) + 1, (1 << CAPACITY) - 1
    draw = np.random.default_rng(8)
    values = draw.integers(low, high, 20)
    values[:3], values[12:15] = (low, high, 0), (high, low, low)
    inputs = {CONTEXT: context(), STATE: integers(values)}
    return Sample(b.finish(output), inputs, public_output=True)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_what_the_executor_computes(name: str) -> None:
    made = sample(OPERATIONS[name])
    circuit = emit(made.program, NARROW, public_output=True)
    witness = circuit.witness(made.inputs, SALT)
    checker = Checker(circuit.program_file())
    assert checker(witness) is None
    output = integers_of(circuit.output(made.inputs))
    assert witness[circuit.words : circuit.system.public] == [v % R for v in output]
    for place in range(circuit.words, circuit.system.public):
        witness[place] = (witness[place] + 1) % R
        assert checker(witness) is not None
        witness[place] = (witness[place] - 1) % R


@pytest.mark.parametrize("make", [gadgets, inference, layers, products])
def test_the_ways_of_a_product_agree(make: Callable[[], Sample]) -> None:
    checked, plain = Prover(make()), Prover(make(), freivalds=False)
    assert checked.checker(checked.honest) is None
    assert plain.checker(plain.honest) is None
    public = checked.system.public
    assert checked.honest[:public] == plain.honest[:public]
    assert bool(checked.walk.freivalds.products) == (make in (layers, products))
    assert not plain.walk.freivalds.products


@pytest.mark.parametrize("name", [STATE, BATCH])
def test_what_is_committed_is_range_checked(name: str) -> None:
    b = Builder()
    b.input(CONTEXT, 1)
    x, y = b.input(STATE, 3, CAPACITY), b.input(BATCH, 3, CAPACITY)
    circuit = emit(b.finish(b.rescale(b.add(x, y), 1, CAPACITY)), NARROW, public_output=False)
    checker, limit = Checker(circuit.program_file()), 1 << CAPACITY
    for value, allowed in (
        (limit - 1, True), (-limit, True), (limit, False), (-limit - 1, False)
    ):  # fmt: skip
        inputs = {CONTEXT: context(), STATE: integers([0] * 3), BATCH: integers([0] * 3)}
        inputs[name][1] = value
        kinds = checker.kinds(circuit.witness(inputs, SALT))
        assert kinds == (set() if allowed else {RANGE}), value


def test_values_beyond_a_gadget_have_no_witness() -> None:
    made = sample(lambda b, x, y: b.divide(x, b.add(b.mul(x, x), b.constant(1)), 4, 30))
    circuit = emit(made.program, NARROW, public_output=True)
    circuit.witness(made.inputs, SALT)
    narrow = sample(lambda b, x, y: b.divide(x, b.add(b.mul(x, x), b.constant(1)), 4, 20))
    with pytest.raises(RangeOverflow):
        emit(narrow.program, NARROW, public_output=True).witness(narrow.inputs, SALT)
