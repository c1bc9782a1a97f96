"""Worst-case magnitudes: proof that no value of a program wraps around the field.

Circuits compute modulo R, about 2**254. The integers that the contracts speak of and the field
elements that the circuit computes are the same only if every magnitude stays below R / 2 for
*every* witness a prover could choose, not only for the honest one. What bounds a witness:

- inputs, by the range circuit (genesis state, batch blocks) or by whoever names them (inference);
- what the prover supplies (quotients, roots, range checks), by the digits the circuit checks;
- what a gadget puts together to compare it, by what it is made of;
- table results, by the table.

Everything between grows by the arithmetic of the program, which is followed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zkdescent.circuits.program import TABLES, Node, Op, Program
from zkdescent.core.errors import RangeOverflow
from zkdescent.core.records import FIELD_MODULUS

GadgetBound = Callable[[int], int]
"""Capacity in bits -> exclusive bound on what the backend's digits can hold, at least 2**bits."""

_EXP_BITS = 24  # exp(16) < 2**24: no backend's table reaches further than twice the clamp
_TABLE_UNITS = 16


def magnitude_bounds(
    program: Program, inputs: Mapping[str, int], gadget: GadgetBound
) -> tuple[int, ...]:
    """Return an exclusive bound on the magnitude of each node's elements.

    Args:
        inputs: exclusive bound by input name; unnamed inputs (the context) enter no arithmetic.
        gadget: what the backend's digits hold.

    Raises:
        RangeOverflow: a value could wrap around; it is named.
    """
    bounds = unchecked_bounds(program, inputs, gadget)
    for node, value in zip(program.nodes, bounds, strict=True):
        bound = max(value, _recomposed(node, [bounds[i] for i in node.inputs], gadget))
        if 4 * bound >= FIELD_MODULUS:  # gadgets add and double what they compare
            raise RangeOverflow(
                f"{node.label} could wrap around the field",
                expected=f"magnitude below 2^{FIELD_MODULUS.bit_length() - 2}",
                got=f"up to 2^{bound.bit_length()}",
                hint="use fewer fraction_bits, or split the model into smaller layers",
            )
    return bounds


def unchecked_bounds(
    program: Program, inputs: Mapping[str, int], gadget: GadgetBound
) -> tuple[int, ...]:
    """Return the same of a program some of whose values may be too wide."""
    bounds: list[int] = []
    for node in program.nodes:
        bounds.append(_bound(node, program, bounds, inputs, gadget))
    return tuple(bounds)


def check_step(program: Program, *, state: int, batch: int, gadget: GadgetBound) -> None:
    """Check that K steps neither wrap nor leave a state that the next proof could not start from.

    The induction: the state before is below `state` in magnitude (the genesis by its range proof,
    later states as the result of this very check), the batch below `batch`; then so is the state
    after.

    Raises:
        RangeOverflow: a value could wrap, or the new state could exceed `state`.
    """
    bounds = magnitude_bounds(program, {"state": state, "batch": batch}, gadget)
    after = bounds[program.output]
    if after > state:
        raise RangeOverflow(
            "the new state is not bounded by the circuit",
            expected=f"magnitude below 2^{state.bit_length() - 1}",
            got=f"up to 2^{after.bit_length()}",
            hint="please report this: every element of the state must be decomposed somewhere",
        )


def _recomposed(node: Node, arguments: list[int], gadget: GadgetBound) -> int:
    """Exclusive bound on what a gadget puts together, to compare it with something else.

    Of hints: their argument's own bound does not bound it, and if it could wrap, an argument would
    have several quotients. Of a table: argument, interval and result in one number (`tables` of
    barretenberg). 0 for operations that put nothing together.
    """
    match node.op:
        case Op.RESCALE:  # q 2^b + r
            bits, capacity = node.attributes
            return (gadget(capacity) + 1) << bits
        case Op.DIVIDE:  # 2 y q + r, with y at most 2^d
            capacity, divisor = node.attributes
            return (gadget(capacity) + 1) << (divisor + 1)
        case Op.SQRT:  # s^2 + d
            return (gadget(node.attributes[0]) + 1) ** 2
        case Op.IS_POSITIVE:
            return gadget(node.attributes[0])
        case _ if node.op in TABLES:  # (1 + 2^W) x, with W at most 7 bits more than units have
            (bits,) = node.attributes
            return (arguments[0] + (_TABLE_UNITS << bits)) << (bits + 8)
        case _:
            return 0


def _bound(
    node: Node,
    program: Program,
    bounds: list[int],
    inputs: Mapping[str, int],
    gadget: GadgetBound,
) -> int:
    arguments = [bounds[i] for i in node.inputs]
    match node.op:
        case Op.INPUT:
            return inputs.get(node.name, 1)
        case Op.CONSTANT:
            return max(abs(v) for v in node.attributes) + 1
        case Op.SLICE | Op.TAKE | Op.RESHAPE | Op.TRANSPOSE | Op.NEG:
            return arguments[0]
        case Op.CONCAT:
            return max(arguments)
        case Op.ADD | Op.SUB:
            return sum(arguments)
        case Op.MUL:
            return arguments[0] * arguments[1]
        case Op.MATMUL:
            inner = program.nodes[node.inputs[0]].shape[1]
            return inner * arguments[0] * arguments[1]
        case Op.SUM:
            count = program.nodes[node.inputs[0]].size // max(1, node.size)
            return count * arguments[0]
        case Op.SHIFT_LEFT:
            return arguments[0] << node.attributes[0]
        case Op.RESCALE:
            return gadget(node.attributes[1])
        case Op.DIVIDE | Op.SQRT | Op.RANGE_CHECK:
            return gadget(node.attributes[0])
        case Op.IS_POSITIVE:
            return 2
        case Op.SIGMOID | Op.TANH:
            return (1 << node.attributes[0]) + 1
        case Op.EXP:
            return 1 << (node.attributes[0] + _EXP_BITS)
