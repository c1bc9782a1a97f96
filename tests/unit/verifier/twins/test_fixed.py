"""Signed integers and field elements: one encoding each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.errors import ProofRejected
from zkdescent.verifier.twins import SCALAR_FIELD, check_field, from_field, to_field


@given(st.integers(-(2**127) + 1, 2**127 - 1))
def test_round_trip(value: int) -> None:
    assert from_field(to_field(value)) == value
    assert 0 <= to_field(value) < SCALAR_FIELD


def test_negative_one_is_the_largest_element() -> None:
    assert to_field(-1) == SCALAR_FIELD - 1
    assert to_field(0) == 0


@pytest.mark.parametrize("value", [2**127, -(2**127)])
def test_to_field_rejects_integers_out_of_range(value: int) -> None:
    with pytest.raises(ProofRejected, match="out of range"):
        to_field(value)


@pytest.mark.parametrize("element", [2**127, SCALAR_FIELD - 2**127, SCALAR_FIELD // 2])
def test_from_field_rejects_elements_that_are_no_integers(element: int) -> None:
    with pytest.raises(ProofRejected, match="no integer"):
        from_field(element)


@pytest.mark.parametrize("element", [-1, SCALAR_FIELD, SCALAR_FIELD + 5])
def test_check_field_rejects_second_names_of_a_value(element: int) -> None:
    with pytest.raises(ProofRejected, match="canonical"):
        check_field(element)
    assert check_field(element % SCALAR_FIELD) == element % SCALAR_FIELD
