"""Expressions mean what the integers mean, and weigh what bb weighs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.barretenberg.expression import (
    Expression,
    atom,
    constant,
    gates,
    limb_widths,
    list_gates,
    merged,
    product,
    range_gates,
    total,
)

WITNESS = (3, -5, 1 << 70, 0)
NUMBERS = st.integers(-(1 << 80), 1 << 80)
PLACES = st.integers(0, len(WITNESS) - 1)
EXPRESSIONS = st.builds(
    Expression,
    st.lists(st.tuples(NUMBERS, PLACES, PLACES), max_size=4).map(tuple),
    st.lists(st.tuples(NUMBERS, PLACES), max_size=4).map(tuple),
    NUMBERS,
)
ATOMS = st.builds(
    lambda c, w, k: Expression((), ((c, w),) if c else (), k), NUMBERS, PLACES, NUMBERS
)


def value(e: Expression) -> int:
    products = sum(c * WITNESS[a] * WITNESS[b] for c, a, b in e.products)
    return products + sum(c * WITNESS[a] for c, a in e.linear) + e.constant


@given(EXPRESSIONS, EXPRESSIONS, NUMBERS)
def test_sums_and_multiples(a: Expression, b: Expression, factor: int) -> None:
    assert value(a.plus(b)) == value(a) + value(b)
    assert value(a.plus(b, -1)) == value(a) - value(b)
    assert value(a.scaled(factor)) == factor * value(a)
    assert value(total([a, b, a])) == 2 * value(a) + value(b)
    assert value(Expression((), tuple(merged(a.linear)), 0)) == sum(
        c * WITNESS[w] for c, w in a.linear
    )


@given(ATOMS, ATOMS, EXPRESSIONS, NUMBERS)
def test_products(a: Expression, b: Expression, any_one: Expression, factor: int) -> None:
    assert value(product(a, b)) == value(a) * value(b)
    assert value(product(any_one, constant(factor))) == factor * value(any_one)
    assert value(product(constant(factor), any_one)) == factor * value(any_one)


def test_terms_that_cancel_are_gone() -> None:
    assert merged([(1, 0), (2, 1), (-1, 0)]) == [(2, 1)]
    assert merged([(1, 0), (2, 1), (-2, 0)]) == [(-1, 0), (2, 1)]


def test_kinds() -> None:
    assert constant(4).is_constant
    assert constant(4).is_atom
    assert not atom(1).is_constant
    assert atom(1, 5).is_atom
    assert not atom(1).plus(atom(2)).is_atom
    assert not total(map(atom, range(3))).is_heavy
    assert total(map(atom, range(4))).is_heavy
    assert product(atom(0), atom(1)).is_heavy


def test_gates_as_measured_with_bb() -> None:
    measured = {
        (0, 1): 1, (0, 3): 1, (0, 4): 1, (0, 5): 2, (0, 8): 3, (0, 20): 7,
        (1, 0): 1, (1, 2): 1, (1, 5): 2, (4, 2): 4, (10, 3): 10, (10, 20): 13,
    }  # fmt: skip
    assert {form: gates(*form) for form in measured} == measured
    assert [range_gates(b) for b in (1, 14, 15, 28, 42, 43)] == [1, 1.25, 1.5, 1.5, 1.75, 3]
    assert [limb_widths(b) for b in (1, 13, 14, 21, 29)] == [set(), {13}, {14}, {14, 7}, {14, 1}]
    assert [list_gates(w) for w in (8, 10, 12, 13, 14)] == [48, 176, 688, 1370, 2736]
