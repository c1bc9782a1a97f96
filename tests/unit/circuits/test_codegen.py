"""The emitted ONNX graph: deterministic, every operation, the executor's inputs and output.

That the circuit computes what the executor does is shown with real witnesses in tests/prover.
"""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto

from zkdescent.circuits.ezkl_backend.codegen import emit_onnx
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program

FIXED = FixedPoint()


def every_operation(last: int = 3) -> Program:
    b = Builder()
    b.input("context", 1)
    x = b.input("x", 6)
    matrix = b.reshape(x, (2, 3))
    product = b.matmul(matrix, b.transpose(matrix))
    small = b.rescale(b.shift_left(b.mul(matrix, b.constant(-5)), 2), 6)
    clamped = b.unary(Op.CLAMP, small, (FIXED.clamp,))
    parts = [
        b.unary(Op.SIGMOID, clamped, (FIXED.sigmoid_bits,)),
        b.unary(Op.RELU, small),
        b.unary(Op.IS_POSITIVE, small),
        b.unary(Op.ABS, small),
        b.unary(Op.RANGE_CHECK, matrix),
        b.neg(b.sub(small, b.sum(matrix, (1,)))),
        b.rescale(product, last),
        b.add(small, b.constant(-1)),
    ]
    flat = [b.reshape(p, (b.node(p).size,)) for p in parts]
    return b.finish(b.concat([b.slice(x, 1, 4), *flat]))


def test_every_operation_of_the_language_is_emitted() -> None:
    program = every_operation()
    assert {node.op for node in program.nodes} == set(Op)
    model = onnx.load_from_string(emit_onnx(program, FIXED))
    emitted = {node.op_type for node in model.graph.node}
    assert {"MatMul", "Sigmoid", "Greater", "Abs", "ReduceSum", "BitShift", "Concat"} <= emitted
    # Nothing whose meaning depends on ezkl's own rescaling of floats.
    assert not emitted & {"Div", "Mod", "Floor", "Round", "Pow"}


def test_bytes_are_deterministic_and_depend_on_the_program() -> None:
    assert emit_onnx(every_operation(), FIXED) == emit_onnx(every_operation(), FIXED)
    assert emit_onnx(every_operation(), FIXED) != emit_onnx(every_operation(last=4), FIXED)


def test_inputs_keep_their_order_and_all_tensors_are_integers() -> None:
    graph = onnx.load_from_string(emit_onnx(every_operation(), FIXED)).graph
    assert [i.name for i in graph.input] == ["context", "x"]
    assert [o.name for o in graph.output] == ["output"]
    program = every_operation()
    size = graph.output[0].type.tensor_type.shape.dim[0].dim_value
    assert size == program.nodes[program.output].size
    types = {i.type.tensor_type.elem_type for i in [*graph.input, *graph.output]}
    assert types == {TensorProto.INT32}
    assert {i.data_type for i in graph.initializer} <= {TensorProto.INT32, TensorProto.INT64}


@pytest.mark.parametrize("value", [(1 << 31) - 1, -(1 << 31) + 1])
def test_a_constant_keeps_its_value(value: int) -> None:
    b = Builder()
    program = b.finish(b.mul(b.input("x", 2), b.constant(value)))
    graph = onnx.load_from_string(emit_onnx(program, FIXED)).graph
    (constant,) = (onnx.numpy_helper.to_array(i) for i in graph.initializer if i.dims == [1])
    assert abs(int(constant[0])) == abs(value)


def test_a_constant_beyond_the_type_is_refused() -> None:
    b = Builder()
    program = b.finish(b.mul(b.input("x", 2), b.constant(1 << 31)))
    with pytest.raises(OverflowError):
        emit_onnx(program, FIXED)
