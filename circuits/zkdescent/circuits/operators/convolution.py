"""Convolutions, average pooling and padding, with their gradients.

All three sums of a convolution are matrix products of rearrangements (im2col: Chellapilla, Puri and
Simard 2006). Rearranging is free in circuits, a product is not, so no product with padding is made:
what meets the same taps of the kernel forms one matrix product, and padded borders, strides and
dilations fall into several smaller ones. The unpadded forward pass is one product.

A tap is one element of the kernel's window. Tensors are (batch, channels, *spatial); the number of
spatial axes is arbitrary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import fx

from zkdescent.circuits.operators.registry import (
    Shape,
    Value,
    argument_shape,
    aten,
    described,
    full,
    handles,
    output_shape,
)
from zkdescent.circuits.symbolic import Symbolic, Uniform
from zkdescent.core.errors import UnsupportedOperator

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows that slide over the spatial axes; every field has one entry an axis."""

    size: Shape
    output: Shape
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def axis(self, axis: int) -> Indices:
        """Position on one axis that a tap (row) of a window (column) reads; -1 in the padding."""
        taps = np.arange(self.kernel[axis])[:, None] * self.dilation[axis]
        starts = np.arange(self.output[axis])[None] * self.stride[axis] - self.padding[axis]
        read = taps + starts
        return np.where((read >= 0) & (read < self.size[axis]), read, -1)

    def plane(self) -> Indices:
        """The same for flat positions: (taps, windows), both row by row."""
        plane = np.zeros((1, 1), dtype=np.int64)
        for axis, length in enumerate(self.size):
            outer, inner = plane[:, None, :, None], self.axis(axis)[None, :, None, :]
            joined = np.where((outer >= 0) & (inner >= 0), outer * length + inner, -1)
            plane = joined.reshape(plane.shape[0] * inner.shape[1], -1)
        return plane

    def readers(self) -> Indices:
        """Window in which a tap (row) reads a flat position (column); -1 if there is none."""
        plane = self.plane()
        taps, windows = np.nonzero(plane >= 0)
        readers = np.full((plane.shape[0], prod(self.size)), -1)
        readers[taps, plane[taps, windows]] = windows
        return readers


@dataclass(frozen=True, slots=True)
class Geometry:
    """The shape of a convolution: channels are (groups x inputs) -> (groups x outputs)."""

    batch: int
    groups: int
    inputs: int
    outputs: int
    windows: Windows

    def indices(self) -> tuple[Indices, Indices, Indices]:
        """Flat indices of image, kernel and result, as (batch,) group, channels..., plane."""
        w, g = self.windows, self.groups
        shapes = (
            (self.batch, g, self.inputs, prod(w.size)),
            (g, self.outputs, self.inputs, prod(w.kernel)),
            (self.batch, g, self.outputs, prod(w.output)),
        )
        image, kernel, result = (np.arange(prod(s)).reshape(s) for s in shapes)
        return image, kernel, result


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix made of a tensor's elements, by their flat indices."""

    indices: tuple[int, ...]
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Matrix products, and where each element of the result lies in them, end to end; -1 is 0."""

    products: tuple[tuple[Operand, Operand], ...]
    arrangement: tuple[int, ...]


def _blocks(table: Indices, groups: int) -> Iterator[tuple[int, Indices, Indices, Indices]]:
    """Cut a table of positions (rows, columns), -1 where there is none, into full blocks.

    Yields, for each block and group: group, rows, columns that have a position in just those rows,
    and the positions.
    """
    patterns, member = np.unique(table >= 0, axis=1, return_inverse=True)
    for index, pattern in enumerate(patterns.T):
        (rows,) = np.nonzero(pattern)
        columns = np.nonzero(member.reshape(-1) == index)[0]
        if rows.size:
            positions = table[np.ix_(rows, columns)]
            yield from ((g, rows, columns, positions) for g in range(groups))


def _operand(indices: Indices, rows: int) -> Operand:
    """Flatten to a matrix whose row index is made of the first `rows` axes."""
    height = prod(indices.shape[:rows])
    return Operand(tuple(indices.reshape(-1).tolist()), (height, indices.size // height))


def _plan(blocks: list[tuple[Operand, Operand, Indices]], size: int) -> Plan:
    """Blocks with the flat index of each of their elements in a result of `size` elements."""
    targets = np.concatenate([np.zeros(0, np.int64), *(t.reshape(-1) for *_, t in blocks)])
    arrangement = np.full(size, -1)
    arrangement[targets] = np.arange(targets.size)
    return Plan(tuple((a, b) for a, b, _ in blocks), tuple(arrangement.tolist()))


# Lowering runs once for every candidate of the search for rescales: plans are made once.
@lru_cache(maxsize=256)
def forward_plan(geometry: Geometry) -> Plan:
    """result[n, o, p] = sum over c, k of kernel[o, c, k] image[n, c, plane[k, p]]."""
    image, kernel, result = geometry.indices()
    blocks = []
    for g, taps, windows, read in _blocks(geometry.windows.plane(), geometry.groups):
        left = kernel[g][:, :, taps]  # o, c k
        right = image[:, g][:, :, read].transpose(1, 2, 0, 3)  # c k, n p
        target = result[:, g][:, :, windows].transpose(1, 0, 2)  # o, n p
        blocks.append((_operand(left, 1), _operand(right, 2), target))
    return _plan(blocks, result.size)


@lru_cache(maxsize=256)
def kernel_gradient_plan(geometry: Geometry) -> Plan:
    """gradient[o, c, k] = sum over n, p of image[n, c, plane[k, p]] grad[n, o, p]."""
    image, kernel, result = geometry.indices()
    blocks = []
    for g, windows, taps, read in _blocks(geometry.windows.plane().T, geometry.groups):
        # Like the forward pass, windows as (c k, n p): unpadded, it is the very same node.
        left = image[:, g][:, :, read.T].transpose(1, 2, 0, 3)  # c k, n p
        right = result[:, g][:, :, windows].transpose(0, 2, 1)  # n p, o
        target = kernel[g][:, :, taps].transpose(1, 2, 0)  # c k, o
        blocks.append((_operand(left, 2), _operand(right, 2), target))
    return _plan(blocks, kernel.size)


@lru_cache(maxsize=256)
def image_gradient_plan(geometry: Geometry) -> Plan:
    """gradient[n, c, i] = sum over o, k of kernel[o, c, k] grad[n, o, p] where plane[k, p] = i."""
    image, kernel, result = geometry.indices()
    blocks = []
    for g, taps, places, read in _blocks(geometry.windows.readers(), geometry.groups):
        left = kernel[g][:, :, taps].transpose(1, 0, 2)  # c, o k
        right = result[:, g][:, :, read].transpose(1, 2, 0, 3)  # o k, n i
        target = image[:, g][:, :, places].transpose(1, 0, 2)  # c, n i
        blocks.append((_operand(left, 1), _operand(right, 2), target))
    return _plan(blocks, image.size)


def _contract(
    low: Lowering, plan: Plan, a: Symbolic, b: Symbolic, shape: Shape, name: str
) -> Symbolic:
    """Carry a plan out; scales add and coefficients multiply, nothing is rounded."""
    build, parts = low.builder, []
    for left, right in plan.products:
        matrices = (
            Symbolic(build.take(a.node, left.indices, left.shape), a.scale, a.coefficient),
            Symbolic(build.take(b.node, right.indices, right.shape), b.scale, b.coefficient),
        )
        product = low.arithmetic.product(*matrices, matrix=True, name=name)
        parts.append(build.reshape(product.node, (left.shape[0] * right.shape[1],)))
    if not parts:  # every window lies in the padding
        return full(low, Uniform(Fraction(0), shape), shape)
    node = build.take(build.concat(parts), plan.arrangement, shape, name)
    return Symbolic(node, product.scale, product.coefficient)


def _geometry(
    node: fx.Node, image: Shape, kernel: Shape, output: Shape, options: Sequence[Any]
) -> Geometry:
    stride, padding, dilation, transposed, _, groups = options
    if transposed:
        raise UnsupportedOperator(
            "a transposed convolution can't be proven",
            got=described(node),
            hint="repeat elements, x.unsqueeze(-1).expand(*x.shape, 2).flatten(-2), and convolve",
        )
    windows = Windows(
        image[2:], output[2:], kernel[2:], tuple(stride), tuple(padding), tuple(dilation)
    )
    return Geometry(image[0], groups, kernel[1], kernel[0] // groups, windows)


@handles(aten.convolution.default)
def _convolution(
    low: Lowering, node: fx.Node, x: Value, weight: Value, bias: Value | None, *options: Any
) -> Value:
    """Cross-correlation plus bias, as torch.nn.Conv2d defines it; exact."""
    image, kernel, shape = argument_shape(node, 0), argument_shape(node, 1), output_shape(node)
    plan = forward_plan(_geometry(node, image, kernel, shape, options))
    result = _contract(low, plan, full(low, weight, kernel), full(low, x, image), shape, node.name)
    if bias is None:
        return result
    shift = full(low, bias, (shape[1],))
    column = low.builder.reshape(shift.node, (shape[1],) + (1,) * (len(shape) - 2))
    shift = Symbolic(column, shift.scale, shift.coefficient)
    return low.arithmetic.add(result, shift, name=node.name)


@handles(aten.convolution_backward.default)
def _convolution_backward(
    low: Lowering,
    node: fx.Node,
    grad: Value,
    x: Value,
    weight: Value,
    bias_sizes: Sequence[int] | None,
    *options: Any,
) -> tuple[Value | None, ...]:
    """Gradients of image, kernel and bias; None where the mask, the last option, asks for none."""
    *shaping, (wants_image, wants_kernel, wants_bias) = options
    shape, image, kernel = (argument_shape(node, index) for index in range(3))
    geometry = _geometry(node, image, kernel, shape, shaping)
    g = full(low, grad, shape)
    by_image = by_kernel = by_bias = None
    if wants_image:
        plan = image_gradient_plan(geometry)
        by_image = _contract(low, plan, full(low, weight, kernel), g, image, node.name)
    if wants_kernel:
        plan = kernel_gradient_plan(geometry)
        by_kernel = _contract(low, plan, full(low, x, image), g, kernel, node.name)
    if wants_bias:
        axes = [axis for axis in range(len(shape)) if axis != 1]
        summed = low.builder.reshape(low.builder.sum(g.node, axes, node.name), (shape[1],))
        by_bias = Symbolic(summed, g.scale, g.coefficient)
    return by_image, by_kernel, by_bias


@handles(aten.constant_pad_nd.default)
def _pad(low: Lowering, node: fx.Node, x: Value, padding: Sequence[int], value: float = 0) -> Value:
    """Zeros around a tensor, pairs of counts from the last axis on; negative counts crop."""
    if value != 0:
        raise UnsupportedOperator(
            "only padding with zeros can be proven",
            expected="value=0",
            got=described(node),
            hint="shift the data by that value, or pad with zeros",
        )
    shape, source = output_shape(node), argument_shape(node, 0)
    indices = np.arange(prod(source)).reshape(source)
    pairs = list(zip(padding[::2], padding[1::2], strict=True))
    pairs += [(0, 0)] * (len(source) - len(pairs))
    widths = [(max(0, a), max(0, b)) for a, b in reversed(pairs)]
    crop = tuple(slice(max(0, -a), min(0, b) or None) for a, b in reversed(pairs))
    flat = np.pad(indices[crop], widths, constant_values=-1).reshape(-1).tolist()
    whole = full(low, x, source)
    return Symbolic(low.builder.take(whole.node, flat, shape), whole.scale, whole.coefficient)


# --- average pooling ------------------------------------------------------------------------


@lru_cache(maxsize=256)
def pool_terms(images: int, windows: Windows, backward: bool) -> Operand:
    """A row for each result of a pool, or of its gradient: the elements it is the sum of.

    Padding stands last and is cut off where it can be; where windows don't overlap, the gradient
    has one term and needs no sum.
    """
    terms = windows.readers() if backward else windows.plane()
    size = prod(windows.output if backward else windows.size)
    terms = -np.sort(-terms, axis=0)[: max(1, (terms >= 0).sum(axis=0).max())].T
    planes = np.arange(images)[:, None, None] * size
    return _operand(np.where(terms >= 0, planes + terms, -1), 2)


def _pool(
    node: fx.Node,
    image: Shape,
    output: Shape,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Windows, int]:
    """Windows of aten.avg_pool2d and the divisor that all of them share."""
    k, s, p = ((tuple(v) * 2)[:2] for v in (kernel, stride or kernel, padding))
    windows = Windows(image[-2:], output[-2:], k, s, p, (1, 1))
    divisor = 1
    for axis in range(2):
        starts = np.arange(windows.output[axis]) * s[axis] - p[axis]
        inside = np.minimum(starts + k[axis], windows.size[axis] + p[axis]) - starts
        counts = inside if count_include_pad else (windows.axis(axis) >= 0).sum(axis=0)
        if divisor_override is None and len(set(counts.tolist())) > 1:
            raise UnsupportedOperator(
                "average pooling over windows of unequal size can't be proven",
                got=described(node),
                hint="leave ceil_mode=False and count_include_pad=True",
            )
        divisor *= int(counts[0])
    return windows, divisor_override or divisor


def _adaptive(node: fx.Node, image: Shape, output: Shape) -> tuple[Windows, int]:
    """Windows of adaptive pooling where they are all alike, and their size."""
    if any(n % m for n, m in zip(image[-2:], output[-2:], strict=True)):
        raise UnsupportedOperator(
            "adaptive pooling over windows of unequal size can't be proven",
            expected=f"an output size that divides {image[-2:]}",
            got=described(node),
            hint="choose such a size, or use nn.AvgPool2d",
        )
    kernel = [n // m for n, m in zip(image[-2:], output[-2:], strict=True)]
    return _pool(node, image, output, kernel)


_POOL_GRADIENTS = (aten.avg_pool2d_backward.default, aten._adaptive_avg_pool2d_backward.default)


@handles(aten.avg_pool2d.default, aten._adaptive_avg_pool2d.default, *_POOL_GRADIENTS)
def _avg_pool(low: Lowering, node: fx.Node, x: Value, *options: Any) -> Value:
    """Mean of each window, or the shares that an element gets back of all windows it is in.

    An exact sum; the coefficient carries the divisor.
    """
    before, after = argument_shape(node, 0), output_shape(node)
    backward = node.target in _POOL_GRADIENTS
    if backward:  # the image itself, of which only the shape counts
        options = options[1:]
    image, output = (after, before) if backward else (before, after)
    plain = node.target in (aten.avg_pool2d.default, aten.avg_pool2d_backward.default)
    windows, divisor = (
        _pool(node, image, output, *options) if plain else _adaptive(node, image, output)
    )
    pool = pool_terms(prod(image[:-2]), windows, backward)
    source = full(low, x, before)
    terms = low.builder.take(source.node, pool.indices, pool.shape)
    total = low.builder.reshape(low.builder.sum(terms, (1,), node.name), after)
    return Symbolic(total, source.scale, source.coefficient / divisor)
