"""Small programs that have every gadget, and inputs for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkdescent.circuits.assemble import BATCH, CONTEXT, ROW, STATE
from zkdescent.circuits.barretenberg.circuits import EmittedCircuit, emit
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Builder, Op, Program

NARROW = FixedPoint(table_bits=4)
"""Tables over -64 to 64 in sixteenths."""

CAPACITY = 12
SALT = 0x5A17 << 200 | 12345
CONTEXT_VALUE = 0xC0FFEE << 160 | 7


@dataclass(frozen=True)
class Sample:
    """A program with honest inputs."""

    program: Program
    inputs: dict[str, IntegerArray]
    public_output: bool = False

    def emit(self, *, freivalds: bool = True) -> EmittedCircuit:
        """Its circuit."""
        return emit(self.program, NARROW, public_output=self.public_output, freivalds=freivalds)


def integers(values: object) -> IntegerArray:
    """A flat array of exact integers."""
    return np.array([int(v) for v in np.asarray(values).reshape(-1)], dtype=object)


def context() -> IntegerArray:
    """Any field element."""
    return np.array([CONTEXT_VALUE], dtype=object)


def gadgets(size: int = 10) -> Sample:
    """Each gadget on `size` elements of the state; divisors and roots are made of the batch."""
    b = Builder()
    b.input(CONTEXT, 1)
    x = b.input(STATE, size, CAPACITY)
    y = b.input(BATCH, size, CAPACITY)
    square = b.mul(y, y)
    places = b.rescale(x, 6, 6)
    parts = [
        b.rescale(b.mul(x, y), 7, CAPACITY, "rescaled"),
        b.rescale(b.add(b.mul(x, x), square), 20, CAPACITY, "rescaled far"),
        b.range_check(b.add(places, b.constant(3)), 7, "checked"),
        b.is_positive(b.sub(x, y), CAPACITY + 1, "positive"),
        b.divide(x, b.add(square, b.constant(1)), CAPACITY, 2 * CAPACITY + 1, "quotient"),
        b.sqrt(b.add(square, b.constant(5)), CAPACITY, "root"),
        *(b.table(op, places, NARROW.table_bits, op.value) for op in (Op.SIGMOID, Op.TANH, Op.EXP)),
    ]
    draw = np.random.default_rng(5)
    limit = (1 << CAPACITY) - 1
    state = draw.integers(-3800, 3800, size)
    state[:3] = 0, 3800, -3800
    batch = draw.integers(-70, 70, size)
    batch[:4] = 0, 1, -1, 60
    assert abs(state).max() < limit
    return Sample(
        b.finish(b.concat(parts)),
        {CONTEXT: context(), STATE: integers(state), BATCH: integers(batch)},
    )


def inference() -> Sample:
    """A matrix times a row that nobody has checked, its sign and a table; all of it public."""
    b = Builder()
    b.input(CONTEXT, 1)
    weights = b.input(STATE, 12, CAPACITY)
    row = b.range_check(b.input(ROW, 4), CAPACITY, "x")
    product = b.matmul(b.reshape(weights, (3, 4)), b.reshape(row, (4, 1)), "product")
    rounded = b.rescale(product, 12, CAPACITY, "rounded")
    positive = b.is_positive(b.sub(rounded, b.constant(2)), CAPACITY + 1, "positive")
    flat = [row, *(b.reshape(part, (3,)) for part in (rounded, positive))]
    draw = np.random.default_rng(6)
    return Sample(
        b.finish(b.concat(flat)),
        {
            CONTEXT: context(),
            STATE: integers(draw.integers(-4000, 4000, 12)),
            ROW: integers(draw.integers(-4000, 4000, 4)),
        },
        public_output=True,
    )


ROWS, INNER, COLUMNS = 8, 10, 10


def products() -> Sample:
    """Two products of matrices, the second of the first one's rounding; both worth checking."""
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, ROWS * INNER + COLUMNS * COLUMNS, CAPACITY)
    left = b.reshape(b.slice(state, 0, ROWS * INNER), (ROWS, INNER))
    right = b.reshape(b.input(BATCH, INNER * COLUMNS, CAPACITY), (INNER, COLUMNS))
    first = b.rescale(b.matmul(left, right, "first"), 8, 2 * CAPACITY - 4, "first rounded")
    factor = b.reshape(
        b.slice(state, ROWS * INNER, ROWS * INNER + COLUMNS * COLUMNS), (COLUMNS, COLUMNS)
    )
    second = b.matmul(first, factor, "second")
    shifted = b.transpose(b.add(b.neg(second), b.constant(1 << 9)))
    last = b.rescale(shifted, 20, CAPACITY, "second rounded")
    draw = np.random.default_rng(7)
    return Sample(
        b.finish(b.reshape(last, (ROWS * COLUMNS,))),
        {
            CONTEXT: context(),
            STATE: integers(draw.integers(-1500, 1500, ROWS * INNER + COLUMNS * COLUMNS)),
            BATCH: integers(draw.integers(-1500, 1500, INNER * COLUMNS)),
        },
    )


def layers() -> Sample:
    """A layer with ReLU, whose comparison decides its product, and one that is rounded.

    One of the products is checked as it is, the other one transposed.
    """
    rows, inner, hidden, outputs = 10, 10, 12, 8
    sizes = (inner * hidden, hidden, hidden * outputs)
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, sum(sizes), CAPACITY)
    x = b.reshape(b.input(BATCH, rows * inner, CAPACITY), (rows, inner))
    weights = b.reshape(b.slice(state, 0, sizes[0]), (inner, hidden))
    bias = b.slice(state, sizes[0], sizes[0] + hidden)
    factor = b.reshape(b.slice(state, sizes[0] + hidden, sum(sizes)), (hidden, outputs))
    before = b.add(b.matmul(x, weights, "into"), b.shift_left(bias, 9), "before")
    positive = b.is_positive(before, 27, "positive")
    after = b.mul(positive, before, "after")
    out = b.matmul(after, factor, "out of")
    last = b.rescale(b.reshape(out, (rows * outputs,)), 30, CAPACITY, "rounded")
    draw = np.random.default_rng(9)
    return Sample(
        b.finish(last),
        {
            CONTEXT: context(),
            STATE: integers(draw.integers(-1500, 1500, sum(sizes))),
            BATCH: integers(draw.integers(-1500, 1500, rows * inner)),
        },
    )
