"""Matrix products."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.registry import (
    Shape,
    Value,
    argument_shape,
    aten,
    full,
    handles,
    output_shape,
)
from zkdescent.circuits.operators.shapes import concatenated, take_along, viewed
from zkdescent.circuits.symbolic import Uniform

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


@handles(aten.mm.default)
def _mm(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    return _matmul(Algebra(low, node), a, argument_shape(node, 0), b, argument_shape(node, 1))


@handles(aten.addmm.default)
def _addmm(low: Lowering, node: fx.Node, bias: Value, a: Value, b: Value) -> Value:
    """beta bias + alpha a b."""
    algebra = Algebra(low, node)
    product = _matmul(algebra, a, argument_shape(node, 1), b, argument_shape(node, 2))
    alpha: Any
    beta: Any
    alpha, beta = node.kwargs.get("alpha", 1), node.kwargs.get("beta", 1)
    return algebra.add(algebra.mul(product, alpha), algebra.mul(bias, beta))


@handles(aten.mv.default, aten.dot.default)
def _mv(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    rows = argument_shape(node, 0)
    left = (1, *rows) if len(rows) == 1 else rows
    product = _matmul(
        Algebra(low, node),
        viewed(low, a, rows, left),
        left,
        viewed(low, b, rows[-1:], (rows[-1], 1)),
        (rows[-1], 1),
    )
    return viewed(low, product, (left[0], 1), output_shape(node))


@handles(aten.bmm.default)
def _bmm(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    """One matrix product for each element of the batch."""
    algebra = Algebra(low, node)
    left, right, shape = argument_shape(node, 0), argument_shape(node, 1), output_shape(node)
    parts = [
        _matmul(
            algebra,
            viewed(low, take_along(low, a, left, 0, [k]), (1, *left[1:]), left[1:]),
            left[1:],
            viewed(low, take_along(low, b, right, 0, [k]), (1, *right[1:]), right[1:]),
            right[1:],
        )
        for k in range(shape[0])
    ]
    rows = shape[0] * shape[1]
    return viewed(low, concatenated(low, parts, [shape[1:]] * shape[0], 0), (rows, shape[2]), shape)


def _matmul(algebra: Algebra, a: Value, left: Shape, b: Value, right: Shape) -> Value:
    low = algebra.low
    zero = Uniform(Fraction(0), (left[0], right[1]))
    if any(isinstance(x, Uniform) and x.value == 0 for x in (a, b)):
        return zero
    operands = full(low, a, left), full(low, b, right)
    return low.arithmetic.product(*operands, matrix=True, name=algebra.name)
