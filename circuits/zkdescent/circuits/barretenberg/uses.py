"""Who reads a node's elements: how often they are written down, and who repeats them."""

from __future__ import annotations

from zkdescent.circuits.program import Op, Program

_VIEWS = frozenset({Op.SLICE, Op.TAKE, Op.RESHAPE, Op.TRANSPOSE, Op.CONCAT})


def repeated(program: Program, index: int) -> frozenset[int]:
    """Nodes all of whose elements a node repeats as they are, itself among them."""
    node = program.nodes[index]
    if node.op in (Op.CONCAT, Op.RESHAPE, Op.TRANSPOSE):
        return frozenset({index}).union(*(repeated(program, i) for i in node.inputs))
    return frozenset({index})


def own_mask(program: Program, index: int) -> int | None:
    """The comparison of a ReLU, x times [x > 0]: its hints give the product; None for others."""
    node = program.nodes[index]
    if node.op is Op.MUL:
        for mask, source in (node.inputs, node.inputs[::-1]):
            compared = program.nodes[mask]
            if compared.op is Op.IS_POSITIVE and compared.inputs == (source,):
                return mask
    return None


def uses_of(program: Program) -> list[int]:
    """Uses of each node; through views, and as often as an element is repeated or broadcast."""
    uses = [0] * len(program.nodes)
    uses[program.output] = 1
    for index in range(len(program.nodes) - 1, -1, -1):
        node, mask = program.nodes[index], own_mask(program, index)
        for source in node.inputs if mask is None else (mask,):
            size = program.nodes[source].size
            if node.op in _VIEWS:
                repeats = 1
                if node.op is Op.TAKE and len(set(node.attributes) - {-1}) < sum(
                    i >= 0 for i in node.attributes
                ):
                    repeats = 2
                uses[source] += repeats * uses[index]
            elif node.op in (Op.MATMUL, Op.SUM):
                uses[source] += 1
            else:
                uses[source] += max(1, node.size // size)
    return uses
