"""What one look-up can check: digits of a circuit of 2**logrows rows.

ezkl fills a table column with consecutive integers from the lower end of `lookup_range` on. One
column of 2**k rows holds a little fewer than 2**k of them: from -2**(k-1) exactly, to 2**(k-1) less
at most 32. Two kinds of digits are made of it:

- *signed digits* to base 2**(k-1), for numbers the prover supplies. Honest digits use half of the
  table, so a number has two or more forms; what is proven is the number and its bound.
- *exact digits* to base `count`, for comparisons: consecutive values, each number has one form but
  for the last few of the table (`slack`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.core.errors import RangeOverflow

_RESERVED = 32  # more than the rows that halo2 keeps for blinding and ezkl for padding


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits of circuits with 2**logrows rows."""

    logrows: int

    @property
    def bits(self) -> int:
        """Bits of a signed digit."""
        return self.logrows - 1

    @property
    def low(self) -> int:
        """Smallest value of the table; exact."""
        return -(1 << self.bits)

    @property
    def count(self) -> int:
        """Values that every table is sure to hold, from `low` on; base of exact digits."""
        return (1 << self.logrows) - _RESERVED

    @property
    def lookup_range(self) -> tuple[int, int]:
        """First and last of the values that every table is sure to hold."""
        return self.low, self.low + self.count - 1

    @property
    def comparison_capacity(self) -> int:
        """Most bits of an argument that two exact digits compare with zero.

        They hold a little less, `comparison_limit`; what lies between is refused with its hints.
        """
        return 2 * self.logrows - 1

    @property
    def comparison_limit(self) -> int:
        """Magnitudes up to this one are held by two exact digits."""
        return self.lookup_range[1] * self.count

    def signed_number(self, capacity: int) -> int:
        """Signed digits that hold every magnitude below 2**capacity."""
        return -(-(capacity + 1) // self.bits)

    def bound(self, capacity: int) -> int:
        """Exclusive bound on what that many digits hold, whoever chooses them."""
        number = self.signed_number(capacity)
        return 1 + sum(1 << (self.bits * (i + 1)) for i in range(number))

    def remainder_number(self, bits: int) -> int:
        """Digits that bound the remainder of a division by 2**bits."""
        return -(-bits // self.bits)

    def exact_number(self, capacity: int) -> int | None:
        """Exact digits for a comparison: 1, 2, or None if it is too wide."""
        if capacity < self.bits:
            return 1
        return 2 if capacity <= self.comparison_capacity else None

    def split_signed(self, values: IntegerArray, number: int) -> list[IntegerArray]:
        """Signed digits, the highest first; the highest takes what is left."""
        digits: list[IntegerArray] = []
        rest = np.asarray(values, dtype=object)
        half = 1 << (self.bits - 1)
        for _ in range(number - 1):
            quotient = (rest + half) >> self.bits
            digits.append(rest - (quotient << self.bits))
            rest = quotient
        return [rest, *reversed(digits)]

    def check(self, digits: IntegerArray, name: str) -> None:
        """Refuse digits that no table holds: the prover would never return.

        Raises:
            RangeOverflow: a digit is outside; `name` says of what.
        """
        first, last = self.lookup_range
        outside = (digits < first) | (digits > last)
        if outside.any():
            raise RangeOverflow(
                f"{name} does not fit the circuit's digits",
                expected=f"{first} to {last}",
                got=int(digits[outside][0]),
                hint="use a larger logrows, or keep the value smaller",
            )
