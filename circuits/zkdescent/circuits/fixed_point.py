"""Fixed-point numbers: a real number is ``integer / 2**fraction_bits``.

The rounding of every rescale is *half away from zero*, computed through one IEEE-754 division.
That is what the ezkl prover's honest witness does (``f64`` division, ``round``), and the reference
executor must agree with it bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.core.errors import ConfigError, RangeOverflow

IntegerArray = NDArray[Any]  # dtype object: exact Python integers, any magnitude

ARITHMETIC_BITS = 120
"""Signed magnitude that an unrescaled intermediate may reach. The prover's integers are i128."""


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """The arithmetic that a project declares.

    Attributes:
        fraction_bits: f; state, data and outputs are integers in units of 2**-f.
        decomposition_base, decomposition_legs: a value that a gadget decomposes (a rescaled
            quotient, the input of a comparison) must be below ``base ** legs`` in magnitude.
        headroom_bits: values of interest are assumed below 2**headroom_bits in magnitude when
            rescales are placed; the executor checks the true values.
        sigmoid_bits, sigmoid_bound: the logistic function is a table over [-bound, bound) in units
            of 2**-sigmoid_bits; arguments beyond are clamped to its ends.
        constant_bits: mantissa bits of a constant such as a learning rate, written m * 2**-j.
    """

    fraction_bits: int = 12
    decomposition_base: int = 1 << 14
    decomposition_legs: int = 2
    headroom_bits: int = 6
    sigmoid_bits: int = 10
    sigmoid_bound: int = 8
    constant_bits: int = 12

    def __post_init__(self) -> None:
        if not 4 <= self.fraction_bits <= 20:
            raise ConfigError(
                "fraction_bits is out of range",
                expected="4 to 20",
                got=self.fraction_bits,
                hint="12 suits standardised data; raise it if small gradients vanish",
            )

    @property
    def decomposition_bound(self) -> int:
        """Exclusive bound on the magnitude of a decomposed value."""
        return int(self.decomposition_base**self.decomposition_legs)

    @property
    def decomposition_bits(self) -> int:
        """floor(log2(decomposition_bound))."""
        return self.decomposition_bound.bit_length() - 1

    @property
    def max_shift(self) -> int:
        """Largest single rescale: its remainder is compared within the decomposition range."""
        return self.decomposition_bits - 1

    @property
    def clamp(self) -> int:
        """Largest table argument of the logistic function, in units of 2**-sigmoid_bits."""
        return (self.sigmoid_bound << self.sigmoid_bits) - 1

    def to_json(self) -> dict[str, int]:
        """Return the fields as a plain dictionary (part of the hyperparameters a task commits)."""
        return {name: getattr(self, name) for name in self.__slots__}


def range_arithmetic(fixed: FixedPoint) -> FixedPoint:
    """Arithmetic of the range circuit: two digits that bound values just above headroom.

    An element v passes if |v| < 2**(2 * half), the smallest even power of two that holds
    ``fraction_bits + headroom_bits`` bits.
    """
    half = (fixed.fraction_bits + fixed.headroom_bits + 1) // 2
    return replace(fixed, decomposition_base=1 << half, decomposition_legs=2)


def quantize(values: NDArray[np.float64], fraction_bits: int, *, what: str) -> IntegerArray:
    """Round real values to the nearest multiples of 2**-fraction_bits, half away from zero.

    Args:
        values: real array of any shape; finite.
        what: names the array in an error.

    Returns:
        Integer array (dtype object) of the same shape.

    Raises:
        RangeOverflow: a value is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise RangeOverflow(f"{what} holds NaN or infinity", expected="finite numbers")
    scaled = array * float(1 << fraction_bits)
    whole = np.trunc(scaled)
    # Not trunc(x + 0.5): adding to the double just below a half would round up to one.
    away = np.where(np.abs(scaled - whole) >= 0.5, np.copysign(1.0, scaled), 0.0)
    return _integers(whole + away)


def _integers(whole: NDArray[np.float64]) -> IntegerArray:
    """Doubles that are whole numbers as exact Python integers."""
    return np.array([int(v) for v in whole.reshape(-1)], dtype=object).reshape(whole.shape)


def dequantize(integers: IntegerArray, fraction_bits: int) -> NDArray[np.float64]:
    """Inverse of `quantize` on its image; same shape, float64."""
    return np.asarray(integers, dtype=np.float64) / float(1 << fraction_bits)


def shift_right_rounded(value: int, shift: int) -> int:
    """Return value / 2**shift rounded half away from zero, through one double division.

    Doubles matter only beyond 2**53, where the true quotient and its double differ by less than
    one unit in the last place; the circuit accepts either neighbour, the prover's witness is this.
    """
    quotient = float(value) / float(1 << shift)
    whole = int(abs(quotient))
    if abs(quotient) - whole >= 0.5:
        whole += 1
    return -whole if quotient < 0 else whole


def dyadic(value: Fraction, bits: int) -> tuple[int, int]:
    """Write a constant as m * 2**-j, rounded, with odd |m| < 2**bits; j may be negative.

    Example:
        >>> dyadic(Fraction(3, 32), 12)
        (3, 5)

    Raises:
        ConfigError: the constant is zero, where a learning rate or weight must not be.
    """
    if value == 0:
        raise ConfigError("a constant of the update step is zero", hint="remove the term")
    exponent = 0
    magnitude = abs(value)
    # Scale until the magnitude has exactly `bits` integer bits, then round.
    while magnitude >= 1 << bits:
        magnitude /= 2
        exponent -= 1
    while magnitude < 1 << (bits - 1):
        magnitude *= 2
        exponent += 1
    mantissa = int(magnitude + Fraction(1, 2))
    while mantissa % 2 == 0:
        mantissa //= 2
        exponent -= 1
    return (-mantissa if value < 0 else mantissa), exponent


def power_of_two_exponent(ratio: Fraction) -> int | None:
    """Return n if ratio == 2**n exactly, else None."""
    if ratio <= 0:
        return None
    p, q = ratio.numerator, ratio.denominator
    if p & (p - 1) or q & (q - 1):
        return None
    return p.bit_length() - q.bit_length()


def sigmoid_table(integers: IntegerArray, bits: int) -> IntegerArray:
    """Logistic function on integers in units of 2**-bits, result in the same units.

    The formula is the prover's own table entry: round(scale / (1 + exp(-x / scale))).
    """
    scale = float(1 << bits)
    x = np.asarray(integers, dtype=np.float64) / scale
    y = scale / (1.0 + np.exp(-x))
    return _integers(np.floor(y + 0.5))
