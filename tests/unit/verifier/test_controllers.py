"""What a controller's client computes itself: the twin of the rule by which parameters move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.verifier.controllers import ParameterSpec

SPEC = ParameterSpec(100, 10, 1000, max_step=25, smoothing=1, scale=16, offset=1)


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [(100, 321, 125), (100, 120, 120), (100, 100, 100), (20, -16_000, 10), (990, 9_999, 1000)],
)
def test_a_move_goes_to_the_target_within_step_and_rails(
    value: int, target: int, expected: int
) -> None:
    assert SPEC.moved(value, target) == expected


def test_smoothing_goes_a_part_of_the_way_and_arrives() -> None:
    spec = ParameterSpec(100, 10, 1000, max_step=1000, smoothing=4, scale=16, offset=1)
    path = [100]
    while path[-1] != 120:
        path.append(spec.moved(path[-1], 120))
    # The path of ParameterController.t.sol.
    assert path[1:6] == [105, 109, 112, 114, 116]


@given(st.integers(10, 1000), st.integers(-(2**80), 2**80), st.integers(1, 255))
def test_never_more_than_the_step_nor_past_the_rails(
    value: int, target: int, smoothing: int
) -> None:
    spec = ParameterSpec(100, 10, 1000, max_step=25, smoothing=smoothing, scale=16, offset=1)
    moved = spec.moved(value, target)
    assert abs(moved - value) <= 25
    assert 10 <= moved <= 1000
