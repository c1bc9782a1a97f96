"""Sums, means, variances, norms and extrema over axes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import (
    Shape,
    Value,
    argument_shape,
    aten,
    axes_of,
    handles,
    output_shape,
)
from zkdescent.circuits.operators.shapes import concatenated, take_along, viewed

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


@handles(aten.sum.default, aten.sum.dim_IntList)
def _sum(
    low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] = (), keep: bool = False
) -> Value:
    return Algebra(low, node).total(x, argument_shape(node, 0), dims, keep=keep)


@handles(aten.mean.default, aten.mean.dim)
def _mean(
    low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] = (), keep: bool = False
) -> Value:
    return Algebra(low, node).mean(x, argument_shape(node, 0), dims, keep=keep)


def _variance(low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] | None) -> Value:
    """Sum of squared deviations over (n - correction); both are exact."""
    algebra, source = Algebra(low, node), argument_shape(node, 0)
    keep = bool(node.kwargs.get("keepdim", False))
    count = prod(source[axis] for axis in axes_of(dims, len(source)))
    correction = node.kwargs.get("correction")
    freedom = Fraction(count) - Fraction(str(1 if correction is None else correction))
    if freedom <= 0:
        raise refused(
            node,
            "a variance of so few elements is not defined",
            expected="more elements than the correction",
            hint="use unbiased=False, or reduce over more elements",
        )
    deviation = algebra.sub(x, algebra.mean(x, source, dims or (), keep=True))
    squares = algebra.mul(deviation, deviation)
    return algebra.mul(algebra.total(squares, source, dims or (), keep=keep), 1 / freedom)


@handles(aten.var.correction)
def _var(low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] | None = None) -> Value:
    return _variance(low, node, x, dims)


@handles(aten.std.correction)
def _std(low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] | None = None) -> Value:
    return Algebra(low, node).sqrt(_variance(low, node, x, dims))


@handles(aten.linalg_vector_norm.default)
def _norm(
    low: Lowering,
    node: fx.Node,
    x: Value,
    order: float = 2,
    dims: Sequence[int] | None = None,
    keep: bool = False,
) -> Value:
    algebra, source = Algebra(low, node), argument_shape(node, 0)
    if order == 1:
        return algebra.total(algebra.absolute(x), source, dims or (), keep=keep)
    if order == 2:
        squares = algebra.total(algebra.mul(x, x), source, dims or (), keep=keep)
        return algebra.sqrt(squares)
    raise refused(node, f"the norm of order {order} can't be proven", expected="1 or 2")


@handles(aten.amax.default, aten.amin.default)
def _extremum(
    low: Lowering, node: fx.Node, x: Value, dims: Sequence[int] = (), keep: bool = False
) -> Value:
    algebra = Algebra(low, node)
    source = argument_shape(node, 0)
    smallest = node.target is aten.amin.default
    value, shape = algebra.neg(x) if smallest else x, source
    for axis in axes_of(dims, len(source)):
        value = largest(algebra, value, shape, axis)
        shape = resized(shape, axis, 1)
    value = algebra.neg(value) if smallest else value
    return viewed(low, value, shape, output_shape(node))


def largest(algebra: Algebra, x: Value, shape: Shape, axis: int) -> Value:
    """Maximum along an axis, which stays with length 1: a tournament of n - 1 comparisons."""
    low, length = algebra.low, shape[axis]
    while length > 1:
        half, odd = divmod(length, 2)
        first = take_along(low, x, shape, axis, range(half))
        second = take_along(low, x, shape, axis, range(half, 2 * half))
        winners = algebra.maximum(first, second)
        if odd:  # the last one had no opponent
            last = take_along(low, x, shape, axis, [length - 1])
            shapes = [resized(shape, axis, half), resized(shape, axis, 1)]
            winners = concatenated(low, [winners, last], shapes, axis)
        x, length = winners, half + odd
        shape = resized(shape, axis, length)
    return x


def resized(shape: Shape, axis: int, length: int) -> Shape:
    """The shape with another length of one axis."""
    return (*shape[:axis], length, *shape[axis + 1 :])
