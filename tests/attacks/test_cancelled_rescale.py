"""A rescale whose shift cancels a left shift must still be decomposed in the circuit.

The bounds that rule out wrap-around count on it: the result of every rescale is below the
decomposition bound for whatever witness a prover chooses. Moving labels instead of dividing would
give the right integers to an honest prover and no bound at all to a dishonest one.
"""

from __future__ import annotations

import onnx
import pytest

from zkdescent.circuits.bounds import magnitude_bounds
from zkdescent.circuits.ezkl_backend.codegen import emit_onnx
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program

FIXED = FixedPoint(fraction_bits=12, sigmoid_bits=10)


def shifted_and_back(left: int, right: int) -> Program:
    builder = Builder()
    x = builder.input("state", 4)
    return builder.finish(builder.rescale(builder.shift_left(builder.neg(x), left), right))


@pytest.mark.parametrize(("left", "right"), [(3, 3), (5, 3), (3, 5)])
def test_every_rescale_is_a_division_of_the_circuit(left: int, right: int) -> None:
    program = shifted_and_back(left, right)
    graph = onnx.load_from_string(emit_onnx(program, FIXED)).graph
    constants = {
        i.name: int(onnx.numpy_helper.to_array(i)[0])
        for i in graph.initializer
        if i.data_type == onnx.TensorProto.INT32
    }
    # The label before each negation; ezkl divides by what exceeds `sigmoid_bits`.
    labels = {"state": 0}
    divided = []
    for node in graph.node:
        label = max((labels[name] for name in node.input if name in labels), default=0)
        if node.op_type == "BitShift":
            by = constants[node.input[1]]
            right_shift = node.attribute[0].s == b"RIGHT"
            label += by if right_shift else -by
        elif node.op_type == "Neg" and label > FIXED.sigmoid_bits:
            divided.append(label - FIXED.sigmoid_bits)
            label = FIXED.sigmoid_bits
        labels[node.output[0]] = label
    assert len(divided) == program.count(Op.RESCALE) // 4
    assert all(bits > 0 for bits in divided)
    assert labels["output"] == 0


def test_the_bound_that_relies_on_it() -> None:
    program = shifted_and_back(5, 3)
    bounds = magnitude_bounds(program, {"state": 1 << 40}, FIXED)
    assert bounds[program.output] == FIXED.decomposition_bound
