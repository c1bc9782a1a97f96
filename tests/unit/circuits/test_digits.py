"""Digits: split and put together again, within their table, at every border of their capacity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.core.errors import RangeOverflow

SIZES = st.integers(11, 20)
CAPACITIES = st.integers(1, 70)


def integers(*values: int) -> IntegerArray:
    return np.array(values, dtype=object)


def recombined(parts: Sequence[IntegerArray], base: int) -> IntegerArray:
    """Horner's scheme, the highest digit first."""
    total = np.zeros_like(parts[0])
    for part in parts:
        total = total * base + part
    return total


@given(SIZES, CAPACITIES, st.data())
def test_signed_digits_are_the_number_and_fit_the_table(
    logrows: int, capacity: int, data: st.DataObject
) -> None:
    digits = Digits(logrows)
    largest = (1 << capacity) - 1
    drawn = data.draw(st.lists(st.integers(-largest, largest), max_size=8))
    values = integers(*drawn, 0, 1, -1, largest, -largest)
    parts = digits.split_signed(values, digits.signed_number(capacity))
    assert len(parts) == digits.signed_number(capacity)
    for part in parts:
        digits.check(part, "a digit")
        assert part.shape == values.shape
    assert recombined(parts, 1 << digits.bits).tolist() == values.tolist()


@given(SIZES, CAPACITIES)
def test_no_digit_is_spent_in_vain(logrows: int, capacity: int) -> None:
    """One digit less could not hold every number of the capacity."""
    digits = Digits(logrows)
    fewer = digits.signed_number(capacity) - 1
    if fewer == 0:
        return
    # The honest digits below the highest reach half of the base at most.
    reach = (digits.low + digits.count - 1) << (digits.bits * (fewer - 1))
    assert reach < 1 << capacity
    highest = integers((1 << capacity) - 1)
    parts = np.concatenate(digits.split_signed(highest, fewer))
    with pytest.raises(RangeOverflow, match="a digit does not fit"):
        digits.check(parts, "a digit")


@pytest.mark.parametrize("logrows", range(11, 21))
def test_capacities_at_which_a_digit_more_is_needed(logrows: int) -> None:
    digits = Digits(logrows)
    for number in (1, 2, 3):
        full = number * digits.bits - 1  # one bit of each number is its sign
        assert digits.signed_number(full) == number
        assert digits.signed_number(full + 1) == number + 1


@given(SIZES, CAPACITIES, st.data())
def test_whatever_digits_a_prover_chooses_stay_below_the_bound(
    logrows: int, capacity: int, data: st.DataObject
) -> None:
    digits = Digits(logrows)
    number = digits.signed_number(capacity)
    bound = digits.bound(capacity)
    assert bound >= 1 << capacity
    table = st.integers(digits.low, -digits.low - 1)  # a table may be as long as its column
    chosen = [integers(data.draw(table)) for _ in range(number)]
    assert abs(int(recombined(chosen, 1 << digits.bits)[0])) < bound
    lowest = [integers(digits.low)] * number
    assert int(recombined(lowest, 1 << digits.bits)[0]) == -(bound - 1), "the bound is attained"


@pytest.mark.parametrize("logrows", range(11, 21))
def test_the_table_begins_at_its_exact_end_and_fits_a_column(logrows: int) -> None:
    digits = Digits(logrows)
    first, last = digits.lookup_range
    assert first == digits.low == -(1 << digits.bits)
    assert last - first + 1 == digits.count < 1 << logrows
    digits.check(integers(first, 0, last), "a digit")
    for outside in (first - 1, last + 1):
        with pytest.raises(RangeOverflow, match="a quotient does not fit") as caught:
            digits.check(integers(0, outside), "a quotient")
        assert caught.value.got == outside


@given(SIZES, st.integers(1, 70))
def test_remainders_have_enough_digits(logrows: int, bits: int) -> None:
    digits = Digits(logrows)
    number = digits.remainder_number(bits)
    assert (number - 1) * digits.bits < bits <= number * digits.bits


@pytest.mark.parametrize("logrows", range(11, 21))
def test_how_many_exact_digits_a_comparison_takes(logrows: int) -> None:
    digits = Digits(logrows)
    widest = digits.comparison_capacity
    assert digits.exact_number(1) == digits.exact_number(digits.bits - 1) == 1
    assert digits.exact_number(digits.bits) == digits.exact_number(widest) == 2
    assert digits.exact_number(widest + 1) is None


@pytest.mark.parametrize("logrows", range(11, 21))
def test_exact_digits_hold_every_number_of_their_capacity(logrows: int) -> None:
    digits = Digits(logrows)
    assert digits.comparison_limit > 0.9 * (1 << digits.comparison_capacity)
    for number, largest in ((1, (1 << (digits.bits - 1)) - 1), (2, digits.comparison_limit)):
        below = integers(largest, 1, 0, -1, -largest) - 1  # [x > 0] looks at x - 1
        if number == 1:
            digits.check(below, "x - 1")
            continue
        high = below // digits.count
        digits.check(high, "the upper digit")
        digits.check(below - high * digits.count + digits.low, "the lower digit")
