"""Pass: do at compile time what involves constants alone, and merge consecutive factors.

| before | after |
|---|---|
| constants only | their result |
| x * 1, x + 0, x - 0, x * 0 | x, x, x, 0 |
| (x * a) * b, (x << n) * a, (-x) * a | x * (a b), x * (a 2^n), x * (-a) |
| x * 2^n, (x << a) << b | x << n, x << (a + b) |
| -(-x), -(x - y), x + (-y), x - (-y) | x, y - x, x - y, x + y |
| (x << n) y, sums and matrix products alike | (x y) << n, if that shifts no more elements |
| rescale(b) of x << n | rescale(b - n) of x |
| the same with n >= b | range check of x << (n - b), with the rescale's capacity |
| range check of a value with fewer digits | the value |

Soundness: a rescale is also what bounds its result for every witness (see `bounds`). Where the
rescale cancels, a range check of the same capacity stays in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import gcd

import numpy as np

from zkdescent.circuits.executor import evaluate
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.passes.rewrite import (
    MOVES,
    CopyingBuilder,
    Rewriting,
    constant_of,
    rewrite,
    uniform_of,
)
from zkdescent.circuits.program import TABLES, Node, Op, Program
from zkdescent.core.errors import RangeOverflow


def fold_constants(program: Program) -> Program:
    """Return an equal program; see the table of the module."""
    return rewrite(program, _rule)


def _rule(walk: Rewriting, index: int) -> int | None:
    node = walk.program.nodes[index]
    folded = _evaluated(walk.builder, node, walk.inputs(index))
    if folded is not None:
        return folded
    rule = _RULES.get(node.op)
    return None if rule is None else rule(walk, index)


def _evaluated(builder: CopyingBuilder, node: Node, inputs: tuple[int, ...]) -> int | None:
    """The result of an operation on constants only. Tables stay: they depend on the arithmetic."""
    arguments = [builder.node(i) for i in inputs]
    if not arguments or node.op in TABLES or any(a.op is not Op.CONSTANT for a in arguments):
        return None
    last = Node(node.op, tuple(range(len(arguments))), node.shape, node.attributes, node.name)
    program = Program((*arguments, last), {}, len(arguments))
    try:
        return builder.tensor(evaluate(program, {}, FixedPoint())[-1].reshape(node.shape))
    except RangeOverflow:
        return None  # the executor names the value when the program runs


def _factor(builder: CopyingBuilder, inputs: tuple[int, ...]) -> tuple[int, int] | None:
    """(x, constant) of a product with a constant."""
    for x, c in (inputs, inputs[::-1]):
        if builder.node(c).op is Op.CONSTANT:
            return x, c
    return None


def _multiply(walk: Rewriting, index: int) -> int | None:
    builder, node = walk.builder, walk.program.nodes[index]
    found = _factor(builder, walk.inputs(index))
    if found is None:
        return _hoist_shift(walk, index)
    x, c = found
    value, argument = uniform_of(builder.node(c)), builder.node(x)
    if value == 0:
        return builder.tensor(np.zeros(node.shape, dtype=object))
    constant = constant_of(builder.node(c))
    assert constant is not None
    same_shape = argument.shape == node.shape
    merged = _merged(builder, argument)
    if merged is not None:
        inner, factor = merged
        return builder.mul(inner, builder.tensor(np.asarray(factor * constant)), node.name)
    if not same_shape or value is None:
        return None
    if value == -1:
        return builder.neg(x)
    if value > 0 and value & (value - 1) == 0:
        return builder.shift_left(x, value.bit_length() - 1)
    return None


def _merged(builder: CopyingBuilder, node: Node) -> tuple[int, IntegerArray] | None:
    """(x, factor) of a product with a constant, a shift or a negation."""
    match node.op:
        case Op.MUL:
            found = _factor(builder, node.inputs)
            if found is None:
                return None
            factor = constant_of(builder.node(found[1]))
            assert factor is not None
            return found[0], factor
        case Op.SHIFT_LEFT:
            return node.inputs[0], np.array(1 << node.attributes[0], dtype=object)
        case Op.NEG:
            return node.inputs[0], np.array(-1, dtype=object)
        case _:
            return None


def _shift(walk: Rewriting, index: int) -> int | None:
    builder, (x,) = walk.builder, walk.inputs(index)
    bits, argument = walk.program.nodes[index].attributes[0], builder.node(x)
    if argument.op is Op.SHIFT_LEFT:
        return builder.shift_left(argument.inputs[0], bits + argument.attributes[0])
    merged = _merged(builder, argument)
    if argument.op is not Op.MUL or merged is None:
        return None
    return builder.mul(merged[0], builder.tensor(merged[1] * (1 << bits)), argument.name)


def _hoist_shift(walk: Rewriting, index: int) -> int | None:
    """A shift passes through products and sums towards the rescale that may cancel it."""
    node = walk.program.nodes[index]
    for position, old in enumerate(node.inputs):
        argument = walk.program.nodes[old]
        if argument.op is not Op.SHIFT_LEFT or not walk.is_private(old):
            continue
        if node.size <= argument.size:
            inputs = list(walk.inputs(index))
            inputs[position] = walk.at[argument.inputs[0]]
            return walk.builder.shift_left(walk.builder.copy(node, inputs), argument.attributes[0])
    return None


def _add(walk: Rewriting, index: int) -> int | None:
    builder, node = walk.builder, walk.program.nodes[index]
    a, b = walk.inputs(index)
    for x, other in ((a, b), (b, a)):
        if uniform_of(builder.node(other)) == 0 and builder.shape(x) == node.shape:
            return x
    for x, other in ((a, b), (b, a)):
        if builder.node(other).op is Op.NEG:
            return builder.sub(x, builder.node(other).inputs[0], node.name)
    return None


def _subtract(walk: Rewriting, index: int) -> int | None:
    builder, node = walk.builder, walk.program.nodes[index]
    a, b = walk.inputs(index)
    if uniform_of(builder.node(b)) == 0 and builder.shape(a) == node.shape:
        return a
    if uniform_of(builder.node(a)) == 0 and builder.shape(b) == node.shape:
        return builder.neg(b)
    if builder.node(b).op is Op.NEG:
        return builder.add(a, builder.node(b).inputs[0], node.name)
    return None


def _negate(walk: Rewriting, index: int) -> int | None:
    builder, (x,) = walk.builder, walk.inputs(index)
    argument = builder.node(x)
    if argument.op is Op.NEG:
        return argument.inputs[0]
    if not walk.is_private(walk.program.nodes[index].inputs[0]):
        return None  # a negation may be free, a second difference is not
    if argument.op is Op.SUB:
        return builder.sub(argument.inputs[1], argument.inputs[0], argument.name)
    merged = _merged(builder, argument)
    if argument.op is not Op.MUL or merged is None:
        return None
    return builder.mul(merged[0], builder.tensor(-merged[1]), argument.name)


def _rescale(walk: Rewriting, index: int) -> int | None:
    """floor(x 2^n / 2^b + 1/2) = floor(x / 2^(b - n) + 1/2), exactly."""
    node = walk.program.nodes[index]
    bits, capacity = node.attributes
    cancelled = min(bits, _trailing_zeros(walk, node.inputs[0]))
    if not cancelled:
        return None
    x = _shifted_down(walk, node.inputs[0], cancelled)
    if cancelled == bits:
        return walk.builder.range_check(x, capacity, node.name)
    return walk.builder.rescale(x, bits - cancelled, capacity, node.name)


def _trailing_zeros(walk: Rewriting, old: int) -> int:
    """n such that an old node is 2^n times something that costs no more than it."""
    node = walk.program.nodes[old]
    match node.op:
        case Op.CONSTANT:
            divisor = reduce(gcd, node.attributes)
            return (divisor & -divisor).bit_length() - 1 if divisor else 0
        case Op.SHIFT_LEFT if walk.is_private(old):
            return node.attributes[0]
        case Op.MUL if walk.is_private(old):
            constants = [i for i in node.inputs if walk.program.nodes[i].op is Op.CONSTANT]
            return _trailing_zeros(walk, constants[0]) if constants else 0
        case Op.ADD | Op.SUB if walk.is_private(old):
            return min(_trailing_zeros(walk, i) for i in node.inputs)
        case _:
            return 0


def _shifted_down(walk: Rewriting, old: int, bits: int) -> int:
    """An old node divided by 2^bits, which `_trailing_zeros` found to be exact."""
    builder, node = walk.builder, walk.program.nodes[old]
    match node.op:
        case Op.CONSTANT:
            values = constant_of(node)
            assert values is not None
            return builder.tensor(values >> bits)
        case Op.SHIFT_LEFT:
            return builder.shift_left(walk.at[node.inputs[0]], node.attributes[0] - bits)
        case Op.MUL:
            constant = next(i for i in node.inputs if walk.program.nodes[i].op is Op.CONSTANT)
            inputs = [
                _shifted_down(walk, i, bits) if i == constant else walk.at[i] for i in node.inputs
            ]
            return builder.copy(node, inputs)
        case _:
            return builder.copy(node, [_shifted_down(walk, i, bits) for i in node.inputs])


_CHECKED = {Op.RESCALE: 1, Op.DIVIDE: 0, Op.SQRT: 0, Op.RANGE_CHECK: 0}
"""Operations that bound their result -> which attribute is the capacity."""


def _range_check(walk: Rewriting, index: int) -> int | None:
    """A check of what has no more digits anyway says nothing."""
    (x,) = walk.inputs(index)
    checked = walk.builder.node(x)
    while checked.op in MOVES:
        checked = walk.builder.node(checked.inputs[0])
    position = _CHECKED.get(checked.op)
    if position is None or checked.attributes[position] > walk.program.nodes[index].attributes[0]:
        return None
    return x


_RULES: dict[Op, Callable[[Rewriting, int], int | None]] = {
    Op.MUL: _multiply,
    Op.MATMUL: _hoist_shift,
    Op.SUM: _hoist_shift,
    Op.SHIFT_LEFT: _shift,
    Op.ADD: _add,
    Op.SUB: _subtract,
    Op.NEG: _negate,
    Op.RESCALE: _rescale,
    Op.RANGE_CHECK: _range_check,
}
