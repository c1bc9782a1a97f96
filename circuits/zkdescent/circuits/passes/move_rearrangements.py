"""Pass: compose rearrangements, and compute before values are repeated instead of after.

| before | after |
|---|---|
| take, slice, reshape, transpose of one another | the shortest form of the whole |
| any of them of a CONCAT, within one part | the same of that part |
| f(take of x) where the take repeats elements | take of f(the elements once) |

Rearrangements are free in circuits, so the first two rules save nodes only; but they let values
meet that other passes share. The third saves a decomposition for every repetition: windows of a
convolution, broadcasts.
"""

from __future__ import annotations

import numpy as np

from zkdescent.circuits.passes.rewrite import MOVES, CopyingBuilder, Rewriting, rewrite
from zkdescent.circuits.passes.views import View, view
from zkdescent.circuits.program import Op, Program, Shape

_KEEP_ZERO = frozenset(
    {Op.NEG, Op.SHIFT_LEFT, Op.RESCALE, Op.SQRT, Op.IS_POSITIVE, Op.RANGE_CHECK, Op.TANH}
)
"""f(0) = 0: a zero that a take brings in may be brought in after f as well."""
_UNARY = _KEEP_ZERO | {Op.SIGMOID, Op.EXP}


def move_rearrangements(program: Program) -> Program:
    """Return an equal program with fewer rearrangements and nothing computed twice by them."""
    return rewrite(program, _rule)


def _rule(walk: Rewriting, index: int) -> int | None:
    node = walk.program.nodes[index]
    if node.op in MOVES:
        return _composed(walk, index)
    if node.op in _UNARY and walk.builder.node(walk.inputs(index)[0]).op in MOVES:
        return _computed_once(walk, index)
    return None


def _composed(walk: Rewriting, index: int) -> int | None:
    node, (x,) = walk.program.nodes[index], walk.inputs(index)
    argument = walk.builder.node(x)
    if argument.op not in MOVES and argument.op is not Op.CONCAT:
        return None
    if argument.op is Op.TAKE and not walk.is_private(node.inputs[0]):
        return None  # a second list of indices would be longer than this step
    moved = walk.builder.copy(node, (x,))
    seen = view(walk.builder.node, moved)
    if len(seen.moves) < 2:
        return None
    short = _shortest(walk.builder, seen, node.shape)
    if short is None and (Op.TAKE in seen.moves or Op.CONCAT in seen.moves):
        return walk.builder.take(seen.source, seen.elements.tolist(), node.shape, node.name)
    return short


def _shortest(builder: CopyingBuilder, seen: View, shape: Shape) -> int | None:
    """All elements, a run of them, or a transposed matrix; None if it is none of these."""
    source, elements = builder.node(seen.source), seen.elements
    first, count = int(elements[0]), len(elements)
    if first >= 0 and np.array_equal(elements, np.arange(first, first + count)):
        if count == source.size:
            return builder.reshape(seen.source, shape)
        flat = builder.reshape(seen.source, (source.size,))
        return builder.reshape(builder.slice(flat, first, first + count, source.name), shape)
    if len(source.shape) == 2 and count == source.size:
        transposed = np.arange(count).reshape(source.shape).T.reshape(-1)
        if np.array_equal(elements, transposed):
            return builder.reshape(builder.transpose(seen.source), shape)
    return None


def _computed_once(walk: Rewriting, index: int) -> int | None:
    node, (x,) = walk.program.nodes[index], walk.inputs(index)
    seen = view(walk.builder.node, x)
    present = seen.elements[seen.elements >= 0]
    once, position = np.unique(present, return_inverse=True)
    if not 0 < len(once) < node.size:
        return None
    if len(present) < node.size and node.op not in _KEEP_ZERO:
        return None
    builder, source = walk.builder, seen.source
    if len(once) < builder.node(source).size:
        source = builder.take(source, once.tolist(), (len(once),))
    value = builder.elementwise(node, (source,))
    back = np.full(node.size, -1)
    back[seen.elements >= 0] = position
    return builder.take(value, back.tolist(), node.shape, node.name)
