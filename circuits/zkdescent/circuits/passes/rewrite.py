"""Rewriting a program: walk its nodes in order, and let a rule replace some of them.

A rule sees the old program (and so how often a value is used) and the nodes that were already
rewritten. It returns the index of an equal value in the new program, or None to copy the node.
Equal nodes are shared and dead ones dropped by the builder, so every pass does that too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import Builder, Node, Op, Program

MOVES = frozenset({Op.SLICE, Op.TAKE, Op.RESHAPE, Op.TRANSPOSE})
"""Operations that hand on elements of one argument; circuits do not pay for them."""


class CopyingBuilder(Builder):
    """A builder that also takes over nodes of another program."""

    def copy(self, node: Node, inputs: Sequence[int]) -> int:
        """Append the same operation on other arguments of the same shapes."""
        return self._append(node.op, inputs, node.shape, node.attributes, node.name)

    def elementwise(self, node: Node, inputs: Sequence[int]) -> int:
        """Append the same elementwise operation on arguments of other shapes; broadcasting."""
        shape = tuple(np.broadcast_shapes(*(self.shape(i) for i in inputs)))
        return self._append(node.op, inputs, shape, node.attributes, node.name)

    def tensor(self, values: IntegerArray) -> int:
        """A constant with these elements and this shape."""
        shape = values.shape or (1,)
        return self.constant(*(int(v) for v in values.reshape(-1)), shape=shape)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A walk in progress.

    Attributes:
        program: what is rewritten.
        builder: where the new program grows.
        uses: how many arguments (and the output) refer to each old node.
        at: old index -> new index, for the nodes before the current one.
    """

    program: Program
    builder: CopyingBuilder
    uses: tuple[int, ...]
    at: list[int]

    def inputs(self, index: int) -> tuple[int, ...]:
        """New indices of an old node's arguments."""
        return tuple(self.at[i] for i in self.program.nodes[index].inputs)

    def is_private(self, index: int) -> bool:
        """Whether an old node is used once only, so that it dies if that use goes."""
        return self.uses[index] == 1


Rule = Callable[[Rewriting, int], int | None]


def rewrite(program: Program, rule: Rule) -> Program:
    """Return the program with every node replaced for which the rule returns another.

    Args:
        rule: called with the walk and the old index of each node but inputs; what it returns must
            have the node's shape and value.
    """
    builder = CopyingBuilder()
    walk = Rewriting(program, builder, use_counts(program), [-1] * len(program.nodes))
    for name, index in program.inputs.items():
        node = program.nodes[index]
        walk.at[index] = builder.input(name, node.size, node.attributes[1])
    for index, node in enumerate(program.nodes):
        if node.op is Op.INPUT:
            continue
        new = rule(walk, index)
        if new is None:
            new = builder.copy(node, walk.inputs(index))
        assert builder.shape(new) == node.shape, (node, builder.node(new))
        walk.at[index] = new
    return builder.finish(walk.at[program.output])


def use_counts(program: Program) -> tuple[int, ...]:
    """How many arguments refer to each node; the output counts as one."""
    uses = [0] * len(program.nodes)
    uses[program.output] = 1
    for node in program.nodes:
        for argument in node.inputs:
            uses[argument] += 1
    return tuple(uses)


def constant_of(node: Node) -> IntegerArray | None:
    """Elements of a constant in its shape, None for any other node."""
    if node.op is not Op.CONSTANT:
        return None
    return np.array(node.attributes, dtype=object).reshape(node.shape)


def uniform_of(node: Node) -> int | None:
    """The one value of a constant whose elements are all equal, else None."""
    if node.op is not Op.CONSTANT or len(set(node.attributes)) != 1:
        return None
    return node.attributes[0]
