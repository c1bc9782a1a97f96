"""Comparisons, and what is chosen by them. A mask is a tensor of zeros and ones.

Every comparison is [x > 0] of a difference, so that forward and backward passes share them: the
builder makes equal nodes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.registry import (
    Operand,
    Value,
    aten,
    constant_value,
    handles,
)

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


@handles(aten.gt.Scalar, aten.gt.Tensor)
def _gt(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    return Algebra(low, node).above(a, b)


@handles(aten.lt.Scalar, aten.lt.Tensor)
def _lt(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    return Algebra(low, node).above(b, a)


@handles(aten.ge.Scalar, aten.ge.Tensor)
def _ge(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    algebra = Algebra(low, node)
    return algebra.negated(algebra.above(b, a))


@handles(aten.le.Scalar, aten.le.Tensor)
def _le(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    algebra = Algebra(low, node)
    return algebra.negated(algebra.above(a, b))


@handles(aten.eq.Scalar, aten.eq.Tensor)
def _eq(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    return Algebra(low, node).equal(a, b)


@handles(aten.ne.Scalar, aten.ne.Tensor)
def _ne(low: Lowering, node: fx.Node, a: Value, b: Operand) -> Value:
    algebra = Algebra(low, node)
    return algebra.add(algebra.above(a, b), algebra.above(b, a))


@handles(aten.logical_not.default, aten.bitwise_not.default)
def _not(low: Lowering, node: fx.Node, mask: Value) -> Value:
    return Algebra(low, node).negated(mask)


@handles(aten.logical_and.default, aten.bitwise_and.Tensor)
def _and(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    return Algebra(low, node).mul(a, b)


@handles(aten.logical_or.default, aten.bitwise_or.Tensor)
def _or(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    """a + b - a b."""
    algebra = Algebra(low, node)
    return algebra.add(a, algebra.mul(b, algebra.negated(a)))


@handles(aten.where.self, aten.where.ScalarSelf, aten.where.ScalarOther, aten.where.Scalar)
def _where(low: Lowering, node: fx.Node, mask: Value, a: Operand, b: Operand) -> Value:
    return Algebra(low, node).where(mask, a, b)


@handles(aten.masked_fill.Scalar, aten.masked_fill.Tensor)
def _masked_fill(low: Lowering, node: fx.Node, x: Value, mask: Value, value: Operand) -> Value:
    return Algebra(low, node).where(mask, value, x)


@handles(aten.maximum.default)
def _maximum(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    return Algebra(low, node).maximum(a, b)


@handles(aten.minimum.default)
def _minimum(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    return Algebra(low, node).minimum(a, b)


@handles(aten.abs.default)
def _abs(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).absolute(x)


@handles(aten.sign.default, aten.sgn.default)
def _sign(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).sign(x)


@handles(aten.clamp.default, aten.clamp.Tensor)
def _clamp(
    low: Lowering,
    node: fx.Node,
    x: Value,
    lowest: Operand | None = None,
    highest: Operand | None = None,
) -> Value:
    return _between(Algebra(low, node), x, lowest, highest)


@handles(aten.clamp_min.default, aten.clamp_min.Tensor)
def _clamp_min(low: Lowering, node: fx.Node, x: Value, lowest: Operand) -> Value:
    return _between(Algebra(low, node), x, lowest, None)


@handles(aten.clamp_max.default, aten.clamp_max.Tensor)
def _clamp_max(low: Lowering, node: fx.Node, x: Value, highest: Operand) -> Value:
    return _between(Algebra(low, node), x, None, highest)


def _between(algebra: Algebra, x: Value, lowest: Operand | None, highest: Operand | None) -> Value:
    """x + [lowest > x] (lowest - x) - [x > highest] (x - highest).

    These are the comparisons of torch's gradient, which is masked by x >= lowest and x <= highest.
    """
    if lowest is not None and highest is not None and not _ordered(lowest, highest):
        return algebra.minimum(algebra.maximum(x, lowest), highest)
    result = x
    if lowest is not None:
        result = algebra.add(result, algebra.relu(algebra.sub(lowest, x)))
    if highest is not None:
        result = algebra.sub(result, algebra.relu(algebra.sub(x, highest)))
    return result


def _ordered(lowest: Operand, highest: Operand) -> bool:
    low, high = constant_value(lowest), constant_value(highest)
    return low is not None and high is not None and low <= high
