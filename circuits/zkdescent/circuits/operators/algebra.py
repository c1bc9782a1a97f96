"""Formulas over values: the arithmetic that handlers are written in.

Each operation takes tensors, uniform constants and plain numbers alike. Constants stay exact and
cost nothing; a factor 0 or 1 makes no node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import exp, prod, sqrt, tanh
from typing import TYPE_CHECKING

import numpy as np
from torch import fx

from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import (
    Operand,
    Shape,
    Value,
    as_value,
    axes_of,
    constant_value,
    tensor,
)
from zkdescent.circuits.program import Op
from zkdescent.circuits.symbolic import Symbolic, Uniform, ceil_log2

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

_FUNCTIONS: dict[Op, Callable[[float], float]] = {
    Op.SIGMOID: lambda x: 1 / (1 + exp(-x)),
    Op.TANH: tanh,
    Op.EXP: exp,
}


class Algebra:
    """Operations for the handler of one graph node; results carry its name."""

    def __init__(self, low: Lowering, node: fx.Node) -> None:
        self.low = low
        self.node = node
        self.name = node.name

    def shape(self, x: Operand) -> Shape:
        """Shape of the value as it is stored; see `registry` on narrow values."""
        value = as_value(x)
        return self.low.arithmetic.shape(value)

    def add(self, a: Operand, b: Operand, *, subtract: bool = False) -> Value:
        """Sum or difference; broadcasting."""
        ca, cb = constant_value(a), constant_value(b)
        sign = -1 if subtract else 1
        if ca is not None and cb is not None:
            return Uniform(ca + sign * cb, self._broadcast(a, b))
        if cb == 0:
            return as_value(a)
        if ca == 0:
            return self.mul(b, sign)
        left, right = tensor(self.low, a), tensor(self.low, b)
        return self.low.arithmetic.add(left, right, subtract=subtract, name=self.name)

    def sub(self, a: Operand, b: Operand) -> Value:
        """Difference."""
        return self.add(a, b, subtract=True)

    def mul(self, a: Operand, b: Operand) -> Value:
        """Elementwise product; broadcasting."""
        ca, cb = constant_value(a), constant_value(b)
        if ca is not None and cb is not None:
            return Uniform(ca * cb, self._broadcast(a, b))
        if ca is None and cb is None:
            left, right = tensor(self.low, a), tensor(self.low, b)
            return self.low.arithmetic.product(left, right, name=self.name)
        factor, other = (ca, b) if ca is not None else (cb, a)
        assert factor is not None
        if factor == 0:
            return Uniform(Fraction(0), self._broadcast(a, b))
        return self._checked(self.low.arithmetic.scaled(tensor(self.low, other), factor))

    def neg(self, x: Operand) -> Value:
        """-x; free."""
        return self.mul(x, -1)

    def total(self, x: Operand, source: Shape, axes: Sequence[int], *, keep: bool) -> Value:
        """Sum over axes of a value that stands for a tensor of shape `source`.

        An axis along which the value is constant is not summed but multiplied, which is free.
        """
        axes = axes_of(axes, len(source))
        kept = tuple(1 if i in axes else n for i, n in enumerate(source) if keep or i not in axes)
        value = as_value(x)
        if isinstance(value, Uniform):
            return Uniform(value.value * prod(source[i] for i in axes), kept)
        have = self.low.builder.shape(value.node) if source else (1,)
        have = (1,) * (len(source) - len(have)) + tuple(have)
        repeated = prod(source[i] for i in axes if have[i] == 1)
        summed = self.low.builder.sum(
            self.low.builder.reshape(value.node, have),
            tuple(i for i in axes if have[i] != 1),
            self.name,
        )
        shape = tuple(1 if i in axes else n for i, n in enumerate(have) if keep or i not in axes)
        result = replace(value, node=self.low.builder.reshape(summed, shape or (1,)))
        return self.low.arithmetic.scaled(result, Fraction(repeated))

    def mean(self, x: Operand, source: Shape, axes: Sequence[int], *, keep: bool) -> Value:
        """Mean over axes; the division is exact and free."""
        count = prod(source[i] for i in axes_of(axes, len(source)))
        return self.mul(self.total(x, source, axes, keep=keep), Fraction(1, count))

    # --- masks: 0 or 1 ----------------------------------------------------------------------

    def above(self, a: Operand, b: Operand = 0) -> Value:
        """1 where a > b, else 0: one comparison an element."""
        difference = self.sub(a, b)
        if isinstance(difference, Uniform):
            return Uniform(Fraction(int(difference.value > 0)), difference.shape)
        return self.low.arithmetic.is_positive(difference, self.name)

    def negated(self, mask: Operand) -> Value:
        """1 - mask."""
        return self.sub(1, mask)

    def equal(self, a: Operand, b: Operand) -> Value:
        """1 where a = b, else 0: two comparisons, shared with `above` in both directions."""
        return self.sub(self.negated(self.above(a, b)), self.above(b, a))

    def where(self, mask: Operand, a: Operand, b: Operand) -> Value:
        """`a` where the mask is 1, `b` where it is 0."""
        fixed = constant_value(mask)
        if fixed is not None:
            return as_value(a if fixed else b)
        return self.add(b, self.mul(mask, self.sub(a, b)))

    def relu(self, x: Operand) -> Value:
        """max(x, 0)."""
        return self.mul(self.above(x), x)

    def maximum(self, a: Operand, b: Operand) -> Value:
        """The larger of two: b + [a > b] (a - b)."""
        return self.add(b, self.relu(self.sub(a, b)))

    def minimum(self, a: Operand, b: Operand) -> Value:
        """The smaller of two: a - [a > b] (a - b)."""
        return self.sub(a, self.relu(self.sub(a, b)))

    def sign(self, x: Operand) -> Value:
        """-1, 0 or 1."""
        return self.sub(self.above(x), self.above(0, x))

    def absolute(self, x: Operand) -> Value:
        """Magnitude: (2 [x > 0] - 1) x."""
        return self.mul(self.sub(self.mul(self.above(x), 2), 1), x)

    # --- gadgets ----------------------------------------------------------------------------

    def divide(self, a: Operand, b: Operand, *, scale: int | None = None) -> Value:
        """a / b, rounded to 2**-fraction_bits (or `scale`) where b is a tensor; b must be above 0.

        A constant divisor is exact and may be negative.
        """
        ca, cb = constant_value(a), constant_value(b)
        if cb is not None:
            if cb == 0:
                raise refused(self.node, "division by zero can't be proven")
            return self.mul(a, 1 / cb)
        if ca == 0:
            return Uniform(Fraction(0), self._broadcast(a, b))
        scale = self.low.fixed.fraction_bits if scale is None else scale
        left, right = tensor(self.low, a), tensor(self.low, b)
        return self.low.arithmetic.divide(left, right, scale, self.name)

    def sqrt(self, x: Operand, *, scale: int | None = None) -> Value:
        """Square root; a tensor's has half the argument's fraction bits, at least the project's."""
        value = as_value(x)
        if isinstance(value, Uniform):
            if value.value < 0:
                raise refused(self.node, "the square root of a negative constant can't be proven")
            return Uniform(Fraction(sqrt(value.value)), value.shape)
        if scale is None:
            scale = max(self.low.fixed.fraction_bits, -(-value.scale // 2))
        return self.low.arithmetic.sqrt(value, scale, self.name)

    def table(self, op: Op, x: Operand, *, below: bool = True, above: bool = True) -> Value:
        """SIGMOID, TANH or EXP; arguments beyond the table are clamped to its ends."""
        value = as_value(x)
        if isinstance(value, Uniform):
            return Uniform(Fraction(_FUNCTIONS[op](float(value.value))), value.shape)
        return self.low.arithmetic.table(op, value, self.name, below=below, above=above)

    def rounded(self, x: Operand, scale: int) -> Value:
        """A tensor in units of 2**-scale if it is finer; rounding inside a handler."""
        value = as_value(x)
        if isinstance(value, Uniform):
            return value
        unit = value.scale - ceil_log2(abs(value.coefficient))
        return value if unit <= scale else self.low.arithmetic.rounded(value, scale, self.name)

    def _broadcast(self, a: Operand, b: Operand) -> Shape:
        return tuple(np.broadcast_shapes(self.shape(a), self.shape(b)))

    def _checked(self, value: Symbolic) -> Symbolic:
        """Refuse a factor so small that even the largest value times it rounds to zero."""
        low = self.low
        resolution = low.finest_scale + low.fixed.headroom_bits + 1
        if abs(value.coefficient) * (1 << resolution) >= 1:
            return value
        raise refused(
            self.node,
            f"the factor {float(value.coefficient):.3g} quantises to zero",
            expected=f"at least 2^-{resolution} with {low.fixed.fraction_bits} fraction_bits",
            hint="use a larger factor (learning rate, weight of a term), or raise [circuit] "
            "fraction_bits",
        )
