"""Values while lowering: an integer tensor, what one of its units is worth, and no rounding yet.

A real tensor is ``coefficient * integers * 2**-scale``. Exact constants of the graph (2/N of a
mean, a learning rate) gather in ``coefficient`` and cost nothing until two values with different
coefficients meet; then they become one multiplication by an odd mantissa. Powers of two move
between coefficient and scale for free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from zkdescent.circuits.fixed_point import FixedPoint, dyadic, power_of_two_exponent
from zkdescent.circuits.program import Builder
from zkdescent.core.errors import RangeOverflow

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


class Arithmetic:
    """Fixed-point operations on `Symbolic` values; appends to a `Builder`."""

    def __init__(self, builder: Builder, fixed: FixedPoint) -> None:
        self.builder = builder
        self.fixed = fixed

    def shape(self, value: Symbolic | Uniform) -> Shape:
        """Shape of the tensor."""
        return value.shape if isinstance(value, Uniform) else self.builder.shape(value.node)

    def scaled(self, value: Symbolic, factor: Fraction) -> Symbolic:
        """Multiply by an exact constant; free."""
        return replace(value, coefficient=value.coefficient * factor)

    def with_unit_coefficient(self, value: Symbolic, *, target: int | None = None) -> Symbolic:
        """Make the coefficient 1: by scale alone if it is a power of two, else by a mantissa.

        A mantissa has `constant_bits` bits. When the result is to be rescaled to `target` and the
        product would need a larger shift than one gadget can do, the value is rescaled first.
        """
        if value.coefficient == 1:
            return value
        exponent = power_of_two_exponent(abs(value.coefficient))
        if exponent is not None:
            mantissa, scale = (1 if value.coefficient > 0 else -1), value.scale - exponent
        else:
            mantissa, shift = dyadic(value.coefficient, self.fixed.constant_bits)
            scale = value.scale + shift
        if target is not None and scale - target > self.fixed.max_shift:
            excess = scale - target - self.fixed.max_shift
            if value.scale - excess < self.fixed.fraction_bits // 2:
                raise RangeOverflow(
                    "a constant of the update step is too small for the fixed-point arithmetic",
                    got=float(value.coefficient),
                    hint="raise the learning rate, lower the batch size, or use more fraction_bits",
                )
            value = self.rescale(replace(value, coefficient=Fraction(1)), value.scale - excess)
            scale -= excess
        node = value.node
        if mantissa < 0:
            node = self.builder.neg(node)
        if abs(mantissa) != 1:
            node = self.builder.mul(node, self.builder.constant(abs(mantissa)))
        return Symbolic(node, scale)

    def rescale(self, value: Symbolic, scale: int, name: str = "") -> Symbolic:
        """Bring a value to a coarser or equal scale by rounding; to a finer one exactly."""
        if scale > value.scale:
            shifted = self.builder.shift_left(value.node, scale - value.scale)
            return replace(value, node=shifted, scale=scale)
        while value.scale > scale:
            shift = min(value.scale - scale, self.fixed.max_shift)
            if value.scale - shift + self.fixed.headroom_bits > self.fixed.decomposition_bits:
                raise RangeOverflow(
                    "an intermediate has too many fraction bits to be rescaled",
                    expected=f"at most {shift + self.fixed.decomposition_bits} bits",
                    got=value.scale + self.fixed.headroom_bits,
                    hint="use fewer fraction_bits",
                )
            node = self.builder.rescale(value.node, shift, name)
            value = replace(value, node=node, scale=value.scale - shift)
        return value

    def aligned(
        self, a: Symbolic, b: Symbolic, *, target: int | None = None
    ) -> tuple[Symbolic, Symbolic]:
        """Bring two values to one coefficient and one scale, so that their integers add up."""
        ratio = b.coefficient / a.coefficient
        exponent = power_of_two_exponent(ratio)
        if exponent is not None:
            b = Symbolic(b.node, b.scale - exponent, a.coefficient)
        else:
            a = self.with_unit_coefficient(a, target=target)
            b = self.with_unit_coefficient(b, target=target)
        scale = max(a.scale, b.scale)
        return self.rescale(a, scale), self.rescale(b, scale)

    def add(
        self,
        a: Symbolic,
        b: Symbolic,
        *,
        subtract: bool = False,
        target: int | None = None,
        name: str = "",
    ) -> Symbolic:
        """Sum or difference; broadcasting."""
        a, b = self.aligned(a, b, target=target)
        combine = self.builder.sub if subtract else self.builder.add
        return replace(a, node=combine(a.node, b.node, name))

    def product(self, a: Symbolic, b: Symbolic, *, matrix: bool, name: str = "") -> Symbolic:
        """Elementwise or matrix product; scales add, coefficients multiply, nothing is rounded."""
        combine = self.builder.matmul if matrix else self.builder.mul
        node = combine(a.node, b.node, name)
        return Symbolic(node, a.scale + b.scale, a.coefficient * b.coefficient)
