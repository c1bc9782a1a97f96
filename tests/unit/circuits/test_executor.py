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
        b.unary(Op.RELU, left),
        b.unary(Op.IS_POSITIVE, left),
        b.unary(Op.ABS, left),
        b.unary(Op.RANGE_CHECK, left),
        b.unary(Op.CLAMP, left, (1000,)),
        b.slice(x, 1, 4),
    ]
    program = b.finish(b.concat([b.reshape(p, (b.node(p).size,)) for p in parts]))
    out = execute(program, {"x": integers(*first), "y": integers(*second)}, FIXED)

    u = np.array(first, dtype=np.int64).reshape(2, 3)
    v = np.array(second, dtype=np.int64).reshape(2, 3)
    expected = [
        u + v, u - v.sum(axis=1, keepdims=True), -u, -7 * u, u @ v.T, u.sum(), v << 5,
        np.maximum(u, 0), u > 0, np.abs(u), u, np.clip(u, -1000, 1000), u.reshape(-1)[1:4],
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
    ("op", "attributes", "gadget"),
    [
        (Op.RELU, (), "a comparison"),
        (Op.IS_POSITIVE, (), "a comparison"),
        (Op.CLAMP, (10,), "a comparison"),
        (Op.ABS, (), "a range check"),
        (Op.RANGE_CHECK, (), "a range check"),
    ],
)
def test_what_a_gadget_cannot_hold_is_named(
    op: Op, attributes: tuple[int, ...], gadget: str
) -> None:
    b = Builder()
    program = b.finish(b.unary(op, b.input("x", 2), attributes, "hidden layer"))
    limit = FIXED.decomposition_bound - (attributes[0] if attributes else 0)
    execute(program, {"x": integers(limit - 1, -limit + 1)}, FIXED)
    for beyond in (limit, -limit):
        with pytest.raises(RangeOverflow, match=f"hidden layer is too large for {gadget}") as error:
            execute(program, {"x": integers(0, beyond)}, FIXED)
        assert "learning rate" in (error.value.hint or "")


def test_a_rescaled_value_and_its_argument_are_checked() -> None:
    b = Builder()
    program = b.finish(b.rescale(b.input("x", 1), 4, "new weight"))
    bound = FIXED.decomposition_bound
    assert execute(program, {"x": integers((bound - 1) << 4)}, FIXED) == [bound - 1]
    with pytest.raises(RangeOverflow, match="new weight is too large for a rescaled value"):
        execute(program, {"x": integers(bound << 4)}, FIXED)
    with pytest.raises(RangeOverflow, match="new weight is too large for the arithmetic"):
        execute(program, {"x": integers(1 << 120)}, FIXED)


def test_an_input_of_another_size_is_named() -> None:
    b = Builder()
    program = b.finish(b.input("batch", 3))
    with pytest.raises(RangeOverflow, match="input 'batch'") as caught:
        execute(program, {"batch": integers(1, 2)}, FIXED)
    assert (caught.value.expected, caught.value.got) == (3, 2)
