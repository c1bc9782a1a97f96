"""What an integer program costs in ezkl: rows of one column block.

Coefficients are rows per element for two inner columns, measured with ezkl 23.0.5 on 1,024
elements (docs/log.md); other column counts divide them. Slices and relabellings cost nothing in
the circuit although `gen_settings` counts them.
"""

from __future__ import annotations

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Node, Op, Program

# A decomposition takes `legs + 1` digits and their recomposition; per-leg slope as measured.
_PER_LEG = {
    Op.RESCALE: 6.0,
    Op.RELU: 2.0,
    Op.IS_POSITIVE: 3.0,
    Op.CLAMP: 4.0,
    Op.ABS: 2.0,
    Op.RANGE_CHECK: 4.0,
}
_BASE = {
    Op.RESCALE: 12.0,
    Op.RELU: 4.5,
    Op.IS_POSITIVE: 5.0,
    Op.CLAMP: 12.0,
    Op.ABS: 2.0,
    Op.RANGE_CHECK: 10.5,
    Op.SIGMOID: 1.5,
    Op.ADD: 1.0,
    Op.SUB: 1.0,
    Op.MUL: 1.0,
    Op.NEG: 0.5,
    Op.SHIFT_LEFT: 1.0,
}


def rows(program: Program, fixed: FixedPoint) -> float:
    """Estimate the rows of a program with two inner columns."""
    return sum(_node_rows(node, program, fixed) for node in program.nodes)


def _node_rows(node: Node, program: Program, fixed: FixedPoint) -> float:
    if node.op is Op.MATMUL:
        inner = program.nodes[node.inputs[0]].shape[1]
        return node.size * (inner / 2 + 0.5)
    if node.op is Op.SUM:
        return program.nodes[node.inputs[0]].size / 2
    per_element = _BASE.get(node.op, 0.0) + _PER_LEG.get(node.op, 0.0) * fixed.decomposition_legs
    return node.size * per_element
