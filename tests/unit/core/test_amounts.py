"""Amounts of ether as the project file writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.core.amounts import format_ether, parse_wei


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("0 wei", 0),
        ("1000 wei", 1000),
        ("20 gwei", 20 * 10**9),
        ("0.5 ether", 5 * 10**17),
        ("0.000000000000000001 ether", 1),
        ("1.50 gwei", 1_500_000_000),
    ],
)
def test_amounts_are_exact(text: str, wei: int) -> None:
    assert parse_wei(text) == wei


@pytest.mark.parametrize(
    "text",
    ["", "1", "1ether", "-1 wei", "1e3 wei", "0.5 wei", "1 eth", " 1 wei", "1 wei ", "1_0 wei",
     "0.0000000001 gwei", ".5 ether", "1. ether", f"{1 << 128} wei", "\u0661 wei"],
)  # fmt: skip
def test_what_is_no_whole_number_of_wei_is_refused(text: str) -> None:
    assert parse_wei(text) is None


@given(st.integers(min_value=0, max_value=(1 << 128) - 1))
def test_amounts_in_ether_are_read_back(wei: int) -> None:
    assert parse_wei(format_ether(wei)) == wei
