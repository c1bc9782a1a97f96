"""Fixed-point numbers: a real number is ``integer / 2**fraction_bits``.

Rescales and divisions round to the nearest integer, a half upwards: ``floor(x + 1/2)``. Tables
round a half away from zero, as the provers that evaluate them do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.circuits.program import Op
from zkdescent.core.errors import ConfigError, RangeOverflow

IntegerArray = NDArray[Any]  # dtype object: exact Python integers, any magnitude


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """The arithmetic that a project declares.

    Attributes:
        fraction_bits: f; parameters, data and outputs are integers in units of 2**-f.
        headroom_bits: parameters, data and whatever is rounded must stay below 2**headroom_bits
            in magnitude; the circuit has digits for that, and the executor checks it.
        comparison_bits: the same for unrounded arguments of comparisons (pre-activations of a
            ReLU), which have more fraction bits and so less room.
        table_bits, table_bound: sigmoid, tanh and exp are tables over [-bound, bound) in units of
            2**-table_bits; arguments beyond are clamped to its ends.
        constant_bits: mantissa bits of a constant such as a learning rate, written m * 2**-j.
    """

    fraction_bits: int = 12
    headroom_bits: int = 8
    comparison_bits: int = 5
    table_bits: int = 10
    table_bound: int = 8
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
    def data_capacity(self) -> int:
        """Bits below which the magnitude of parameters and data stays."""
        return self.fraction_bits + self.headroom_bits

    @property
    def table_limit(self) -> int:
        """Largest argument of a table, in units of 2**-table_bits; the smallest is its negative.

        64 units less than the bound: provers keep up to 32 rows of a table for themselves, and a
        multiple of 64 has so few significant bits that the clamp's constant is exact.
        """
        return (self.table_bound << self.table_bits) - 64

    def to_json(self) -> dict[str, int]:
        """Return the fields as a plain dictionary (part of the hyperparameters a task commits)."""
        return {name: getattr(self, name) for name in self.__slots__}


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


# ezkl raises e in single precision to a power; one definition must serve every prover.
_E = float(np.float32(np.e))

_FUNCTIONS: dict[Op, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Op.SIGMOID: lambda x: 1.0 / (1.0 + np.exp(-x)),
    Op.TANH: np.tanh,
    Op.EXP: lambda x: np.power(_E, x),
}


def table_value(op: Op, integers: IntegerArray, bits: int) -> IntegerArray:
    """Evaluate a table: ``round(2**bits * function(x / 2**bits))``, a half away from zero.

    Args:
        op: SIGMOID, TANH or EXP.
        integers: arguments in units of 2**-bits.
    """
    scale = float(1 << bits)
    with np.errstate(over="ignore"):
        y = scale * _FUNCTIONS[op](np.asarray(integers, dtype=np.float64) / scale)
    return _integers(np.copysign(np.floor(np.abs(y) + 0.5), y))
