"""Pass: drop what no output reads, node by node and element by element.

A value of which only some elements are read (the last step of a sequence, a cropped window) is
computed for those alone: f(x) becomes a rearrangement of f(the elements of x that matter). A
matrix product loses the rows and columns that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zkdescent.circuits.passes.rewrite import MOVES, Rewriting, rewrite
from zkdescent.circuits.passes.views import moved_elements
from zkdescent.circuits.program import DECOMPOSING, TABLES, Node, Op, Program

Live = NDArray[np.bool_]

_ELEMENTWISE = DECOMPOSING | TABLES | {Op.ADD, Op.SUB, Op.MUL, Op.NEG, Op.SHIFT_LEFT}


def remove_dead(program: Program) -> Program:
    """Return an equal program without values, or elements of values, that nothing depends on."""
    live = live_elements(program)

    def rule(walk: Rewriting, index: int) -> int | None:
        node, read = program.nodes[index], live[index]
        if read.all() or not read.any():
            return None
        if node.op in _ELEMENTWISE:
            return _some_elements(walk, index, np.flatnonzero(read))
        if node.op is Op.MATMUL:
            return _some_rows_and_columns(walk, index, read)
        return None

    return rewrite(program, rule)


def live_elements(program: Program) -> list[Live]:
    """For each node which of its elements the output depends on; of the node's shape."""
    live: list[Live] = [np.zeros(node.shape, dtype=bool) for node in program.nodes]
    live[program.output][...] = True
    for node, read in zip(reversed(program.nodes), reversed(live), strict=True):
        if node.inputs and read.any():
            shapes = [program.nodes[i].shape for i in node.inputs]
            for i, wanted in zip(node.inputs, _wanted(node, shapes, read), strict=True):
                live[i] |= wanted
    return live


def _wanted(node: Node, shapes: Sequence[tuple[int, ...]], read: Live) -> list[Live]:
    """Which elements of the arguments the elements `read` of a node depend on."""
    if node.op in MOVES:
        return [_moved(node, shapes[0], read)]
    if node.op is Op.CONCAT:
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = np.split(read, ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    if node.op is Op.MATMUL:
        rows, columns = read.any(axis=1, keepdims=True), read.any(axis=0, keepdims=True)
        return [np.broadcast_to(rows, shapes[0]), np.broadcast_to(columns, shapes[1])]
    if node.op is Op.SUM:
        return [np.broadcast_to(read, shapes[0])]
    return [_unbroadcast(read, shape) for shape in shapes]


def _moved(node: Node, shape: tuple[int, ...], read: Live) -> Live:
    elements = moved_elements(node, Node(Op.INPUT, (), shape))
    if elements is None:
        return read.reshape(shape)
    wanted = np.zeros(int(np.prod(shape)), dtype=bool)
    chosen = elements[read.reshape(-1)]
    wanted[chosen[chosen >= 0]] = True
    return wanted.reshape(shape)


def _unbroadcast(read: Live, shape: tuple[int, ...]) -> Live:
    """Elements of a broadcast argument that any read element uses."""
    lead = read.ndim - len(shape)
    widened = tuple(i for i, n in enumerate((1,) * lead + shape) if n == 1)
    return np.asarray(np.any(read, axis=widened, keepdims=True)).reshape(shape)


def _some_elements(walk: Rewriting, index: int, chosen: NDArray[np.int64]) -> int:
    builder, node = walk.builder, walk.program.nodes[index]
    arguments = []
    for i in walk.inputs(index):
        argument = builder.node(i)
        if argument.size == 1:
            arguments.append(builder.reshape(i, (1,)))
            continue
        positions = np.arange(argument.size).reshape(argument.shape)
        elements = np.broadcast_to(positions, node.shape).reshape(-1)[chosen]
        arguments.append(builder.take(i, elements.tolist(), (len(chosen),)))
    back = np.full(node.size, -1)
    back[chosen] = np.arange(len(chosen))
    some = builder.elementwise(node, arguments)
    return builder.take(some, back.tolist(), node.shape, node.name)


def _some_rows_and_columns(walk: Rewriting, index: int, read: Live) -> int | None:
    rows, columns = (np.flatnonzero(read.any(axis=axis)) for axis in (1, 0))
    if (len(rows), len(columns)) == read.shape:
        return None
    builder, (a, b) = walk.builder, walk.inputs(index)
    inner, width = builder.shape(b)
    left = np.arange(read.shape[0] * inner).reshape(-1, inner)[rows]
    right = np.arange(inner * width).reshape(inner, width)[:, columns]
    product = builder.matmul(
        builder.take(a, left.reshape(-1).tolist(), left.shape),
        builder.take(b, right.reshape(-1).tolist(), right.shape),
        walk.program.nodes[index].name,
    )
    back = np.full(read.shape, -1)
    back[np.ix_(rows, columns)] = np.arange(len(rows) * len(columns)).reshape(len(rows), -1)
    return builder.take(product, back.reshape(-1).tolist(), read.shape)
