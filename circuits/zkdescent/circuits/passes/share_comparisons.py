"""Pass: compare each number with zero once.

[c x > 0] = [x > 0] for a positive constant c, and a rearrangement of comparisons is a comparison
of a rearrangement. So comparisons that look at the same elements of the same value, be it shifted,
multiplied, sliced, transposed or repeated, become one comparison of those elements, at the scale
with the fewest digits.

The capacity of the shared comparison is the least of all: what one of them refused stays refused.
[-x > 0] is not 1 - [x > 0] where x = 0, so a negation is never passed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from zkdescent.circuits.passes.rewrite import CopyingBuilder, Rewriting, rewrite, uniform_of
from zkdescent.circuits.passes.views import Indices, compose, view
from zkdescent.circuits.program import Op, Program

_UNCOMPARED = 1 << 62  # above every capacity


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison traced back: which elements of `source`, and the bits it needs for them."""

    index: int
    source: int
    elements: Indices
    capacity: int
    is_scaled: bool


def share_comparisons(program: Program) -> Program:
    """Return an equal program that compares every element of a value at most once."""
    groups: dict[int, list[_Comparison]] = defaultdict(list)
    for index, node in enumerate(program.nodes):
        if node.op is Op.IS_POSITIVE:
            found = _traced(program, index)
            groups[found.source].append(found)
    shared = {
        member.index: plan
        for plan in [_Shared(group) for group in groups.values() if _pays(group)]
        for member in plan.group
    }

    def rule(walk: Rewriting, index: int) -> int | None:
        return shared[index].result(walk, index) if index in shared else None

    return rewrite(program, rule)


def _traced(program: Program, index: int) -> _Comparison:
    node = program.nodes[index]
    elements: Indices = np.arange(node.size)
    source, magnification = node.inputs[0], 0
    while True:
        seen = view(program.nodes.__getitem__, source)
        if seen.moves:
            source, elements = seen.source, compose(seen.elements, elements)
        scaled = _unscaled(program, source)
        if scaled is None:
            break
        source, bits = scaled
        magnification += bits
    capacity = max(1, node.attributes[0] - magnification)
    return _Comparison(index, source, elements, capacity, capacity < node.attributes[0])


def _unscaled(program: Program, index: int) -> tuple[int, int] | None:
    """(x, bits) of a product of x with a positive constant of at least 2**bits."""
    node = program.nodes[index]
    if node.op is Op.SHIFT_LEFT:
        return node.inputs[0], node.attributes[0]
    if node.op is not Op.MUL:
        return None
    for x, c in (node.inputs, node.inputs[::-1]):
        value = uniform_of(program.nodes[c])
        if value is not None and value > 0 and program.nodes[x].shape == node.shape:
            return x, value.bit_length() - 1
    return None


def _pays(group: list[_Comparison]) -> bool:
    compared = sum(len(g.elements) for g in group)
    distinct = len(np.unique(np.concatenate([g.elements[g.elements >= 0] for g in group])))
    return distinct > 0 and (distinct < compared or any(g.is_scaled for g in group))


class _Shared:
    """All comparisons of one value: made together when the first of them is met."""

    def __init__(self, group: list[_Comparison]) -> None:
        self.group = group
        self._made: tuple[int, Indices] | None = None

    def result(self, walk: Rewriting, index: int) -> int:
        """The comparison `index` as a rearrangement of the shared one, in the new program."""
        if self._made is None:
            self._made = self._make(walk)
        node, position = self._made
        (elements,) = [g.elements for g in self.group if g.index == index]
        chosen, old = compose(position, elements), walk.program.nodes[index]
        return walk.builder.take(node, chosen.tolist(), old.shape, old.name)

    def _make(self, walk: Rewriting) -> tuple[int, Indices]:
        """The shared comparison, flat or in the source's shape, and where each element is in it."""
        builder, x = walk.builder, walk.at[self.group[0].source]
        size = builder.node(x).size
        capacity = np.full(size, _UNCOMPARED)
        for g in self.group:
            present = g.elements[g.elements >= 0]
            capacity[present] = np.minimum(capacity[present], g.capacity)
        position: Indices = np.full(size, -1)
        name = walk.program.nodes[self.group[0].index].name
        parts, start = [], 0
        for bits in np.unique(capacity[capacity < _UNCOMPARED]):
            elements = np.flatnonzero(capacity == bits)
            position[elements] = start + np.arange(len(elements))
            start += len(elements)
            parts.append(self._compare(builder, x, elements, int(bits), name))
        if len(parts) == 1:
            return parts[0], position
        flat = [builder.reshape(part, (builder.node(part).size,)) for part in parts]
        return builder.concat(flat), position

    @staticmethod
    def _compare(
        builder: CopyingBuilder, x: int, elements: Indices, capacity: int, name: str
    ) -> int:
        if len(elements) < builder.node(x).size:
            x = builder.take(x, elements.tolist(), (len(elements),))
        return builder.is_positive(x, capacity, name)
