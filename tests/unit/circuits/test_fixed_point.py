"""Fixed-point numbers: quantising, rescaling, constants as dyadics, the logistic table."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.fixed_point import (
    FixedPoint,
    dequantize,
    dyadic,
    power_of_two_exponent,
    quantize,
    table_value,
)
from zkdescent.circuits.program import Op
from zkdescent.core.errors import ConfigError, RangeOverflow


@pytest.mark.parametrize(
    ("value", "integer"),
    [
        (0.0, 0),
        (0.125, 1),
        (-0.125, -1),
        (0.124, 0),
        (0.375, 2),
        (-0.375, -2),
        (1.0, 4),
        (-2.6, -10),
    ],
)
def test_quantising_rounds_half_away_from_zero(value: float, integer: int) -> None:
    assert quantize(np.array([value]), 2, what="x").tolist() == [integer]


def test_quantising_does_not_round_a_value_just_below_half_up() -> None:
    below = np.nextafter(0.5, 0.0)
    assert quantize(np.array([below, -below]), 0, what="x").tolist() == [0, 0]


def test_quantising_keeps_shape_and_gives_python_integers() -> None:
    array = quantize(np.full((2, 3), 1e300), 12, what="x")
    assert array.shape == (2, 3)
    assert array.dtype == object
    assert array[0, 0] == int(1e300) << 12


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    with pytest.raises(RangeOverflow, match="the data holds NaN or infinity") as caught:
        quantize(np.array([0.0, bad]), 12, what="the data")
    assert caught.value.exit_code == 2


@given(st.integers(-(2**40), 2**40), st.integers(4, 16))
def test_dequantising_inverts_quantising(integer: int, bits: int) -> None:
    real = dequantize(np.array([integer], dtype=object), bits)
    assert quantize(real, bits, what="x").tolist() == [integer]


@given(st.fractions(min_value=-1000, max_value=1000), st.integers(4, 20))
def test_a_constant_is_an_odd_mantissa_times_a_power_of_two(value: Fraction, bits: int) -> None:
    if value == 0:
        with pytest.raises(ConfigError, match="zero"):
            dyadic(value, bits)
        return
    mantissa, exponent = dyadic(value, bits)
    assert mantissa % 2 == 1
    assert abs(mantissa) < 1 << bits
    approximation = Fraction(mantissa) / Fraction(2) ** exponent
    assert abs(approximation - value) <= abs(value) / (1 << bits)


def test_exact_dyadics_are_exact() -> None:
    assert dyadic(Fraction(3, 32), 12) == (3, 5)
    assert dyadic(Fraction(-8), 12) == (-1, -3)
    # 4095.9 rounds up to 2**12, which is a power of two and no 13-bit mantissa.
    assert dyadic(Fraction(40959, 10), 12) == (1, -12)


def test_powers_of_two() -> None:
    assert power_of_two_exponent(Fraction(8)) == 3
    assert power_of_two_exponent(Fraction(1, 4)) == -2
    assert power_of_two_exponent(Fraction(3)) is None
    assert power_of_two_exponent(Fraction(0)) is None
    assert power_of_two_exponent(Fraction(-2)) is None


@pytest.mark.parametrize("op", [Op.SIGMOID, Op.TANH, Op.EXP])
def test_tables_are_monotone_and_rounded(op: Op) -> None:
    fixed = FixedPoint()
    arguments = np.arange(-fixed.table_limit - 1, fixed.table_limit + 1).astype(object)
    table = table_value(op, arguments, fixed.table_bits)
    one = 1 << fixed.table_bits
    assert all(a <= b for a, b in pairwise(table))
    real: dict[Op, Callable[[Any], Any]] = {
        Op.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
        Op.TANH: np.tanh,
        Op.EXP: np.exp,
    }
    exact = one * real[op](arguments.astype(float) / one)
    # The prover's e is a float32: exp(8) is wrong by 2.4e-7 of itself.
    tolerance = 0.5 + (exact * 2.0**-21 if op is Op.EXP else 0.0)
    assert (np.abs(table.astype(float) - exact) <= tolerance).all()


@pytest.mark.parametrize(("argument", "bits", "entry"), [(3098, 10, 21096), (864, 7, 109319)])
def test_the_exponential_is_the_provers(argument: int, bits: int, entry: int) -> None:
    """ezkl 23.0.5 raises float32(e) to a power; the true values round to one unit more."""
    assert table_value(Op.EXP, np.array([argument], dtype=object), bits).tolist() == [entry]


def test_the_sigmoid_is_symmetric_and_reaches_its_limits_at_the_ends() -> None:
    """What is clamped to the table's ends loses nothing."""
    fixed = FixedPoint()
    one = 1 << fixed.table_bits
    arguments = np.arange(-fixed.table_limit, fixed.table_limit + 1).astype(object)
    table = table_value(Op.SIGMOID, arguments, fixed.table_bits)
    assert all(a + b == one for a, b in zip(table, reversed(table), strict=True))
    assert (table[0], table[-1]) == (0, one)
    tanh = table_value(Op.TANH, arguments, fixed.table_bits)
    assert (tanh[0], tanh[-1]) == (-one, one)


@pytest.mark.parametrize("bound", [4, 8, 16])
@pytest.mark.parametrize("table_bits", [7, 9, 10, 11])
def test_the_end_of_a_table_is_an_exact_constant(table_bits: int, bound: int) -> None:
    """Rounded up by one unit, it would let an argument through that no table holds."""
    fixed = FixedPoint(table_bits=table_bits, table_bound=bound)
    end = Fraction(fixed.table_limit, 1 << table_bits)
    mantissa, exponent = dyadic(end, fixed.constant_bits)
    assert Fraction(mantissa) / 2**exponent == end


@pytest.mark.parametrize("bits", [3, 21])
def test_fraction_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ConfigError, match="fraction_bits"):
        FixedPoint(fraction_bits=bits)


def test_capacities_follow_from_the_fields() -> None:
    fixed = FixedPoint(fraction_bits=14, headroom_bits=6, table_bits=9, table_bound=4)
    assert fixed.data_capacity == 20
    # Tables end 64 units before their bound, so that every circuit's column holds them.
    assert fixed.table_limit == 4 * 2**9 - 64
    assert FixedPoint(**fixed.to_json()) == fixed
