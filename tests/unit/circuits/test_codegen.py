"""The emitted ONNX graph: deterministic, every operation, and no form that ezkl reinterprets.

That the circuit computes what the executor does is shown with real witnesses in tests/prover.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from zkdescent.circuits.ezkl_backend.codegen import HINTS, REBASE_LABEL, emit_onnx
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import plan
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.errors import ProverError

DIGITS = Digits(11)


def every_operation(last: int = 3) -> Program:
    b = Builder()
    b.input("context", 1)
    x = b.input("x", 6)
    matrix = b.reshape(x, (2, 3))
    product = b.matmul(matrix, b.transpose(matrix))
    small = b.rescale(b.shift_left(b.mul(matrix, b.constant(-5)), 2), 6, 12)
    square = b.add(b.mul(small, small), b.constant(1))
    parts = [
        b.table(Op.SIGMOID, small, 7),
        b.table(Op.TANH, small, 7),
        b.table(Op.EXP, small, 7),
        b.is_positive(small, 9),
        b.is_positive(b.neg(small), 15),
        b.range_check(matrix, 12),
        b.neg(b.sub(small, b.sum(matrix, (1,)))),
        b.rescale(product, last, 20),
        b.divide(matrix, square, 12, 18),
        b.sqrt(square, 12),
        b.take(matrix, [5, -1, 0, 0], (2, 2)),
        b.mul(small, b.constant(*range(6), shape=(2, 3))),
        b.add(small, b.constant(-1)),
    ]
    flat = [b.reshape(p, (b.node(p).size,)) for p in parts]
    return b.finish(b.concat([b.slice(x, 1, 4), *flat]))


def emitted(program: Program, digits: Digits = DIGITS) -> GraphProto:
    return onnx.load_from_string(emit_onnx(program, digits)).graph


def constants(graph: GraphProto) -> dict[str, np.ndarray]:
    """Initializers of the type that tensors have; shapes and bounds of slices are int64."""
    return {
        i.name: numpy_helper.to_array(i)
        for i in graph.initializer
        if i.data_type == TensorProto.INT32
    }


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def is_zero(graph: GraphProto, name: str) -> bool:
    """Whether a tensor is the first hint less itself."""
    made = producers(graph)
    difference = made.get(name)
    if difference is None or difference.op_type != "Sub":
        return False
    element, same = difference.input
    return element == same and made[element].op_type == "Slice" and made[element].input[0] == HINTS


def test_every_operation_of_the_language_is_emitted() -> None:
    program = every_operation()
    assert {node.op for node in program.nodes} == set(Op)
    found = {node.op_type for node in emitted(program).node}
    assert {"MatMul", "Sigmoid", "Tanh", "Exp", "ReduceSum", "BitShift", "Gather"} <= found
    # Nothing that ezkl rounds, decomposes or compares by itself.
    assert not found & {"Div", "Mod", "Floor", "Round", "Pow", "Greater", "Relu", "Abs", "Sqrt"}


def test_bytes_are_deterministic_and_depend_on_program_and_size() -> None:
    assert emit_onnx(every_operation(), DIGITS) == emit_onnx(every_operation(), DIGITS)
    assert emit_onnx(every_operation(), DIGITS) != emit_onnx(every_operation(last=4), DIGITS)
    assert emit_onnx(every_operation(), DIGITS) != emit_onnx(every_operation(), Digits(12))


def test_inputs_keep_their_order_and_hints_are_the_last() -> None:
    program = every_operation()
    graph = emitted(program)
    assert [i.name for i in graph.input] == ["context", "x", "hints"]
    assert [o.name for o in graph.output] == ["output"]
    sizes = [i.type.tensor_type.shape.dim[0].dim_value for i in [*graph.input, *graph.output]]
    hints = plan(program, DIGITS).size
    assert sizes == [1, 6, hints, program.nodes[program.output].size]
    types = {i.type.tensor_type.elem_type for i in [*graph.input, *graph.output]}
    assert types == {TensorProto.INT32}
    assert {i.data_type for i in graph.initializer} <= {TensorProto.INT32, TensorProto.INT64}


def test_the_context_enters_no_operation() -> None:
    assert "context" not in {
        name for node in emitted(every_operation()).node for name in node.input
    }


def test_no_constant_is_bare() -> None:
    """A factor that is a power of two would become a relabelling, one used twice be decomposed."""
    graph = emitted(every_operation())
    held, uses = constants(graph), Counter(n for node in graph.node for n in node.input)
    assert held
    for name in held:
        assert uses[name] == 1
    for node in graph.node:
        bare = [name for name in node.input if name in held]
        if not bare:
            continue
        assert bare == [node.input[1]]
        if node.op_type == "BitShift":
            continue
        assert node.op_type == "Add"
        assert is_zero(graph, node.input[0])


def test_a_constant_is_held_once_however_often_it_is_used() -> None:
    b = Builder()
    x, c = b.input("x", 2), b.constant(8)
    graph = emitted(b.finish(b.mul(b.mul(x, c), b.add(b.mul(x, x), c))))
    assert [value.tolist() for value in constants(graph).values()] == [[8]]


@pytest.mark.parametrize(
    "values",
    [
        (1,),
        ((1 << 24) - 1,),
        (-(1 << 24),),
        (1 << 30,),
        ((1 << 24) + 1,),
        (-(1 << 30) + 1,),
        ((1 << 40) + 12345,),
        (-(1 << 77) - 3,),
        (1 << 90, -5, (1 << 31) + 7),
    ],
)
def test_a_constant_keeps_its_value(values: tuple[int, ...]) -> None:
    """ezkl reads constants as float32: wide ones are sums of parts that float32 holds."""
    b = Builder()
    graph = emitted(b.finish(b.mul(b.input("x", 3), b.constant(*values, shape=(len(values),)))))
    (product,) = (n for n in graph.node if n.op_type == "Mul" and "x" in n.input)
    assert constant_value(graph, product.input[1]).tolist() == list(values)
    for part in constants(graph).values():
        assert part.astype(np.float32).astype(np.int64).tolist() == part.tolist()


def constant_value(graph: GraphProto, name: str) -> IntegerArray:
    """What a tensor made of constants alone is worth; labels must be 0."""
    if name in constants(graph):
        return constants(graph)[name].astype(object)
    if is_zero(graph, name):
        return np.zeros(1, dtype=object)
    node = producers(graph)[name]
    a, b = (constant_value(graph, i) for i in node.input)
    assert node.op_type in ("Add", "Mul")
    return a + b if node.op_type == "Add" else a * b


def test_a_rearrangement_takes_its_zeros_from_behind_the_last_element() -> None:
    b = Builder()
    graph = emitted(b.finish(b.take(b.input("x", 4), (3, -1, 0, -1, 3), (5,))))
    (gather,) = (node for node in graph.node if node.op_type == "Gather")
    flat = producers(graph)[gather.input[0]]
    assert flat.op_type == "Concat"
    assert is_zero(graph, flat.input[1])
    indices = {i.name: numpy_helper.to_array(i) for i in graph.initializer}[gather.input[1]]
    assert indices.tolist() == [3, 4, 0, 4, 3]


def test_a_rearrangement_without_zeros_adds_none() -> None:
    b = Builder()
    graph = emitted(b.finish(b.take(b.input("x", 4), (3, 0), (2,))))
    assert "Concat" not in {node.op_type for node in graph.node}


def test_the_zeros_have_the_label_of_what_they_stand_beside() -> None:
    """ezkl aligns labels only where it adds: a concatenation must have one."""
    b = Builder()
    shifted = b.shift_left(b.input("x", 2), 5)
    program = b.finish(b.take(shifted, (1, -1), (2,)))
    graph, labels = labelled(program)
    (concat,) = (node for node in graph.node if node.op_type == "Concat")
    assert {labels[name] for name in concat.input} == {-5}


def labelled(program: Program) -> tuple[GraphProto, dict[str, int]]:
    """The graph, and ezkl's label of every tensor."""
    graph = emitted(program)
    held = constants(graph)
    labels = dict.fromkeys([*held, *(i.name for i in graph.input)], 0)
    for node in graph.node:
        inputs = [labels[name] for name in node.input if name in labels]
        label = max(inputs)
        if node.op_type == "BitShift":
            right = node.attribute[0].s == b"RIGHT"
            label = inputs[0] + int(held[node.input[1]][0]) * (1 if right else -1)
        elif node.op_type in ("Mul", "MatMul"):
            label = sum(inputs)
        elif node.op_type == "Concat":
            assert len(set(inputs)) == 1
        labels[node.output[0]] = label
    return graph, labels


@pytest.mark.parametrize("logrows", [11, 15, 20])
def test_no_label_reaches_the_one_at_which_ezkl_rounds(logrows: int) -> None:
    program = every_operation()
    graph = emitted(program, Digits(logrows))
    assert graph.node
    _, labels = labelled(program)
    assert max(labels.values()) < REBASE_LABEL
    assert labels["output"] == 0


def test_everything_looked_up_reaches_the_output() -> None:
    """Otherwise ezkl would drop it as dead: each look-up table leads to the output."""
    graph = emitted(every_operation())
    alive, made = {"output"}, producers(graph)
    stack = ["output"]
    while stack:
        node = made.get(stack.pop())
        if node is None:
            continue
        new = set(node.input) - alive
        alive |= new
        stack.extend(new)
    assert {name for node in graph.node for name in node.output} <= alive


def test_what_is_too_wide_for_the_size_is_refused() -> None:
    b = Builder()
    program = b.finish(b.is_positive(b.input("x", 2), 28, "a gate"))
    with pytest.raises(ProverError, match="a gate is too wide"):
        emit_onnx(program, Digits(11))
    emit_onnx(program, Digits(15))
