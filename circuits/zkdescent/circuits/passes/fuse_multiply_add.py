"""Pass: let one matrix product do what several operations do.

A matrix product costs about half a row for each multiplication and nothing for the additions
within; an elementwise product or sum costs half a row for each element.

| before | after |
|---|---|
| matrix product over an inner axis of length 1 | broadcasting product |
| sum of (x * y), y the same along the axes | (sum of x) * y |
| sum of (x * y) over axes that both have, each other axis in one of them only | matrix product |
| A B + C D | [A C] [B; D] |
"""

from __future__ import annotations

import numpy as np

from zkdescent.circuits.passes.rewrite import CopyingBuilder, Rewriting, rewrite, uniform_of
from zkdescent.circuits.passes.views import Indices
from zkdescent.circuits.program import Op, Program, Shape


def fuse_multiply_add(program: Program) -> Program:
    """Return an equal program; see the table of the module."""
    return rewrite(program, _rule)


def _rule(walk: Rewriting, index: int) -> int | None:
    match walk.program.nodes[index].op:
        case Op.MATMUL:
            return _outer_product(walk, index)
        case Op.SUM:
            return _sum_of_products(walk, index)
        case Op.ADD:
            return _sum_of_matrix_products(walk, index)
        case _:
            return None


def _outer_product(walk: Rewriting, index: int) -> int | None:
    """(n, 1) times (1, m) needs no matrix product."""
    a, b = walk.inputs(index)
    if walk.builder.shape(a)[1] != 1:
        return None
    return walk.builder.mul(a, b, walk.program.nodes[index].name)


def _sum_of_products(walk: Rewriting, index: int) -> int | None:
    builder, node = walk.builder, walk.program.nodes[index]
    product = walk.program.nodes[node.inputs[0]]
    if product.op is not Op.MUL or not walk.is_private(node.inputs[0]):
        return None
    a, b = walk.inputs(node.inputs[0])
    for x, c in ((a, b), (b, a)):
        value = uniform_of(builder.node(c))
        factor = c if value is None else builder.constant(value)
        widths = _aligned(builder.shape(factor), len(product.shape))
        if builder.shape(x) == product.shape and all(widths[i] == 1 for i in node.attributes):
            total = builder.sum(x, node.attributes, node.name)
            return builder.mul(total, factor, node.name)
    return _contraction(builder, a, b, product.shape, node.attributes, node.name)


def _contraction(
    builder: CopyingBuilder, a: int, b: int, shape: Shape, axes: tuple[int, ...], name: str
) -> int | None:
    """sum over `axes` of a * b as a matrix product (rows, summed) (summed, columns).

    An axis that is kept must vary in one factor only: a matrix product has no batch axis.
    """
    sides = [_aligned(builder.shape(i), len(shape)) for i in (a, b)]
    kept = [i for i, n in enumerate(shape) if i not in axes and n > 1]
    summed = [i for i, n in enumerate(shape) if i in axes and n > 1]
    rows = [i for i in kept if sides[1][i] == 1]
    columns = [i for i in kept if sides[0][i] == 1]
    if len(rows) + len(columns) != len(kept) or not summed:
        return None
    order = [*rows, *columns]
    left = _matrix(builder, a, shape, rows, summed)
    right = _matrix(builder, b, shape, summed, columns)
    product = builder.matmul(left, right, name)
    result = tuple(1 if i in axes else n for i, n in enumerate(shape))
    # Rows then columns, back into the order of the axes.
    positions = np.arange(builder.node(product).size).reshape([shape[i] for i in order])
    elements = np.transpose(positions, np.argsort(order)).reshape(-1)
    return builder.take(product, elements.tolist(), result)


def _aligned(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def _matrix(
    builder: CopyingBuilder, x: int, shape: Shape, first: list[int], second: list[int]
) -> int:
    """A factor as the matrix (axes `first`, axes `second`), repeated where it broadcasts."""
    own = _aligned(builder.shape(x), len(shape))
    positions: Indices = np.arange(builder.node(x).size).reshape(own)
    wide = np.broadcast_to(
        positions, [n if i in (*first, *second) else own[i] for i, n in enumerate(shape)]
    )
    rest = [i for i in range(len(shape)) if i not in (*first, *second)]
    size = int(np.prod([shape[i] for i in first], dtype=int))
    matrix = np.transpose(wide, [*first, *second, *rest]).reshape(size, -1)
    return builder.take(x, matrix.reshape(-1).tolist(), matrix.shape)


def _sum_of_matrix_products(walk: Rewriting, index: int) -> int | None:
    node = walk.program.nodes[index]
    products: list[int] = []
    others: list[int] = []
    _terms(walk, index, products, others)
    if len(products) < 2:
        return None
    builder = walk.builder
    left, right = zip(*(walk.inputs(i) for i in products), strict=True)
    total = builder.matmul(
        _side_by_side(builder, left), _stacked(builder, right), walk.program.nodes[products[0]].name
    )
    for other in others:
        total = builder.add(total, walk.at[other], node.name)
    return total


def _terms(walk: Rewriting, index: int, products: list[int], others: list[int]) -> None:
    """Terms of a tree of sums that nothing else reads: matrix products of its shape, and others."""
    node = walk.program.nodes[index]
    for i in node.inputs:
        term = walk.program.nodes[i]
        if term.op is Op.ADD and term.shape == node.shape and walk.is_private(i):
            _terms(walk, i, products, others)
        elif term.op is Op.MATMUL and term.shape == node.shape and walk.is_private(i):
            products.append(i)
        else:
            others.append(i)


def _stacked(builder: CopyingBuilder, parts: tuple[int, ...]) -> int:
    """Matrices of one width, one below the other."""
    width = builder.shape(parts[0])[1]
    flat = builder.concat([builder.reshape(p, (builder.node(p).size,)) for p in parts])
    return builder.reshape(flat, (builder.node(flat).size // width, width))


def _side_by_side(builder: CopyingBuilder, parts: tuple[int, ...]) -> int:
    """Matrices of one height, next to each other."""
    flat = builder.concat([builder.reshape(p, (builder.node(p).size,)) for p in parts])
    blocks, start = [], 0
    for part in parts:
        size, shape = builder.node(part).size, builder.shape(part)
        blocks.append(np.arange(start, start + size).reshape(shape))
        start += size
    elements = np.concatenate(blocks, axis=1)
    return builder.take(flat, elements.reshape(-1).tolist(), elements.shape)
