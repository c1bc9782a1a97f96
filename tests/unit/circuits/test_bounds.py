"""Nothing wraps around the field: neither values nor what gadgets put together from hints."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zkdescent.circuits.bounds import magnitude_bounds
from zkdescent.circuits.program import Builder, Op
from zkdescent.core.errors import RangeOverflow
from zkdescent.core.records import FIELD_MODULUS


def digits(capacity: int) -> int:
    return (1 << capacity) + 1


Gadget = Callable[[Builder, int, int], int]

# (attribute, result) for gadgets of a small x: the widest that are taken, by bits.
GADGETS: dict[str, tuple[Gadget, int]] = {
    "rescale": (lambda b, x, bits: b.rescale(x, bits, 12), 239),
    "rescale to a wide result": (lambda b, x, bits: b.rescale(x, 12, bits), 239),
    "quotient": (lambda b, x, bits: b.divide(x, b.constant(3), bits, 30), 220),
    "divisor": (lambda b, x, bits: b.divide(x, b.constant(3), 30, bits), 220),
    "root": (lambda b, x, bits: b.sqrt(x, bits), 125),
    "comparison": (lambda b, x, bits: b.is_positive(x, bits), 251),
    "range check": (lambda b, x, bits: b.range_check(x, bits), 251),
    "table": (lambda b, x, bits: b.table(Op.SIGMOID, b.shift_left(x, bits), 10), 232),
}


@pytest.mark.parametrize("name", GADGETS)
def test_what_gadgets_put_together_stays_below_a_quarter_of_the_field(name: str) -> None:
    """An argument of one bit does not bound the quotients that a wrapping equation allows it."""
    make, widest = GADGETS[name]
    for bits, is_sound in ((widest, True), (widest + 1, False)):
        b = Builder()
        made = b.finish(make(b, b.input("x", 2, 1), bits))
        if is_sound:
            assert max(magnitude_bounds(made, {"x": 2}, digits)) < FIELD_MODULUS // 4
        else:
            with pytest.raises(RangeOverflow, match="could wrap around the field"):
                magnitude_bounds(made, {"x": 2}, digits)
