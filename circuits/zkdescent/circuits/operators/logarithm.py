"""Natural logarithms of numbers with known bounds, without a table."""

from __future__ import annotations

from fractions import Fraction
from math import log, sqrt

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.registry import Value

_GUARD_BITS = 4  # beyond fraction_bits, so that the roundings of Horner's scheme don't add up


def log_between(algebra: Algebra, x: Value, lowest: float, highest: float) -> Value:
    """log x for lowest <= x <= highest, off by at most 2**-fraction_bits.

    log x = log c + 2 artanh(z) with c = sqrt(lowest highest), z = (x - c) / (x + c) (Abramowitz and
    Stegun, 4.1.27). One division, then the odd powers of z until what is left is below a quarter
    of a unit.
    """
    centre = sqrt(lowest * highest)
    bits = algebra.low.fixed.fraction_bits
    scale = bits + _GUARD_BITS
    reach = (highest - centre) / (highest + centre)
    middle = Fraction(round(centre * 2**scale), 2**scale)
    z = algebra.divide(algebra.sub(x, middle), algebra.add(x, middle), scale=scale)
    square = algebra.rounded(algebra.mul(z, z), scale)
    terms = series_terms(reach, bits + 2)
    # Horner's scheme of 1 + z^2/3 + z^4/5 + ...
    total: Value | Fraction = Fraction(1, 2 * terms - 1)
    for k in range(terms - 1, 0, -1):
        product = algebra.rounded(algebra.mul(square, total), scale)
        total = algebra.add(product, Fraction(1, 2 * k - 1))
    return algebra.add(algebra.mul(algebra.mul(z, total), 2), Fraction(str(log(float(middle)))))


def series_terms(reach: float, bits: int) -> int:
    """Terms of artanh's series that leave less than 2**-bits of 2 artanh(z), |z| <= reach < 1.

    What is left after n terms is below 2 z^(2n+1) / ((2n + 1) (1 - z^2)).
    """
    n = 1
    while 2 * reach ** (2 * n + 1) / ((2 * n + 1) * (1 - reach**2)) > 2.0**-bits:
        n += 1
    return n
