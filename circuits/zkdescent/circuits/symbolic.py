"""Values while lowering: an integer tensor, what one of its units is worth, and no rounding yet.

A real tensor is ``coefficient * integers * 2**-scale``. Exact constants of the graph (2/N of a
mean, a learning rate) gather in ``coefficient`` and cost nothing until two values with different
coefficients meet; then they become one multiplication by an odd mantissa. Powers of two move
between coefficient and scale for free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from zkdescent.circuits.fixed_point import FixedPoint, dyadic, power_of_two_exponent
from zkdescent.circuits.program import Builder, Op

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Uniform:
    """A constant tensor with one value everywhere; exact."""

    value: Fraction
    shape: Shape


@dataclass(frozen=True, slots=True)
class Symbolic:
    """A tensor of the program: real value = coefficient * node * 2**-scale."""

    node: int
    scale: int
    coefficient: Fraction = Fraction(1)


def ceil_log2(factor: Fraction) -> int:
    """The smallest n with factor <= 2**n, for a factor above zero; may be negative."""
    guess = factor.numerator.bit_length() - factor.denominator.bit_length()
    while factor > Fraction(2) ** guess:
        guess += 1
    while factor <= Fraction(2) ** (guess - 1):
        guess -= 1
    return guess


class Arithmetic:
    """Fixed-point operations on `Symbolic` values; appends to a `Builder`."""

    def __init__(self, builder: Builder, fixed: FixedPoint) -> None:
        self.builder = builder
        self.fixed = fixed

    def shape(self, value: Symbolic | Uniform) -> Shape:
        """Shape of the tensor."""
        return value.shape if isinstance(value, Uniform) else self.builder.shape(value.node)

    # --- exact ------------------------------------------------------------------------------

    def scaled(self, value: Symbolic, factor: Fraction) -> Symbolic:
        """Multiply by an exact constant; free."""
        return replace(value, coefficient=value.coefficient * factor)

    def constant(self, value: Fraction) -> Symbolic:
        """A constant that broadcasts; zero is an integer zero with coefficient 1."""
        if value == 0:
            return Symbolic(self.builder.constant(0), 0)
        sign = -1 if value < 0 else 1
        return Symbolic(self.builder.constant(sign), 0, abs(value))

    def with_unit_coefficient(self, value: Symbolic) -> Symbolic:
        """Make the coefficient 1: by scale alone if it is a power of two, else by a mantissa.

        A mantissa has `constant_bits` bits.
        """
        if value.coefficient == 1:
            return value
        exponent = power_of_two_exponent(abs(value.coefficient))
        if exponent is not None:
            mantissa, scale = (1 if value.coefficient > 0 else -1), value.scale - exponent
        else:
            mantissa, shift = dyadic(value.coefficient, self.fixed.constant_bits)
            scale = value.scale + shift
        node = value.node
        if mantissa < 0:
            node = self.builder.neg(node)
        if abs(mantissa) != 1:
            node = self.builder.mul(node, self.builder.constant(abs(mantissa)))
        return Symbolic(node, scale)

    def with_positive_coefficient(self, value: Symbolic) -> Symbolic:
        """The same value with a coefficient above zero."""
        if value.coefficient > 0:
            return value
        return replace(value, node=self.builder.neg(value.node), coefficient=-value.coefficient)

    def aligned(self, a: Symbolic, b: Symbolic) -> tuple[Symbolic, Symbolic]:
        """Bring two values to one coefficient and one scale, so that their integers add up."""
        ratio = b.coefficient / a.coefficient
        exponent = power_of_two_exponent(ratio)
        if exponent is not None:
            b = Symbolic(b.node, b.scale - exponent, a.coefficient)
        else:
            a, b = self.with_unit_coefficient(a), self.with_unit_coefficient(b)
        scale = max(a.scale, b.scale)
        return self.refined(a, scale), self.refined(b, scale)

    def refined(self, value: Symbolic, scale: int) -> Symbolic:
        """Bring a value to a finer or equal scale, exactly."""
        shifted = self.builder.shift_left(value.node, scale - value.scale)
        return replace(value, node=shifted, scale=scale)

    def add(self, a: Symbolic, b: Symbolic, *, subtract: bool = False, name: str = "") -> Symbolic:
        """Sum or difference; broadcasting."""
        if b.coefficient < 0:
            b, subtract = replace(b, coefficient=-b.coefficient), not subtract
        a, b = self.aligned(a, b)
        combine = self.builder.sub if subtract else self.builder.add
        return replace(a, node=combine(a.node, b.node, name))

    def product(
        self, a: Symbolic, b: Symbolic, *, matrix: bool = False, name: str = ""
    ) -> Symbolic:
        """Elementwise or matrix product; scales add, coefficients multiply, nothing is rounded."""
        combine = self.builder.matmul if matrix else self.builder.mul
        node = combine(a.node, b.node, name)
        return Symbolic(node, a.scale + b.scale, a.coefficient * b.coefficient)

    # --- decomposed -------------------------------------------------------------------------

    def rescale(self, value: Symbolic, scale: int, name: str = "") -> Symbolic:
        """Bring a value to a coarser or equal scale by rounding; to a finer one exactly.

        The coefficient stays: it is the integer tensor whose scale changes.
        """
        if scale >= value.scale:
            return self.refined(value, scale)
        magnification = max(0, ceil_log2(1 / abs(value.coefficient)))
        capacity = scale + self.fixed.headroom_bits + magnification
        node = self.builder.rescale(value.node, value.scale - scale, capacity, name)
        return replace(value, node=node, scale=scale)

    def rounded(self, value: Symbolic, scale: int, name: str = "") -> Symbolic:
        """The value as integers in units of exactly 2**-scale."""
        return self.rescale(self.with_unit_coefficient(value), scale, name)

    def is_positive(self, value: Symbolic, name: str = "") -> Symbolic:
        """1 where the value is above zero, else 0; a mask at scale 0.

        The value's own scale is kept: what is compared is the unrounded number. One no finer than
        the parameters has the full headroom, and a bit for the bound it is compared with.
        """
        value = self.with_positive_coefficient(value)
        rounded = value.scale <= self.fixed.fraction_bits
        headroom = self.fixed.headroom_bits + 1 if rounded else self.fixed.comparison_bits
        inverse = 1 / value.coefficient  # the integers are larger than the reals by this
        capacity = value.scale + headroom + max(0, (ceil(inverse) - 1).bit_length())
        return Symbolic(self.builder.is_positive(value.node, max(1, capacity), name), 0)

    def select(self, mask: Symbolic, a: Symbolic, b: Symbolic, name: str = "") -> Symbolic:
        """`a` where the mask is 1, `b` where it is 0."""
        difference = self.add(a, b, subtract=True, name=name)
        return self.add(b, self.product(mask, difference, name=name), name=name)

    def relu(self, value: Symbolic, name: str = "") -> Symbolic:
        """max(value, 0), not rounded."""
        return self.product(self.is_positive(value, name), value, name=name)

    def maximum(self, a: Symbolic, b: Symbolic, name: str = "") -> Symbolic:
        """Elementwise maximum: b + relu(a - b)."""
        return self.add(b, self.relu(self.add(a, b, subtract=True, name=name), name), name=name)

    def absolute(self, value: Symbolic, name: str = "") -> Symbolic:
        """Magnitude: (2 [x > 0] - 1) x."""
        value = self.with_positive_coefficient(value)
        twice = self.scaled(self.is_positive(value, name), Fraction(2))
        signs = self.add(twice, self.constant(Fraction(1)), subtract=True, name=name)
        return self.product(signs, value, name=name)

    def sign(self, value: Symbolic, name: str = "") -> Symbolic:
        """-1, 0 or 1: [x > 0] - [-x > 0]."""
        negative = self.scaled(value, Fraction(-1))
        return self.add(
            self.is_positive(value, name),
            self.is_positive(negative, name),
            subtract=True,
            name=name,
        )

    def at_most(self, value: Symbolic, high: Fraction, name: str = "") -> Symbolic:
        """min(value, high): x - relu(x - high); exact."""
        excess = self.add(value, self.constant(high), subtract=True, name=name)
        return self.add(value, self.relu(excess, name), subtract=True, name=name)

    def at_least(self, value: Symbolic, low: Fraction, name: str = "") -> Symbolic:
        """max(value, low): x + relu(low - x); exact."""
        deficit = self.add(self.constant(low), value, subtract=True, name=name)
        return self.add(value, self.relu(deficit, name), name=name)

    def clamped(self, value: Symbolic, low: Fraction, high: Fraction, name: str = "") -> Symbolic:
        """The value, or the nearest of the two bounds where it is beyond; exact."""
        return self.at_least(self.at_most(value, high, name), low, name)

    def table(
        self,
        op: Op,
        value: Symbolic,
        name: str = "",
        *,
        below: bool = True,
        above: bool = True,
    ) -> Symbolic:
        """SIGMOID, TANH or EXP by a table; arguments beyond its bounds are clamped.

        Args:
            below, above: false where the argument cannot pass that end of the table; saves a
                comparison an element.
        """
        bits = self.fixed.table_bits
        x = self.rounded(value, bits, name)
        limit = Fraction(self.fixed.table_limit, 1 << bits)
        # The clamp acts on integers at the table's scale, so that its bounds are exact.
        if above:
            x = self.at_most(x, limit, name)
        if below:
            x = self.at_least(x, -limit, name)
        return Symbolic(self.builder.table(op, x.node, bits, name), bits)

    def divide(
        self,
        a: Symbolic,
        b: Symbolic,
        scale: int,
        name: str = "",
        *,
        headroom: int | None = None,
    ) -> Symbolic:
        """a / b in units of about 2**-scale, to the nearest; b must be positive, at least a unit.

        What is rounded is the quotient of the integers; its scale makes up for the coefficient, so
        that one of its units is worth between 2**-(scale + 1) and 2**-scale.

        Args:
            headroom: the quotient stays below 2**headroom in magnitude; `headroom_bits` if not
                given.
        """
        headroom = self.fixed.headroom_bits if headroom is None else headroom
        b = self.with_positive_coefficient(b)
        coefficient = a.coefficient / b.coefficient
        exponent = ceil_log2(abs(coefficient))
        finest = scale + exponent
        # integers: q * 2**-finest = (a * 2**-sa) / (b * 2**-sb), so a is shifted to sb + finest.
        a = Symbolic(a.node, a.scale)
        if a.scale > b.scale + finest:
            b = self.refined(b, a.scale - finest)
        else:
            a = self.refined(a, b.scale + finest)
        inexact = power_of_two_exponent(abs(coefficient)) is None
        divisor = b.scale + self.fixed.headroom_bits + ceil_log2(1 / b.coefficient)
        node = self.builder.divide(
            a.node, b.node, scale + headroom + inexact, max(1, divisor), name
        )
        return Symbolic(node, finest, coefficient)

    def sqrt(self, value: Symbolic, scale: int, name: str = "") -> Symbolic:
        """Square root in units of 2**-scale, downwards; the value must not be negative."""
        x = self.rounded(value, 2 * scale, name)
        node = self.builder.sqrt(x.node, scale + self.fixed.headroom_bits, name)
        return Symbolic(node, scale)
