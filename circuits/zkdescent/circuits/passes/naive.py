"""The arithmetic of a compiler that rounds after every product, to compare with.

It is what tools do that give every tensor the same scale: a constant is multiplied in where it
stands, and each product is rounded back at once. Nothing is ever compiled with it for a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from zkdescent.circuits.passes.rewrite import CopyingBuilder
from zkdescent.circuits.program import Node, Op, Program
from zkdescent.circuits.symbolic import Arithmetic, Symbolic


class NaiveArithmetic(Arithmetic):
    """Fixed-point operations whose results are always at `fraction_bits`, with coefficient 1."""

    def scaled(self, value: Symbolic, factor: Fraction) -> Symbolic:
        """Multiply by a constant at once, and round back."""
        value = replace(value, coefficient=value.coefficient * factor)
        return self._rounded_back(self.with_unit_coefficient(value))

    def product(
        self, a: Symbolic, b: Symbolic, *, matrix: bool = False, name: str = ""
    ) -> Symbolic:
        """Elementwise or matrix product, rounded back."""
        return self._rounded_back(super().product(a, b, matrix=matrix, name=name), name)

    def _rounded_back(self, value: Symbolic, name: str = "") -> Symbolic:
        return self.rescale(value, min(value.scale, self.fixed.fraction_bits), name)


def compare_for_each_reader(program: Program) -> Program:
    """Return an equal program in which every reader of a comparison makes its own.

    So a ReLU and its gradient compare separately, as where each operator is compiled by itself.
    """
    builder = _UnsharedBuilder()
    at: list[int] = []
    for node in program.nodes:
        if node.op is Op.INPUT:
            at.append(builder.input(node.name, node.size, node.attributes[1]))
            continue
        inputs = []
        for argument in node.inputs:
            read = program.nodes[argument]
            own = read.op is Op.IS_POSITIVE
            inputs.append(builder.copy(read, [at[i] for i in read.inputs]) if own else at[argument])
        at.append(builder.copy(node, inputs))
    return builder.finish(at[program.output])


class _UnsharedBuilder(CopyingBuilder):
    """Takes over nodes without sharing equal ones."""

    def copy(self, node: Node, inputs: Sequence[int]) -> int:
        self._index.clear()
        return super().copy(node, inputs)
