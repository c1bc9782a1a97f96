"""The reference executor against NumPy, and the names of what overflows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Builder, Op
from zkdescent.core.errors import RangeOverflow

FIXED = FixedPoint()
MODEST = st.integers(-(2**20), 2**20)


def integers(*values: int) -> IntegerArray:
    return np.array(values, dtype=object)


@given(st.lists(MODEST, min_size=6, max_size=6), st.lists(MODEST, min_size=6, max_size=6))
@settings(deadline=None)
def test_arithmetic_is_numpys(first: list[int], second: list[int]) -> None:
    b = Builder()
    x, y = b.input("x", 6), b.input("y", 6)
    left, right = b.reshape(x, (2, 3)), b.reshape(y, (2, 3))
    parts = [
        b.add(left, right),
        b.sub(left, b.sum(right, (1,))),
        b.neg(left),
        b.mul(left, b.constant(-7)),
        b.matmul(left, b.transpose(right)),
        b.sum(left, (0, 1)),
        b.shift_left(right, 5),
        b.is_positive(left, 21),
        b.range_check(left, 21),
        b.rescale(left, 3, 20),
        b.divide(left, b.add(b.mul(right, right), b.constant(1)), 21, 41),
        b.sqrt(b.mul(left, left), 21),
        b.take(left, (5, -1, 0), (3,)),
        b.slice(x, 1, 4),
    ]
    program = b.finish(b.concat([b.reshape(p, (b.node(p).size,)) for p in parts]))
    out = execute(program, {"x": integers(*first), "y": integers(*second)}, FIXED)

    u = np.array(first, dtype=np.int64).reshape(2, 3)
    v = np.array(second, dtype=np.int64).reshape(2, 3)
    expected = [
        u + v, u - v.sum(axis=1, keepdims=True), -u, -7 * u, u @ v.T, u.sum(), v << 5,
        u > 0, u, (u + 4) >> 3, (2 * u + v * v + 1) // (2 * (v * v + 1)), np.abs(u),
        [u[1, 2], 0, u[0, 0]], u.reshape(-1)[1:4],
    ]  # fmt: skip
    assert out.tolist() == np.concatenate([np.reshape(e, -1) for e in expected]).tolist()


def test_integers_do_not_wrap() -> None:
    b = Builder()
    x = b.input("x", 1)
    program = b.finish(b.mul(b.mul(x, x), x))
    assert execute(program, {"x": integers(2**50)}, FIXED).tolist() == [2**150]


def test_a_context_passes_through_untouched() -> None:
    b = Builder()
    context, x = b.input("context", 1), b.input("x", 1)
    assert context == 0
    program = b.finish(x)
    assert execute(program, {"context": integers(2**247), "x": integers(5)}, FIXED) == [5]


@pytest.mark.parametrize(
    ("op", "use"), [(Op.IS_POSITIVE, "compared with zero"), (Op.RANGE_CHECK, "range-checked")]
)
def test_what_a_gadget_cannot_hold_is_named(op: Op, use: str) -> None:
    b = Builder()
    x = b.input("x", 2)
    build = b.is_positive if op is Op.IS_POSITIVE else b.range_check
    program = b.finish(build(x, 17, "hidden layer"))
    limit = 1 << 17
    execute(program, {"x": integers(limit - 1, -limit + 1)}, FIXED)
    for beyond in (limit, -limit):
        with pytest.raises(RangeOverflow, match=f"hidden layer is too large to be {use}") as error:
            execute(program, {"x": integers(0, beyond)}, FIXED)
        assert "learning rate" in (error.value.hint or "")


def test_a_rescaled_value_is_checked_not_its_argument() -> None:
    b = Builder()
    program = b.finish(b.rescale(b.input("x", 1), 4, 20, "new weight"))
    largest = (1 << 20) - 1
    assert execute(program, {"x": integers(largest << 4)}, FIXED) == [largest]
    with pytest.raises(RangeOverflow, match="new weight is too large to be rounded"):
        execute(program, {"x": integers((largest + 1) << 4)}, FIXED)


@pytest.mark.parametrize("divisor", [0, -3])
def test_a_divisor_must_be_positive(divisor: int) -> None:
    b = Builder()
    program = b.finish(b.divide(b.input("x", 1), b.input("y", 1), 20, 20, "a ratio"))
    assert execute(program, {"x": integers(7), "y": integers(2)}, FIXED) == [4]
    assert execute(program, {"x": integers(-7), "y": integers(2)}, FIXED) == [-3]
    with pytest.raises(RangeOverflow, match="a ratio divides by a number that is not positive"):
        execute(program, {"x": integers(7), "y": integers(divisor)}, FIXED)


def test_a_root_of_a_negative_number_is_named() -> None:
    b = Builder()
    program = b.finish(b.sqrt(b.input("x", 1), 20, "a deviation"))
    assert execute(program, {"x": integers(99)}, FIXED) == [9]
    with pytest.raises(RangeOverflow, match="a deviation is the square root of a negative"):
        execute(program, {"x": integers(-1)}, FIXED)


@pytest.mark.parametrize("op", [Op.SIGMOID, Op.TANH, Op.EXP])
def test_a_table_ends_at_its_bound(op: Op) -> None:
    b = Builder()
    program = b.finish(b.table(op, b.input("x", 1), FIXED.table_bits, "a gate"))
    end = FIXED.table_bound << FIXED.table_bits
    execute(program, {"x": integers(end)}, FIXED)
    with pytest.raises(RangeOverflow, match=f"a gate is outside the table of {op.value}"):
        execute(program, {"x": integers(end + 1)}, FIXED)


def test_an_input_of_another_size_is_named() -> None:
    b = Builder()
    program = b.finish(b.input("batch", 3))
    with pytest.raises(RangeOverflow, match="input 'batch'") as caught:
        execute(program, {"batch": integers(1, 2)}, FIXED)
    assert (caught.value.expected, caught.value.got) == (3, 2)
