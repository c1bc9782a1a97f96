"""The reference executor: runs a `Program` with exact integers.

It is the independent oracle. Whatever a backend's circuit computes for an honest prover must be
equal to this, element by element; the prover tests compare them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zkdescent.circuits.fixed_point import (
    ARITHMETIC_BITS,
    FixedPoint,
    IntegerArray,
    shift_right_rounded,
    sigmoid_table,
)
from zkdescent.circuits.program import Node, Op, Program
from zkdescent.core.errors import RangeOverflow

_RESCALE = np.frompyfunc(shift_right_rounded, 2, 1)


def execute(
    program: Program, inputs: Mapping[str, IntegerArray], arithmetic: FixedPoint
) -> IntegerArray:
    """Run the program.

    Args:
        inputs: one flat integer array for every input of the program.
        arithmetic: bounds of the gadgets; a value beyond them can't be proven.

    Returns:
        The flat output, dtype object.

    Raises:
        RangeOverflow: a value leaves the range of the gadget that has to prove it. The error names
            the value and says what to change.
    """
    values: list[IntegerArray] = []
    for node in program.nodes:
        values.append(_evaluate(node, [values[i] for i in node.inputs], inputs, arithmetic))
    return values[program.output].reshape(-1)


def _evaluate(
    node: Node,
    arguments: list[IntegerArray],
    inputs: Mapping[str, IntegerArray],
    arithmetic: FixedPoint,
) -> IntegerArray:
    match node.op:
        case Op.INPUT:
            array = np.asarray(inputs[node.name], dtype=object).reshape(-1)
            if array.shape != node.shape:
                raise RangeOverflow(
                    f"input {node.name!r} has the wrong number of elements",
                    expected=node.shape[0],
                    got=array.shape[0],
                )
            return array
        case Op.CONSTANT:
            return np.array([node.attributes[0]], dtype=object)
        case Op.SLICE:
            return arguments[0][node.attributes[0] : node.attributes[1]]
        case Op.RESHAPE:
            return arguments[0].reshape(node.shape)
        case Op.TRANSPOSE:
            return arguments[0].T
        case Op.CONCAT:
            return np.concatenate([a.reshape(-1) for a in arguments])
        case Op.ADD:
            return arguments[0] + arguments[1]
        case Op.SUB:
            return arguments[0] - arguments[1]
        case Op.NEG:
            return -arguments[0]
        case Op.MUL:
            return arguments[0] * arguments[1]
        case Op.MATMUL:
            return np.asarray(arguments[0] @ arguments[1], dtype=object)
        case Op.SUM:
            return np.asarray(arguments[0].sum(axis=node.attributes, keepdims=True), dtype=object)
        case Op.SHIFT_LEFT:
            return arguments[0] * (1 << node.attributes[0])
        case Op.RESCALE:
            _check(arguments[0], 1 << ARITHMETIC_BITS, node, "the arithmetic")
            result = np.asarray(_RESCALE(arguments[0], node.attributes[0]), dtype=object)
            _check(result, arithmetic.decomposition_bound, node, "a rescaled value")
            return result
        case Op.RELU:
            _check(arguments[0], arithmetic.decomposition_bound, node, "a comparison")
            return np.where(arguments[0] > 0, arguments[0], 0)
        case Op.IS_POSITIVE:
            _check(arguments[0], arithmetic.decomposition_bound, node, "a comparison")
            return np.asarray((arguments[0] > 0).astype(int), dtype=object)
        case Op.CLAMP:
            bound = node.attributes[0]
            _check(arguments[0], arithmetic.decomposition_bound - bound, node, "a comparison")
            return np.clip(arguments[0], -bound, bound)
        case Op.SIGMOID:
            return sigmoid_table(arguments[0], node.attributes[0])
        case Op.ABS | Op.RANGE_CHECK:
            _check(arguments[0], arithmetic.decomposition_bound, node, "a range check")
            return np.abs(arguments[0]) if node.op is Op.ABS else arguments[0]


def _check(values: IntegerArray, bound: int, node: Node, gadget: str) -> None:
    worst = int(np.abs(values).max()) if values.size else 0
    if worst >= bound:
        raise RangeOverflow(
            f"{node.name or node.op.value} is too large for {gadget} of the circuit",
            expected=f"magnitude below 2^{(bound - 1).bit_length()}",
            got=f"{worst} (about 2^{worst.bit_length()})",
            hint="lower the learning rate, standardise the data, or use fewer fraction_bits",
        )
