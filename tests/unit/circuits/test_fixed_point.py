"""Fixed-point numbers: quantising, rescaling, constants as dyadics, the logistic table."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

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
    range_arithmetic,
    shift_right_rounded,
    sigmoid_table,
)
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


@given(st.integers(-(2**52), 2**52), st.integers(1, 27))
def test_rescaling_is_exact_half_away_from_zero(value: int, shift: int) -> None:
    exact = Fraction(value, 1 << shift)
    whole = int(abs(exact) + Fraction(1, 2))
    assert shift_right_rounded(value, shift) == (-whole if value < 0 else whole)


@given(st.integers(-(2**100), 2**100), st.integers(1, 27))
def test_rescaling_large_values_is_within_one_double_of_the_quotient(
    value: int, shift: int
) -> None:
    got = shift_right_rounded(value, shift)
    error = abs(Fraction(got) - Fraction(value, 1 << shift))
    assert error <= max(Fraction(1, 2), abs(Fraction(value, 1 << shift)) / 2**52)


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


def test_the_logistic_table_is_symmetric_monotone_and_within_its_ends() -> None:
    fixed = FixedPoint()
    arguments = np.arange(-fixed.clamp, fixed.clamp + 1).astype(object)
    table = sigmoid_table(arguments, fixed.sigmoid_bits)
    one = 1 << fixed.sigmoid_bits
    assert table[fixed.clamp] == one // 2
    assert all(a <= b for a, b in pairwise(table))
    assert all(a + b == one for a, b in zip(table, reversed(table), strict=True))
    assert 0 <= table[0] <= 1
    assert one - 1 <= table[-1] <= one


@pytest.mark.parametrize("bits", [3, 21])
def test_fraction_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ConfigError, match="fraction_bits"):
        FixedPoint(fraction_bits=bits)


@pytest.mark.parametrize("bits", range(8, 17))
def test_the_range_circuit_bounds_values_just_above_headroom(bits: int) -> None:
    fixed = FixedPoint(fraction_bits=bits)
    bound = range_arithmetic(fixed).decomposition_bound
    assert 1 << (bits + fixed.headroom_bits) <= bound <= 1 << (bits + fixed.headroom_bits + 1)
