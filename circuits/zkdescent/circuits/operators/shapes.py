"""Operators that only move values: views, slices, permutations, joins. Free in circuits.

None is described by hand: the operator itself is applied to a tensor of element numbers, and what
it makes of them says where every element comes from. Zero stands for the zeros it may fill in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from zkdescent.circuits.fixed_point import power_of_two_exponent
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import (
    Operand,
    Shape,
    Value,
    argument_shape,
    as_value,
    aten,
    full,
    handles,
    output_shape,
    tensor,
)
from zkdescent.circuits.symbolic import Symbolic, Uniform

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

_CACHE = "zkdescent_moves"  # lowering runs once for every candidate of the search for rescales


@handles(
    aten.clone.default,
    aten.detach.default,
    aten.alias.default,
    aten.contiguous.default,
    aten.lift_fresh_copy.default,
)
def _same(low: Lowering, node: fx.Node, x: Value) -> Value:
    return x


@handles(aten._to_copy.default)
def _cast(low: Lowering, node: fx.Node, x: Value, **_: object) -> Value:
    if not node.meta["val"].is_floating_point():
        raise refused(
            node,
            f"a conversion to {node.meta['val'].dtype} can't be proven",
            expected="a floating-point type: what the circuit knows are fixed-point numbers",
            hint="give class labels and token ids as one-hot columns of the data",
        )
    return x


@handles(aten.expand.default)
def _expand(low: Lowering, node: fx.Node, x: Value, *_: object, **__: object) -> Value:
    # Stays narrow: operations broadcast, and a sum over a repeated axis is one multiplication.
    return Uniform(x.value, output_shape(node)) if isinstance(x, Uniform) else x


@handles(
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.squeeze.default,
    aten.unsqueeze.default,
)
def _reshape(low: Lowering, node: fx.Node, x: Value, *_: object) -> Value:
    shape = output_shape(node)
    if isinstance(x, Uniform):
        return Uniform(x.value, shape)
    if low.builder.node(x.node).size == 1:
        return replace(x, node=low.builder.reshape(x.node, (1,)))
    return viewed(low, x, argument_shape(node, 0), shape)


@handles(
    aten.t.default,
    aten.numpy_T.default,
    aten.transpose.int,
    aten.permute.default,
)
def _permute(low: Lowering, node: fx.Node, x: Value, *axes: Any) -> Any:
    source = argument_shape(node, 0)
    if isinstance(x, Symbolic) and len(source) == 2 and low.builder.node(x.node).size > 1:
        if output_shape(node) == source and torch.equal(*_before_and_after(node, source)):
            return x
        # Backends and passes know the transpose of a matrix; a permutation is opaque to them.
        whole = x if len(low.builder.shape(x.node)) == 2 else full(low, x, source)
        return replace(whole, node=low.builder.transpose(whole.node))
    return _move(low, node, x, *axes)


def _before_and_after(node: fx.Node, source: Shape) -> tuple[Tensor, Tensor]:
    numbers = _numbered(source)
    return numbers, node.target(numbers, *node.args[1:])  # type: ignore[operator]


@handles(
    aten.slice.Tensor,
    aten.slice_backward.default,
    aten.select.int,
    aten.select_backward.default,
    aten.diagonal.default,
    aten.diagonal_backward.default,
    aten.narrow.default,
    aten.flip.default,
    aten.roll.default,
    aten.repeat.default,
    aten.unfold.default,
    aten.tril.default,
    aten.triu.default,
    aten.index_select.default,
    aten.index.Tensor,
    aten.unbind.int,
    aten.split.Tensor,
    aten.split_with_sizes.default,
    aten.unsafe_split.Tensor,
)
def _move(low: Lowering, node: fx.Node, x: Value, *rest: Any) -> Any:
    """Any operator whose results are elements of its first argument, or zeros."""
    target: Callable[..., Any] = node.target  # type: ignore[assignment]
    _check_indices(node, rest[-1] if rest else None)
    if _CACHE not in node.meta:
        node.meta[_CACHE] = target(_numbered(argument_shape(node, 0)), *rest, **node.kwargs)
    moved: Tensor | Sequence[Tensor] = node.meta[_CACHE]
    if isinstance(moved, Tensor):
        return _taken(low, x, argument_shape(node, 0), moved, node.name)
    source = argument_shape(node, 0)
    return [_taken(low, x, source, part, node.name) for part in moved]


@handles(aten.cat.default, aten.stack.default)
def _join(low: Lowering, node: fx.Node, parts: Sequence[Value], axis: int = 0) -> Value:
    nodes: Any = node.args[0]
    shapes = [output_shape(part) for part in nodes]
    join: Callable[..., Tensor] = node.target  # type: ignore[assignment]
    return _joined(low, parts, shapes, lambda numbers: join(numbers, axis))


@handles(aten.index_put.default)
def _index_put(
    low: Lowering,
    node: fx.Node,
    base: Value,
    indices: Sequence[Tensor | None],
    values: Value,
    accumulate: bool = False,
) -> Value:
    """Write values to fixed places; it is also the gradient of reading them."""
    _check_indices(node, indices)
    shape, given = argument_shape(node, 0), argument_shape(node, 2)
    ones = torch.ones(given or (1,))
    uses = aten.index_put.default(torch.zeros(shape), indices, ones, True)
    if accumulate and (uses.max() > 1 or base != Uniform(Fraction(0), shape)):
        raise refused(
            node,
            "adding several values to one place can't be proven",
            hint="read each element once, or multiply with a matrix of zeros and ones",
        )
    whole, (before, written) = _end_to_end(low, [base, values], [shape, given])
    put = aten.index_put.default(before, indices, written)
    return _taken(low, whole, (low.builder.node(whole.node).size,), put, node.name)


def _check_indices(node: fx.Node, indices: object) -> None:
    given = indices if isinstance(indices, list | tuple) else [indices]
    if any(isinstance(index, Symbolic | Uniform) for index in given):
        raise refused(
            node,
            "an index or a mask that depends on data can't select elements",
            expected="indices that are constants of the model",
            hint="shapes must not depend on data; multiply with a mask, or use torch.where",
        )


def take_along(low: Lowering, x: Operand, shape: Shape, axis: int, places: Sequence[int]) -> Value:
    """Elements of a tensor of this shape at places of one axis, as with NumPy's take."""
    moved = _numbered(shape).index_select(axis, torch.tensor(places))
    return _taken(low, as_value(x), shape, moved, "")


def concatenated(
    low: Lowering, parts: Sequence[Value], shapes: Sequence[Shape], axis: int
) -> Value:
    """Tensors of these shapes one after another along an axis."""
    return _joined(low, parts, shapes, lambda numbers: torch.cat(numbers, axis))


def viewed(low: Lowering, x: Value, have: Shape, wanted: Shape) -> Value:
    """A value that stands for a tensor of shape `have` under another shape."""
    if isinstance(x, Uniform):
        return Uniform(x.value, wanted)
    whole = full(low, x, have)
    return replace(whole, node=low.builder.reshape(whole.node, wanted or (1,)))


def _joined(
    low: Lowering,
    parts: Sequence[Value],
    shapes: Sequence[Shape],
    join: Callable[[list[Tensor]], Tensor],
) -> Value:
    constants = {p.value if isinstance(p, Uniform) else None for p in parts}
    if len(constants) == 1 and None not in constants:
        shape = tuple(join([torch.empty(s) for s in shapes]).shape)
        return Uniform(constants.pop() or Fraction(0), shape)
    whole, numbers = _end_to_end(low, parts, shapes)
    return _taken(low, whole, (low.builder.node(whole.node).size,), join(numbers), "")


def _numbered(shape: Shape, start: int = 1) -> Tensor:
    return torch.arange(start, start + prod(shape)).reshape(shape)


def _taken(low: Lowering, x: Value, source: Shape, numbers: Tensor, name: str) -> Value:
    """The rearrangement of `x`, of shape `source`, that `numbers` (from 1, 0 is zero) describe."""
    shape = tuple(numbers.shape)
    if isinstance(x, Uniform) and (x.value == 0 or bool((numbers > 0).all())):
        return Uniform(x.value, shape)
    if bool((numbers == 0).all()):
        return Uniform(Fraction(0), shape)
    whole = full(low, x, source)
    indices = (numbers.reshape(-1) - 1).tolist()
    node = low.builder.take(whole.node, indices, shape or (1,), name)
    return replace(whole, node=node)


def _end_to_end(
    low: Lowering, parts: Sequence[Value], shapes: Sequence[Shape]
) -> tuple[Symbolic, list[Tensor]]:
    """Concatenate tensors; return the flat whole and the element numbers of each part in it."""
    numbers, nodes, start = [], [], 1
    for part, shape in zip(parts, shapes, strict=True):
        if isinstance(part, Uniform) and part.value == 0:
            numbers.append(torch.zeros(shape, dtype=torch.int64))
            continue
        numbers.append(_numbered(shape, start))
        nodes.append(full(low, tensor(low, part), shape))
        start += prod(shape)
    aligned = _aligned(low, nodes)
    flat = [low.builder.reshape(a.node, (low.builder.node(a.node).size,)) for a in aligned]
    return replace(aligned[0], node=low.builder.concat(flat)), numbers


def _aligned(low: Lowering, values: list[Symbolic]) -> list[Symbolic]:
    """Bring values to one coefficient and one scale."""
    first = values[0].coefficient
    exponents = [power_of_two_exponent(v.coefficient / first) for v in values]
    if None in exponents:
        values = [low.arithmetic.with_unit_coefficient(v) for v in values]
    else:
        values = [
            Symbolic(v.node, v.scale - (n or 0), first)
            for v, n in zip(values, exponents, strict=True)
        ]
    scale = max(v.scale for v in values)
    return [low.arithmetic.refined(v, scale) for v in values]
