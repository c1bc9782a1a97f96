"""Softmax and its logarithm, over any axis."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import exp, floor, log
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.logarithm import log_between
from zkdescent.circuits.operators.reductions import largest, resized
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import (
    Shape,
    Value,
    argument_shape,
    aten,
    handles,
    output_shape,
    tensor,
)
from zkdescent.circuits.operators.shapes import viewed
from zkdescent.circuits.program import Op
from zkdescent.circuits.symbolic import Symbolic

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


class Exponentials:
    """exp(x - max x + shift) and its sum along an axis.

    Softmax does not change when x is shifted. The shift lifts the exponentials above the rounding
    of the table, as far as the sum still fits in headroom_bits.

    Attributes:
        shift: whole, at least 0.
        top: max x, the axis kept with length 1.
        centred: x - max x, at most 0.
        values: the exponentials, in units of 2**-table_bits.
        total: their sum, the axis kept with length 1.
    """

    def __init__(self, algebra: Algebra, x: Value, shape: Shape, axis: int) -> None:
        fixed = algebra.low.fixed
        count = shape[axis]
        room = (1 << fixed.headroom_bits) / count
        self.shift = max(0, min(fixed.table_bound - 1, floor(log(room)))) if room > 1 else 0
        self.count = count
        self.top = largest(algebra, x, shape, axis)
        self.centred = algebra.sub(x, self.top)
        shifted = algebra.add(self.centred, self.shift)
        self.values = algebra.table(Op.EXP, shifted, above=False)
        self.total = algebra.total(self.values, shape, (axis,), keep=True)

    def softmax(self, algebra: Algebra) -> Value:
        """exp / sum: one division a row, one product an element; not rounded."""
        low = algebra.low
        # The sum is at least e^shift, the largest term, so its inverse is below one.
        guard = floor(self.shift / log(2)) + 2
        inverse = low.arithmetic.divide(
            tensor(low, 1),
            tensor(low, self.total),
            low.fixed.fraction_bits + guard,
            algebra.name,
            headroom=1,
        )
        return algebra.mul(self.values, inverse)

    def log_sum(self, algebra: Algebra) -> Value:
        """log(sum of exp(x - max x)); the largest term is 1, up to the table's rounding."""
        total = algebra.mul(self.total, Fraction(exp(-self.shift)))
        return log_between(algebra, total, 1, max(2, self.count))

    def log_softmax(self, algebra: Algebra) -> Value:
        """x - max x - log(sum of exp(x - max x))."""
        return algebra.sub(self.centred, self.log_sum(algebra))


@handles(aten._softmax.default)
def _softmax(low: Lowering, node: fx.Node, x: Value, axis: int, half: bool) -> Value:
    algebra, shape = Algebra(low, node), argument_shape(node, 0)
    return Exponentials(algebra, x, shape, axis % len(shape)).softmax(algebra)


@handles(aten._softmax_backward_data.default)
def _softmax_backward(
    low: Lowering, node: fx.Node, grad: Value, p: Value, axis: int, dtype: object
) -> Value:
    """p (g - sum(g p))."""
    algebra, shape = Algebra(low, node), argument_shape(node, 1)
    total = algebra.total(algebra.mul(grad, p), shape, (axis % len(shape),), keep=True)
    return algebra.mul(p, algebra.sub(grad, total))


@handles(aten._log_softmax.default)
def _log_softmax(low: Lowering, node: fx.Node, x: Value, axis: int, half: bool) -> Value:
    # Its gradient needs the softmax alone; what nobody needs is dropped from the program, so
    # cross entropy is proven without a logarithm.
    algebra, shape = Algebra(low, node), argument_shape(node, 0)
    exponentials = Exponentials(algebra, x, shape, axis % len(shape))
    result = exponentials.log_softmax(algebra)
    softmax = exponentials.softmax(algebra)
    if isinstance(result, Symbolic) and isinstance(softmax, Symbolic):
        low.derived[result.node] = softmax
    return result


@handles(aten._log_softmax_backward_data.default)
def _log_softmax_backward(
    low: Lowering, node: fx.Node, grad: Value, output: Value, axis: int, dtype: object
) -> Value:
    """g - softmax(x) sum(g)."""
    algebra, shape = Algebra(low, node), argument_shape(node, 1)
    total = algebra.total(grad, shape, (axis % len(shape),), keep=True)
    known = low.derived.get(output.node) if isinstance(output, Symbolic) else None
    softmax = known or algebra.table(Op.EXP, output, above=False)
    return algebra.sub(grad, algebra.mul(softmax, total))


@handles(aten.logsumexp.default)
def _logsumexp(
    low: Lowering, node: fx.Node, x: Value, dims: Sequence[int], keep: bool = False
) -> Value:
    """max x + log(sum of exp(x - max x)) over one axis."""
    algebra, shape = Algebra(low, node), argument_shape(node, 0)
    if len(dims) != 1:
        raise refused(
            node,
            "logsumexp over several axes can't be proven",
            expected="one axis",
            hint="flatten the axes first",
        )
    axis = dims[0] % len(shape)
    exponentials = Exponentials(algebra, x, shape, axis)
    result = algebra.add(exponentials.top, exponentials.log_sum(algebra))
    return viewed(low, result, resized(shape, axis, 1), output_shape(node))
