"""Sums, products, quotients, roots and powers, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import (
    Operand,
    Value,
    aten,
    handles,
    output_shape,
)
from zkdescent.circuits.program import Op
from zkdescent.circuits.symbolic import Uniform

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


# --- sums and products ----------------------------------------------------------------------


@handles(aten.add.Tensor, aten.add.Scalar)
def _add(low: Lowering, node: fx.Node, a: Value, b: Operand, *alpha: float) -> Value:
    algebra = Algebra(low, node)
    return algebra.add(a, algebra.mul(b, _option(node, "alpha", alpha)))


@handles(aten.sub.Tensor, aten.sub.Scalar)
def _sub(low: Lowering, node: fx.Node, a: Value, b: Operand, *alpha: float) -> Value:
    algebra = Algebra(low, node)
    return algebra.sub(a, algebra.mul(b, _option(node, "alpha", alpha)))


@handles(aten.rsub.Scalar, aten.rsub.Tensor)
def _rsub(low: Lowering, node: fx.Node, a: Value, b: Operand, *alpha: float) -> Value:
    algebra = Algebra(low, node)
    return algebra.sub(b, algebra.mul(a, _option(node, "alpha", alpha)))


@handles(aten.mul.Tensor, aten.mul.Scalar)
def _mul(low: Lowering, node: fx.Node, a: Operand, b: Operand) -> Value:
    return Algebra(low, node).mul(a, b)


@handles(aten.neg.default)
def _neg(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).neg(x)


@handles(aten.square.default)
def _square(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).mul(x, x)


@handles(aten.addcmul.default)
def _addcmul(low: Lowering, node: fx.Node, x: Value, a: Value, b: Value, *value: float) -> Value:
    """x + value a b."""
    algebra = Algebra(low, node)
    return algebra.add(x, algebra.mul(algebra.mul(a, b), _option(node, "value", value)))


@handles(aten.addcdiv.default)
def _addcdiv(low: Lowering, node: fx.Node, x: Value, a: Value, b: Value, *value: float) -> Value:
    """x + value a / b."""
    algebra = Algebra(low, node)
    return algebra.add(x, algebra.mul(algebra.divide(a, b), _option(node, "value", value)))


@handles(aten.lerp.Scalar, aten.lerp.Tensor)
def _lerp(low: Lowering, node: fx.Node, a: Value, b: Value, weight: Operand) -> Value:
    """a + weight (b - a)."""
    algebra = Algebra(low, node)
    return algebra.add(a, algebra.mul(algebra.sub(b, a), weight))


def _option(node: fx.Node, name: str, given: Sequence[float], default: float = 1) -> float:
    return given[0] if given else node.kwargs.get(name, default)  # type: ignore[return-value]


# --- quotients, roots, powers ---------------------------------------------------------------


@handles(aten.div.Tensor, aten.div.Scalar, aten.true_divide.Tensor)
def _div(low: Lowering, node: fx.Node, a: Operand, b: Operand) -> Value:
    return Algebra(low, node).divide(a, b)


@handles(aten.reciprocal.default)
def _reciprocal(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).divide(1, x)


@handles(aten.sqrt.default)
def _sqrt(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).sqrt(x)


@handles(aten.rsqrt.default)
def _rsqrt(low: Lowering, node: fx.Node, x: Value) -> Value:
    algebra = Algebra(low, node)
    return algebra.divide(1, algebra.sqrt(x))


@handles(aten.exp.default)
def _exp(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).table(Op.EXP, x)


@handles(aten.pow.Tensor_Scalar)
def _pow(low: Lowering, node: fx.Node, x: Value, exponent: float) -> Value:
    """Whole powers are products, halves take a square root, negative ones divide."""
    algebra, magnitude = Algebra(low, node), abs(exponent)
    if not float(2 * exponent).is_integer() or magnitude > _LARGEST_POWER:
        raise refused(
            node,
            f"the power {exponent} can't be proven",
            expected=f"a multiple of 1/2 from -{_LARGEST_POWER} to {_LARGEST_POWER}",
            hint="write it with products, divisions and square roots",
        )
    whole = int(magnitude)
    factors = [_power(algebra, x, whole)] if whole else []
    if magnitude > whole:
        factors.append(algebra.sqrt(x))
    if not factors:
        return Uniform(Fraction(1), output_shape(node))
    result = factors[0] if len(factors) == 1 else algebra.mul(*factors)
    return algebra.divide(1, result) if exponent < 0 else result


_LARGEST_POWER = 8


def _power(algebra: Algebra, x: Value, exponent: int) -> Value:
    if exponent == 1:
        return x
    half = _power(algebra, x, exponent // 2)
    square = algebra.mul(half, half)
    return algebra.mul(square, x) if exponent % 2 else square
