"""Quotients, roots and tables: operations whose results take more than one hint to check.

What each equation says, and why it has one solution, is in `walk` and in docs/soundness.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zkdescent.circuits.barretenberg.expression import Expression, atom, constant, product
from zkdescent.circuits.barretenberg.system import Hints, Solution
from zkdescent.circuits.barretenberg.tables import Places, intervals
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import Node

if TYPE_CHECKING:
    from zkdescent.circuits.barretenberg.walk import Walk

Elements = list[Expression]


def divide(walk: Walk, index: int, node: Node) -> Elements:
    """DIVIDE: 2 x + y = 2 y q + r, with r below 2 y."""
    capacity, divisor = node.attributes
    top, bottom = node.inputs
    x = walk.broadcast(top, node.shape, walk.fetch(top))
    below = walk.atoms(bottom)
    shape = node.shape

    def numbers(s: Solution) -> tuple[IntegerArray, IntegerArray]:
        a, b = (np.broadcast_to(s.values[i].astype(object), shape) for i in (top, bottom))
        r = 2 * a + b - 2 * b * s.values[index].astype(object)
        return r.reshape(-1), b.reshape(-1)

    # The divisor is above zero and below 2**divisor: once for each of its own elements.
    positive = walk.system.naturals(
        len(below), divisor, lambda s: (s.values[bottom].reshape(-1) - 1).tolist()
    )
    for e, w in zip(below, positive.witnesses(), strict=True):
        walk.system.equal(e, atom(w, 1))
    y = walk.broadcast(bottom, shape, below)
    q = walk.signed(index, node.size, capacity)
    r = walk.system.naturals(node.size, divisor + 1, lambda s: numbers(s)[0].tolist())

    def room(s: Solution) -> list[int]:
        remainder, b = numbers(s)
        rest: list[int] = (2 * b - 1 - remainder).tolist()
        return rest

    left = walk.system.naturals(node.size, divisor + 1, room)
    walk.hints[index] = Hints(q, (r, left, positive))
    results = [atom(w, -(1 << capacity)) for w in q.witnesses()]
    rows = zip(x, y, results, r.witnesses(), left.witnesses(), strict=True)
    for a, b, quotient, remainder, rest in rows:
        walk.system.equal(a.scaled(2).plus(b), product(b.scaled(2), quotient).plus(atom(remainder)))
        walk.system.equal(b.scaled(2), atom(remainder, 1).plus(atom(rest)))
    return results


def square_root(walk: Walk, index: int, node: Node) -> Elements:
    """SQRT: x = s^2 + d, with d at most 2 s."""
    (capacity,) = node.attributes
    (source,) = node.inputs
    x = walk.fetch(source)

    def rest(s: Solution) -> tuple[IntegerArray, IntegerArray]:
        root = s.values[index].astype(object).reshape(-1)
        return s.values[source].astype(object).reshape(-1) - root * root, root

    root = walk.system.naturals(node.size, capacity, lambda s: s.values[index].reshape(-1).tolist())
    d = walk.system.naturals(node.size, capacity + 1, lambda s: rest(s)[0].tolist())

    def room(s: Solution) -> list[int]:
        below, r = rest(s)
        left: list[int] = (2 * r - below).tolist()
        return left

    left = walk.system.naturals(node.size, capacity + 1, room)
    walk.hints[index] = Hints(root, (d, left))
    results = [atom(w) for w in root.witnesses()]
    for e, r, below, gap in zip(x, results, d.witnesses(), left.witnesses(), strict=True):
        walk.system.equal(e, product(r, r).plus(atom(below)))
        walk.system.equal(r.scaled(2), atom(below).plus(atom(gap)))
    return results


def look_up(walk: Walk, index: int, node: Node) -> Elements:
    """A table's results; see `tables`."""
    (bits,) = node.attributes
    (source,) = node.inputs
    table = intervals(node.op, bits, walk.fixed.table_limit)
    key = (node.op, bits)
    if key not in walk.tables:
        walk.tables[key] = walk.system.table(table.entries)
    x = walk.fetch(source)

    def interval(s: Solution) -> Places:
        return table.index(s.values[source].reshape(-1).astype(np.int64))

    choice = walk.system.allocate(node.size, lambda s: interval(s).tolist())
    entry = walk.system.allocate(
        node.size, lambda s: [table.entries[i] for i in interval(s).tolist()]
    )
    low = walk.system.naturals(
        node.size, table.bits, lambda s: table.above(s.values[source], interval(s))
    )
    high = walk.system.naturals(
        node.size, table.bits, lambda s: table.below(s.values[source], interval(s))
    )
    y: Elements
    if table.steps_by_one:
        y = [atom(choice + i, table.first) for i in range(node.size)]
        written = [constant(0)] * node.size
        walk.hints[index] = Hints(low, (high,))
    else:
        result = walk.system.naturals(
            node.size,
            table.value_bits,
            lambda s: s.values[index].reshape(-1).tolist(),
        )
        y = [atom(w) for w in result.witnesses()]
        written = [e.scaled(1 << table.value_shift) for e in y]
        place = walk.system.naturals(
            node.size,
            table.bits,
            lambda s: (s.values[source].reshape(-1) + table.limit).tolist(),
        )
        for e, w in zip(x, place.witnesses(), strict=True):
            walk.system.equal(e, atom(w, -table.limit))
        walk.hints[index] = Hints(result, (low, high, place))
    for i, (e, value) in enumerate(zip(x, written, strict=True)):
        walk.system.read(walk.tables[key], choice + i, entry + i)
        walk.system.equal(
            atom(entry + i), table.packed(e, low.witness(i), high.witness(i)).plus(value)
        )
    return y
