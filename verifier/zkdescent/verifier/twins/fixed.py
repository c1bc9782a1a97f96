"""Signed fixed-point integers as BN254 scalar field elements (twin of Fixed.sol).

A negative integer v is carried as R + v. The value of an integer is v / 2**fraction_bits; this
module never scales, it only moves between the two encodings.

Worked example: -1 is 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000.
"""

from __future__ import annotations

from zkdescent.core.errors import ProofRejected

SCALAR_FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order R of the BN254 scalar field: circuit values are integers modulo R."""

BOUND = 1 << 127
"""Integers v of the circuits have |v| < 2^127; an element that stands for none is refused."""


def check_field(value: int, *, what: str = "value") -> int:
    """Return ``value`` if it is a canonical field element, 0 <= value < R.

    Raises:
        ProofRejected: otherwise. A verifier that reduces modulo R would accept both v and
            v + R for the same proof, so one statement would have several names.
    """
    if not 0 <= value < SCALAR_FIELD:
        raise ProofRejected(
            f"{what} is not a canonical field element",
            expected=f"0 <= value < {SCALAR_FIELD}",
            got=value,
            hint="public values must be reduced modulo the BN254 scalar field order",
        )
    return value


def to_field(value: int) -> int:
    """Encode a signed integer, |value| < 2^127, as a field element.

    Raises:
        ProofRejected: the integer is larger than any the circuits compute with.
    """
    if abs(value) >= BOUND:
        raise ProofRejected("integer out of range", expected="|value| < 2^127", got=value)
    return value % SCALAR_FIELD


def from_field(element: int) -> int:
    """Decode a field element to the signed integer it carries; inverse of :func:`to_field`.

    Raises:
        ProofRejected: the element is not canonical, or stands for no integer of that range.
    """
    check_field(element, what="field element")
    value = element if element < BOUND else element - SCALAR_FIELD
    if abs(value) >= BOUND:
        raise ProofRejected("field element is no integer", expected="|value| < 2^127", got=element)
    return value
