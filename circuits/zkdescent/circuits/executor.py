"""The reference executor: runs a `Program` with exact integers.

It is the independent oracle. Whatever a backend's circuit computes for an honest prover must be
equal to this, element by element; the prover tests compare them. Values are machine integers where
their true magnitudes allow it and Python integers where they don't; results are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import numpy as np

from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, table_value
from zkdescent.circuits.program import TABLES, Node, Op, Program
from zkdescent.core.errors import RangeOverflow

_MACHINE = 1 << 62  # magnitudes below are computed in int64
_DOUBLE = 1 << 53  # products and sums below are exact in float64, where matrix products are fast
_ISQRT = np.frompyfunc(isqrt, 1, 1)


def execute(
    program: Program, inputs: Mapping[str, IntegerArray], arithmetic: FixedPoint
) -> IntegerArray:
    """Run the program.

    Args:
        inputs: one flat integer array for every input of the program.
        arithmetic: the declared arithmetic.

    Returns:
        The flat output, dtype object.

    Raises:
        RangeOverflow: a value leaves the range of the gadget that has to prove it. The error names
            the value and says what to change.
    """
    return evaluate(program, inputs, arithmetic)[program.output].reshape(-1).astype(object)


def evaluate(
    program: Program, inputs: Mapping[str, IntegerArray], arithmetic: FixedPoint
) -> list[IntegerArray]:
    """Run the program and return the value of every node; see `execute`."""
    values: list[IntegerArray] = []
    for node in program.nodes:
        arguments = [values[i] for i in node.inputs]
        if node.op is Op.INPUT:
            value = _input(node, inputs)
        elif node.op in TABLES:
            value = _table(node, arguments[0], arithmetic)
        else:
            value = _evaluate(node, arguments)
        values.append(_narrow(value))
    return values


def magnitude(values: IntegerArray) -> int:
    """Largest absolute value of an integer array; 0 if it is empty."""
    return int(np.abs(values).max()) if values.size else 0


def _narrow(values: IntegerArray) -> IntegerArray:
    """Machine integers if they hold the values."""
    if values.dtype == object and magnitude(values) < _MACHINE:
        return values.astype(np.int64)
    return values


def _exactly(arguments: list[IntegerArray], bound: int) -> list[IntegerArray]:
    """Arguments in a type that holds results below `bound`."""
    if bound < _MACHINE:
        return arguments
    return [a.astype(object) for a in arguments]


def _input(node: Node, inputs: Mapping[str, IntegerArray]) -> IntegerArray:
    array = np.asarray(inputs[node.name], dtype=object).reshape(-1)
    if array.shape != node.shape:
        raise RangeOverflow(
            f"input {node.name!r} has the wrong number of elements",
            expected=node.shape[0],
            got=array.shape[0],
        )
    return array


def _table(node: Node, x: IntegerArray, arithmetic: FixedPoint) -> IntegerArray:
    limit = arithmetic.table_bound << arithmetic.table_bits
    if magnitude(x) > limit:
        raise RangeOverflow(
            f"{node.label} is outside the table of {node.op.value}",
            expected=f"magnitude up to {limit}",
            got=magnitude(x),
            hint="clamp arguments of tables; please report this",
        )
    return table_value(node.op, x, node.attributes[0])


def _evaluate(node: Node, arguments: list[IntegerArray]) -> IntegerArray:
    sizes = [magnitude(a) for a in arguments]
    match node.op:
        case Op.CONSTANT:
            return np.array(node.attributes, dtype=object).reshape(node.shape)
        case Op.SLICE:
            return np.asarray(arguments[0][node.attributes[0] : node.attributes[1]])
        case Op.TAKE:
            padded = np.append(arguments[0].reshape(-1), [0])  # index -1 is the zero at the end
            return np.asarray(padded[np.array(node.attributes)].reshape(node.shape))
        case Op.RESHAPE:
            return arguments[0].reshape(node.shape)
        case Op.TRANSPOSE:
            return arguments[0].T
        case Op.CONCAT:
            return np.concatenate([a.reshape(-1) for a in arguments])
        case Op.ADD | Op.SUB:
            a, b = _exactly(arguments, sum(sizes))
            return np.asarray(a + b if node.op is Op.ADD else a - b)
        case Op.NEG:
            return np.asarray(-arguments[0])
        case Op.MUL:
            a, b = _exactly(arguments, sizes[0] * sizes[1])
            return np.asarray(a * b)
        case Op.MATMUL:
            return _matmul(arguments, arguments[0].shape[1] * sizes[0] * sizes[1])
        case Op.SUM:
            (x,) = _exactly(arguments, arguments[0].size * sizes[0])
            return np.asarray(x.sum(axis=node.attributes, keepdims=True))
        case Op.SHIFT_LEFT:
            (x,) = _exactly(arguments, max(1, sizes[0]) << node.attributes[0])
            return np.asarray(x * (1 << node.attributes[0]))
        case Op.RESCALE:
            bits, capacity = node.attributes
            (x,) = _exactly(arguments, sizes[0] + (1 << bits))
            return _checked((x + (1 << (bits - 1))) >> bits, capacity, node, "rounded")
        case Op.DIVIDE:
            return _divide(node, arguments, sizes)
        case Op.SQRT:
            return _sqrt(node, arguments[0])
        case Op.IS_POSITIVE:
            x = _checked(arguments[0], node.attributes[0], node, "compared with zero")
            return np.asarray((x > 0).astype(np.int64))
        case _:
            assert node.op is Op.RANGE_CHECK
            return _checked(arguments[0], node.attributes[0], node, "range-checked")


def _matmul(arguments: list[IntegerArray], bound: int) -> IntegerArray:
    if bound < _DOUBLE:
        a, b = (x.astype(np.float64) for x in arguments)
        return np.asarray((a @ b).astype(np.int64))
    a, b = _exactly(arguments, bound)
    return np.asarray(a @ b)


def _divide(node: Node, arguments: list[IntegerArray], sizes: list[int]) -> IntegerArray:
    capacity, divisor = node.attributes
    x, y = _exactly(arguments, 2 * (sizes[0] + sizes[1]))
    y = _checked(y, divisor, node, "divided by")
    if (y <= 0).any():
        raise RangeOverflow(
            f"{node.label} divides by a number that is not positive",
            expected="1 unit in the last place or more",
            got=int(y.min()),
            hint="add an epsilon that the fraction bits can hold",
        )
    return _checked((2 * x + y) // (2 * y), capacity, node, "a quotient")


def _sqrt(node: Node, x: IntegerArray) -> IntegerArray:
    if (x < 0).any():
        raise RangeOverflow(
            f"{node.label} is the square root of a negative number", got=int(x.min())
        )
    return _checked(np.asarray(_ISQRT(x.astype(object))), node.attributes[0], node, "a root")


def _checked(values: IntegerArray, capacity: int, node: Node, use: str) -> IntegerArray:
    worst = magnitude(values)
    if worst >= 1 << capacity:
        raise RangeOverflow(
            f"{node.label} is too large to be {use} in the circuit",
            expected=f"magnitude below 2^{capacity}",
            got=f"{worst} (about 2^{worst.bit_length()})",
            hint="lower the learning rate, standardise the data, use fewer fraction_bits, or "
            "raise [circuit] headroom_bits (unrounded pre-activations have a fixed room of 2^5)",
        )
    return values
