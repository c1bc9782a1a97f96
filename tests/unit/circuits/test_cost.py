"""Estimated rows: what an operation costs beside the program without it, and what fits no size.

That circuits have exactly these rows is measured on real keys in tests/prover/test_rows.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
from torch import nn

from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.settings import RESERVED_ROWS
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.proof_system import CircuitRequest

Gadget = Callable[[Builder, int], int]
N = 64
SMALL, LARGE = Digits(11), Digits(15)  # signed digits of 10 and of 14 bits


def of(gadget: Gadget, elements: int = N) -> Program:
    b = Builder()
    return b.finish(gadget(b, b.input("x", elements)))


def per_element(gadget: Gadget, digits: Digits) -> float:
    """Rows that a gadget adds, by element."""
    return (rows(of(gadget), digits) - rows(of(lambda b, x: x), digits)) / N


@pytest.mark.parametrize(
    ("gadget", "small", "large"),
    [
        (lambda b, x: b.add(x, x), 0.5, 0.5),
        (lambda b, x: b.sub(x, x), 0.5, 0.5),
        (lambda b, x: b.mul(x, x), 0.5, 0.5),
        (lambda b, x: b.shift_left(x, 7), 0.5, 0.5),
        (lambda b, x: b.neg(x), 0, 0),
        # A result of 20 bits has three signed digits, or two; each further digit adds 1.5 rows.
        (lambda b, x: b.rescale(x, 8, 20), 6, 4.5),
        (lambda b, x: b.rescale(x, 20, 20), 7, 5.5),
        (lambda b, x: b.range_check(x, 9), 1, 1),
        (lambda b, x: b.range_check(x, 20), 4, 2.5),
        (lambda b, x: b.is_positive(x, 9), 1, 1),
        (lambda b, x: b.is_positive(x, 17), 3, 3),
        (lambda b, x: b.sqrt(x, 7), 5.5, 5.5),
        (lambda b, x: b.sqrt(x, 16), 10, 10),
        (lambda b, x: b.table(Op.TANH, x, 7), 0.5, 0.5),
    ],
)
def test_rows_of_one_element(gadget: Gadget, small: float, large: float) -> None:
    assert per_element(gadget, SMALL) == small
    assert per_element(gadget, LARGE) == large


def test_moving_values_costs_nothing() -> None:
    def moves(b: Builder, x: int) -> int:
        matrix = b.transpose(b.reshape(x, (N // 4, 4)))
        taken = b.take(matrix, [-1, *range(N - 1)], (N,))
        return b.concat([b.slice(taken, N // 2, N), b.slice(taken, 0, N // 2)])

    assert per_element(moves, SMALL) == 0


@pytest.mark.parametrize(("inner", "expected"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_a_product_takes_a_row_for_two_terms(inner: int, expected: int) -> None:
    b = Builder()
    x, w = (
        b.reshape(b.input("x", 5 * inner), (5, inner)),
        b.reshape(b.input("w", inner), (inner, 1)),
    )
    program = b.finish(b.reshape(b.matmul(x, w), (5,)))
    assert rows(program, SMALL) == 5 * expected + 5 / 2 + 1


def test_the_cost_of_two_operations_is_the_sum() -> None:
    one = per_element(lambda b, x: b.rescale(x, 8, 20), SMALL)
    other = per_element(lambda b, x: b.is_positive(x, 17), SMALL)
    both = per_element(lambda b, x: b.is_positive(b.rescale(x, 8, 20), 17), SMALL)
    assert both == one + other


@pytest.mark.parametrize(
    ("gadget", "smallest"),
    [
        (lambda b, x: b.is_positive(x, 24), 13),
        (lambda b, x: b.rescale(x, 40, 60), 11),
    ],
)
def test_what_fits_no_size_costs_infinitely(gadget: Gadget, smallest: int) -> None:
    backend = EzklBackend()
    for size in backend.sizes():
        fits = backend.fits(CircuitRequest("range", of(gadget), FixedPoint()), size)
        assert (backend.cost(of(gadget), size) < inf) == fits == (size >= smallest)


@pytest.mark.parametrize("table_bits", [7, 9, 10, 11])
def test_a_table_fits_a_size_that_surely_holds_its_last_argument(table_bits: int) -> None:
    """An argument that is clamped to the end of the table must be in the table."""
    last = FixedPoint(table_bits=table_bits).table_limit
    program = of(lambda b, x: b.table(Op.SIGMOID, x, table_bits))
    for size in EzklBackend().sizes():
        holds = Digits(size).low <= -last and last <= Digits(size).lookup_range[1]
        assert (rows(program, Digits(size)) < inf) == holds, size


def test_a_tensor_longer_than_a_column_does_not_fit() -> None:
    backend, column = EzklBackend(), (1 << 11) - RESERVED_ROWS

    def fits(gadget: Gadget, elements: int) -> bool:
        return backend.fits(CircuitRequest("range", of(gadget, elements), FixedPoint()), 11)

    assert fits(lambda b, x: x, column)
    assert not fits(lambda b, x: x, column + 1)
    # The hints are a tensor too: two digits for each element.
    assert fits(lambda b, x: b.slice(b.range_check(x, 20), 0, 1), column // 2)
    assert not fits(lambda b, x: b.slice(b.range_check(x, 20), 0, 1), column // 2 + 1)


def test_steps_cost_alike(traced: Callable[..., object]) -> None:
    model: object = traced(nn.Linear(3, 1))
    one, two, four = (
        rows(model.program(FixedPoint(), steps=k), LARGE)  # type: ignore[attr-defined]
        for k in (1, 2, 4)
    )
    assert four - two == 2 * (two - one)
