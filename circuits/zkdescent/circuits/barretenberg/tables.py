"""Sigmoid, tanh and exp as tables of intervals.

The functions are monotone, and in steps of one unit wherever their slope is at most one: there a
table has an entry for each *result*, not for each argument. The prover names the interval that its
argument x lies in, reads (first, last) of it from memory, and shows that x - first and last - x are
not negative. Entries are first + 2^W last in units above the table's lower end; with W two bits
wider than both distances, an entry splits in one way only, whatever integer x is: (1 + 2^W) x stays
below the field's order (`bounds`).

Where results jump, an entry holds the result as well, and x is bounded by a range check of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.circuits.barretenberg.expression import Expression
from zkdescent.circuits.fixed_point import table_value
from zkdescent.circuits.program import Op

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """One table.

    Attributes:
        starts, ends: first and last argument of each interval.
        results: the function on each interval.
        limit: arguments are from -limit to limit.
    """

    starts: Places
    ends: Places
    results: Places
    limit: int

    @property
    def bits(self) -> int:
        """Bits of a distance."""
        return (2 * self.limit).bit_length()

    @property
    def shift(self) -> int:
        """W, the weight of an interval's end."""
        return self.bits + 2

    @property
    def value_shift(self) -> int:
        """Weight of a result, where entries hold it."""
        return 2 * self.shift + 2

    @property
    def value_bits(self) -> int:
        """Bits of a result, where entries hold it."""
        return int(self.results.max()).bit_length()

    @property
    def steps_by_one(self) -> bool:
        """Whether a result is the first one plus its interval's number."""
        return bool((np.diff(self.results) == 1).all())

    @property
    def first(self) -> int:
        """The smallest result."""
        return int(self.results[0])

    @property
    def entries(self) -> list[int]:
        """Contents of the memory."""
        return _entries(self)

    def index(self, x: NDArray[Any]) -> Places:
        """Intervals of arguments."""
        return np.searchsorted(self.starts, x.astype(np.int64), side="right") - 1

    def above(self, x: NDArray[Any], index: Places) -> list[int]:
        """Distances from the intervals' starts."""
        distances: list[int] = (x.reshape(-1).astype(np.int64) - self.starts[index]).tolist()
        return distances

    def below(self, x: NDArray[Any], index: Places) -> list[int]:
        """Distances to the intervals' ends."""
        distances: list[int] = (self.ends[index] - x.reshape(-1).astype(np.int64)).tolist()
        return distances

    def packed(self, x: Expression, above: int, below: int) -> Expression:
        """The entry that an argument and its two distances (witnesses) imply."""
        weight = 1 << self.shift
        both = x.scaled(1 + weight)
        linear = (*both.linear, (-1, above), (weight, below))
        return Expression(both.products, linear, both.constant + self.limit * (1 + weight))


@cache
def intervals(op: Op, bits: int, limit: int) -> Intervals:
    """The table of a function over [-limit, limit] in units of 2**-bits."""
    arguments = np.arange(-limit, limit + 1)
    results = table_value(op, arguments, bits).astype(np.int64)
    starts = np.flatnonzero(np.concatenate([[True], np.diff(results) != 0]))
    ends = np.concatenate([starts[1:] - 1, [len(arguments) - 1]])
    return Intervals(arguments[starts], arguments[ends], results[starts], limit)


@cache
def _entries(table: Intervals) -> list[int]:
    values = zip(table.starts.tolist(), table.ends.tolist(), table.results.tolist(), strict=True)
    shift, limit = table.shift, table.limit
    written = 0 if table.steps_by_one else 1
    return [
        (start + limit) + ((end + limit) << shift) + written * (result << table.value_shift)
        for start, end, result in values
    ]
