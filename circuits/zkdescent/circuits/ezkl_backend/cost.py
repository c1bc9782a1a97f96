"""What an integer program costs in ezkl: rows of a block of two columns.

ezkl assigns one cell of a block for each element of a sum, product or look-up; a dot product takes
a whole row for every two terms. Moves and relabellings cost nothing in the circuit although
`gen_settings` counts them. Checked against circuits in tests/prover.
"""

from __future__ import annotations

from math import ceil, inf

from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import wants
from zkdescent.circuits.program import TABLES, Node, Op, Program
from zkdescent.core.errors import ProverError

_CELL = 0.5  # rows: a block has two columns
_FREE = frozenset({Op.INPUT, Op.SLICE, Op.TAKE, Op.RESHAPE, Op.TRANSPOSE, Op.CONCAT})


def rows(program: Program, digits: Digits) -> float:
    """Rows of a program, infinite if something in it is too wide for the digits."""
    try:
        total = sum(_node_rows(node, program, digits) for node in program.nodes)
    except ProverError:
        return inf
    return total + _CELL * program.nodes[program.output].size + 1


def _node_rows(node: Node, program: Program, digits: Digits) -> float:
    if node.op in _FREE:
        return 0.0
    if node.op is Op.MATMUL:
        return float(node.size * ceil(program.nodes[node.inputs[0]].shape[1] / 2))
    if node.op is Op.SUM:
        terms = program.nodes[node.inputs[0]].size // node.size
        return float(node.size * ceil(terms / 2))
    return _CELL * node.size * _cells(node, digits)


def _cells(node: Node, digits: Digits) -> float:
    """Cells per element."""
    match node.op:
        case Op.CONSTANT | Op.ADD | Op.SUB | Op.MUL | Op.SHIFT_LEFT:
            return 1
        case Op.NEG:
            return 0
        case Op.RESCALE:
            # Each digit: looked up, then recombined by shift and sum; the rest: looked up, summed.
            supplied = wants(node, digits).digits
            aligned = digits.remainder_number(node.attributes[0]) == 1
            return supplied + 2 * (supplied - 1) + 4 + aligned
        case Op.RANGE_CHECK:
            supplied = wants(node, digits).digits
            return supplied + 2 * max(0, supplied - 1) + (4 if supplied else 2)
        case Op.IS_POSITIVE:
            return 6 if wants(node, digits).signs else 2
        case Op.DIVIDE:
            supplied, quotient = (
                wants(node, digits).digits,
                digits.signed_number(node.attributes[0]),
            )
            return supplied + 2 * (quotient - 1) + 7 + 2 * _check_cells(supplied > quotient)
        case Op.SQRT:
            supplied, root = wants(node, digits).digits, digits.signed_number(node.attributes[0])
            return supplied + 2 * (root - 1) + 4 + 2 * _check_cells(supplied > root)
        case _:
            assert node.op in TABLES
            if node.attributes[0] + 3 > digits.bits:  # arguments reach 8 * 2**bits
                raise ProverError(
                    f"the table of {node.label} does not fit a circuit of 2^{digits.logrows} rows",
                    expected=f"logrows of {node.attributes[0] + 4} or more",
                    hint="use a larger logrows",
                )
            return 1


def _check_cells(two_digits: bool) -> int:
    return 5 if two_digits else 3
