"""Emit an integer program as the ONNX graph that ezkl compiles without rescaling anything itself.

The dialect, found by reading and measuring ezkl 23.0.5 (docs/provers.md):

- All tensors are int32, so ezkl gives inputs and constants the scale label 0 and adds no rounding.
  The type bounds nothing: witnesses are field elements. (int64 would do, but for comparisons: tract
  reads a cast to int64 as a cast to a dimension.)
- `BitShift` moves a tensor's *label* and costs nothing: the integers stay, their unit changes.
- ezkl divides a result back only when its label exceeds `rebase` = max(input_scale, param_scale),
  and never for a bare relabelling. A rounding is therefore: relabel up by rebase + bits, an
  operation (here a negation), which ezkl divides by 2**bits, relabel down by rebase.
- The logistic table acts at the label of its argument, `sigmoid_bits`, which is what `rebase` is.

A value carries (ONNX name, label, sign); true integers = sign * tensor * 2**-label. Labels are
never positive between operations; they let an exact left shift ride along for free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Node, Op, Program

OPSET = 18
IR_VERSION = 9


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    label: int = 0
    sign: int = 1


class _Emitter:
    def __init__(self, program: Program, fixed: FixedPoint) -> None:
        self.program = program
        self.rebase = fixed.sigmoid_bits
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: list[_Value] = []

    def constant(self, value: int) -> str:
        # A name each: ezkl adapts the label of a constant only if it is used once.
        return self._initializer(np.array([value], dtype=np.int32))

    def geometry(self, *values: int) -> str:
        """A shape, an axis or a bound of a slice."""
        return self._initializer(np.array(values, dtype=np.int64))

    def _initializer(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def emit(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def relabelled(self, name: str, by: int) -> str:
        """Raise (or lower) the label; free."""
        if by == 0:
            return name
        direction = "RIGHT" if by > 0 else "LEFT"
        return self.emit("BitShift", name, self.constant(abs(by)), direction=direction)

    def slice(self, name: str, start: int, stop: int) -> str:
        """Elements start..stop along the first axis."""
        return self.emit("Slice", name, self.geometry(start), self.geometry(stop), self.geometry(0))

    def plain(self, value: _Value) -> str:
        """The tensor with label 0 and positive sign."""
        name = value.name
        if value.label != 0:
            # Adding to a label-0 zero makes ezkl multiply by 2**-label. The zero is a difference
            # of the tensor's own first element with itself: a literal 0 would be folded away.
            flat = self.emit("Reshape", self.relabelled(name, -value.label), self.geometry(-1))
            first = self.slice(flat, 0, 1)
            zero = self.emit("Sub", first, first)
            name = self.emit("Add", name, zero)
        if value.sign < 0:
            name = self.emit("Neg", name)
        return name

    def run(self) -> str:
        for node in self.program.nodes:
            self.values.append(self.lower(node, [self.values[i] for i in node.inputs]))
        return self.plain(self.values[self.program.output])

    def lower(self, node: Node, inputs: list[_Value]) -> _Value:
        match node.op:
            case Op.INPUT:
                return _Value(node.name)
            case Op.CONSTANT:
                return _Value("")  # emitted where it is used
            case Op.SLICE:
                (x,) = inputs
                return _Value(self.slice(x.name, *node.attributes), x.label, x.sign)
            case Op.RESHAPE:
                (x,) = inputs
                name = self.emit("Reshape", x.name, self.geometry(*node.shape))
                return _Value(name, x.label, x.sign)
            case Op.TRANSPOSE:
                (x,) = inputs
                return _Value(self.emit("Transpose", x.name, perm=[1, 0]), x.label, x.sign)
            case Op.CONCAT:
                return _Value(self.emit("Concat", *(self.plain(x) for x in inputs), axis=0))
            case Op.ADD | Op.SUB:
                return self.sum_of_two(node, inputs)
            case Op.NEG:
                (x,) = inputs
                return _Value(x.name, x.label, -x.sign)
            case Op.MUL:
                return self.product(node, inputs)
            case Op.MATMUL:
                a, b = inputs
                name = self.emit("MatMul", a.name, b.name)
                return _Value(name, a.label + b.label, a.sign * b.sign)
            case Op.SUM:
                (x,) = inputs
                axes = self.geometry(*node.attributes)
                name = self.emit("ReduceSum", x.name, axes, keepdims=1)
                return _Value(name, x.label, x.sign)
            case Op.SHIFT_LEFT:
                (x,) = inputs
                return _Value(
                    self.relabelled(x.name, -node.attributes[0]),
                    x.label - node.attributes[0],
                    x.sign,
                )
            case Op.RESCALE:
                return self.rescale(node, inputs[0])
            case Op.RELU:
                return _Value(self.emit("Relu", self.plain(inputs[0])))
            case Op.IS_POSITIVE:
                flag = self.emit("Greater", self.plain(inputs[0]), self.constant(0))
                return _Value(self.emit("Cast", flag, to=TensorProto.INT32))
            case Op.CLAMP:
                return self.clamp(node, inputs[0])
            case Op.SIGMOID:
                bits = node.attributes[0]
                lifted = self.relabelled(self.plain(inputs[0]), bits)
                return _Value(self.relabelled(self.emit("Sigmoid", lifted), -bits))
            case Op.ABS:
                return _Value(self.emit("Abs", self.plain(inputs[0])))
            case Op.RANGE_CHECK:
                # relu decomposes its argument; x = relu(x) - relu(-x).
                plain = self.plain(inputs[0])
                negative = self.emit("Relu", self.emit("Neg", plain))
                return _Value(self.emit("Sub", self.emit("Relu", plain), negative))

    def operand(self, index: int, value: _Value) -> _Value:
        """A program constant becomes an ONNX constant where it is used."""
        node = self.program.nodes[index]
        if node.op is not Op.CONSTANT:
            return value
        literal = node.attributes[0]
        return _Value(self.constant(abs(literal)), 0, -1 if literal < 0 else 1)

    def sum_of_two(self, node: Node, inputs: list[_Value]) -> _Value:
        a, b = (self.operand(i, v) for i, v in zip(node.inputs, inputs, strict=True))
        if node.op is Op.SUB:
            b = _Value(b.name, b.label, -b.sign)
        label = max(a.label, b.label)  # ezkl multiplies the operand with the lower label
        if a.sign == b.sign:
            return _Value(self.emit("Add", a.name, b.name), label, a.sign)
        if a.sign < 0:
            a, b = b, a
        return _Value(self.emit("Sub", a.name, b.name), label)

    def product(self, node: Node, inputs: list[_Value]) -> _Value:
        a, b = (self.operand(i, v) for i, v in zip(node.inputs, inputs, strict=True))
        name = self.emit("Mul", a.name, b.name)
        return _Value(name, a.label + b.label, a.sign * b.sign)

    def rescale(self, node: Node, x: _Value) -> _Value:
        bits = node.attributes[0]
        if bits + x.label <= 0:
            # A left shift that was never carried out could cancel the division, and with it the
            # decomposition that bounds the result (bounds.py counts on it): carry it out first.
            x = _Value(self.plain(x))
        lifted = self.relabelled(x.name, self.rebase + bits)
        divided = self.emit("Neg", lifted)  # label rebase + bits + x.label > rebase: ezkl divides
        return _Value(self.relabelled(divided, -self.rebase), 0, -x.sign)

    def clamp(self, node: Node, value: _Value) -> _Value:
        """clamp(z) = relu(z + b) - relu(z - b) - b."""
        (bound,) = node.attributes
        x = self.plain(value)
        above = self.emit("Relu", self.emit("Add", x, self.constant(bound)))
        beyond = self.emit("Relu", self.emit("Sub", x, self.constant(bound)))
        inside = self.emit("Sub", above, beyond)
        return _Value(self.emit("Sub", inside, self.constant(bound)))


def emit_onnx(program: Program, fixed: FixedPoint) -> bytes:
    """Return the serialised ONNX graph of a program, deterministic.

    Inputs keep the program's names and order, all int32 and flat; the output is called `output`.
    The graph is for ezkl only: `BitShift` and `Sigmoid` on int32 are outside the ONNX standard.
    """
    emitter = _Emitter(program, fixed)
    last = emitter.run()
    size = program.nodes[program.output].size
    emitter.nodes.append(helper.make_node("Identity", [last], ["output"]))
    graph = helper.make_graph(
        emitter.nodes,
        "zkdescent",
        [
            helper.make_tensor_value_info(name, TensorProto.INT32, list(program.nodes[index].shape))
            for name, index in program.inputs.items()
        ],
        [helper.make_tensor_value_info("output", TensorProto.INT32, [size])],
        [numpy_helper.from_array(array, name) for name, array in emitter.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))
