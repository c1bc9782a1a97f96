"""Tables of intervals: complete, and every entry splits in one way only."""

from __future__ import annotations

import numpy as np
import pytest

from zkdescent.circuits.barretenberg.expression import atom
from zkdescent.circuits.barretenberg.tables import Intervals, intervals
from zkdescent.circuits.fixed_point import FixedPoint, table_value
from zkdescent.circuits.program import Op

CASES = [(op, bits) for op in (Op.SIGMOID, Op.TANH, Op.EXP) for bits in (4, 6, 10)]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[Op, int, Intervals]:
    op, bits = request.param
    return op, bits, intervals(op, bits, FixedPoint(table_bits=bits).table_limit)


def test_intervals_are_the_function(case: tuple[Op, int, Intervals]) -> None:
    op, bits, table = case
    x = np.arange(-table.limit, table.limit + 1)
    index = table.index(x)
    assert (table.results[index] == table_value(op, x, bits).astype(np.int64)).all()
    assert (table.starts[index] <= x).all()
    assert (x <= table.ends[index]).all()
    assert table.starts[0] == -table.limit
    assert table.ends[-1] == table.limit
    assert (table.starts[1:] == table.ends[:-1] + 1).all()
    assert (np.diff(table.results) > 0).all()


def test_steps_of_one_are_found(case: tuple[Op, int, Intervals]) -> None:
    op, _, table = case
    assert table.steps_by_one == (op is not Op.EXP)
    if table.steps_by_one:
        assert table.first + len(table.entries) - 1 == table.results[-1]
    assert int(table.results[-1]) < 1 << table.value_bits


def test_an_entry_is_its_arguments_and_distances(case: tuple[Op, int, Intervals]) -> None:
    _, _, table = case
    draw = np.random.default_rng(0)
    for x in draw.integers(-table.limit, table.limit + 1, 50).tolist():
        (i,) = table.index(np.array([x]))
        above = table.above(np.array([x]), np.array([i]))[0]
        below = table.below(np.array([x]), np.array([i]))[0]
        assert 0 <= above < 1 << table.bits
        assert 0 <= below < 1 << table.bits
        found = table.packed(atom(0), 1, 2)
        value = found.constant + sum(c * (x, above, below)[w] for c, w in found.linear)
        written = 0 if table.steps_by_one else int(table.results[i]) << table.value_shift
        assert value + written == table.entries[i]


@pytest.mark.parametrize("op", [Op.SIGMOID, Op.TANH, Op.EXP])
def test_no_other_argument_has_distances_for_an_entry(op: Op) -> None:
    """Every entry with every distance: the argument they imply lies in the interval.

    X (1 + W) = entry + above - W below, over the integers, with X the argument from the lower end.
    """
    table = intervals(op, 4, 64)
    weight, top = 1 << table.shift, 1 << table.bits
    distances = np.arange(top)
    for start, end in zip(table.starts.tolist(), table.ends.tolist(), strict=True):
        first, last = start + table.limit, end + table.limit
        right = first + last * weight + distances[:, None] - weight * distances[None, :]
        above, below = np.nonzero(right % (1 + weight) == 0)
        x = right[above, below] // (1 + weight)
        assert (x == first + above).all()
        assert (x == last - below).all()
        assert set(x.tolist()) == set(range(first, last + 1))


def test_a_narrower_weight_would_not_do() -> None:
    """The twin: with W as narrow as a distance, an entry has other arguments too."""
    table = intervals(Op.SIGMOID, 4, 64)
    weight, top = (1 << table.bits) - 1, 1 << table.bits
    distances = np.arange(top)
    first, last = int(table.starts[3]) + table.limit, int(table.ends[3]) + table.limit
    right = first + last * weight + distances[:, None] - weight * distances[None, :]
    found = np.nonzero(right % (1 + weight) == 0)
    x = right[found] // (1 + weight)
    assert not set(x.tolist()) <= set(range(first, last + 1))
