"""Emit an integer program as the ONNX graph that ezkl compiles without rescaling anything itself.

The dialect, found by reading and measuring ezkl 23.0.5 (docs/provers.md):

- All tensors are int32, so ezkl gives inputs and constants the scale label 0 and adds no rounding.
  The type bounds nothing: witnesses are field elements.
- `BitShift` moves a tensor's *label* and costs nothing: the integers stay, their unit changes. ezkl
  multiplies by the difference where tensors of different labels meet.
- ezkl rounds only results with labels above `REBASE_LABEL`, which none has: every rounding is a
  gadget of ours (`gadgets`), checked with two tables. `Tanh` at a label so high that it is the
  identity checks a range; `Sigmoid` at label 0 is [x >= 0].
- What is only looked up, and used nowhere, is summed; the sum less itself is added to the output,
  so that no optimisation of the graph drops the look-ups.

A value carries (ONNX name, label, sign); true integers = sign * tensor * 2**-label. Labels are
never positive between operations; they let an exact left shift ride along for free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import HintPlan, exact_number, plan, wants
from zkdescent.circuits.program import DECOMPOSING, TABLES, Node, Op, Program

OPSET = 18
IR_VERSION = 9
HINTS = "hints"
REBASE_LABEL = 40
_IDENTITY_LABEL = 30  # tanh(x / 2**30) * 2**30 is x to the nearest integer for |x| < 2**20
_WIDEST_SHIFT = 60
_SHIFT_STEP = 30
_UNIT = 1 << 24  # integers up to it are exact in float32
_TABLES = {Op.SIGMOID: "Sigmoid", Op.TANH: "Tanh", Op.EXP: "Exp"}


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    label: int = 0
    sign: int = 1


class _Emitter:
    def __init__(self, program: Program, digits: Digits) -> None:
        self.program = program
        self.digits = digits
        self.hints: HintPlan = plan(program, digits)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: list[_Value] = []
        self.looked_up: list[str] = []  # flat tensors that must be in the table
        self.constants_held: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {}
        self.checked_digits = self.sign_digits = self.zero = ""

    def held(self, *values: int, shape: tuple[int, ...] = (1,)) -> str:
        """A constant as the sum of itself and a zero that no optimisation sees through.

        ezkl treats a bare constant by what it is: a factor that is a power of two becomes a
        relabelling, and one used twice is decomposed. A sum is a tensor like any other. ezkl reads
        constants as float32, so wide ones are put together from parts of 24 bits.
        """
        key = (values, shape)
        if key not in self.constants_held:
            exact = all(abs(v) < 1 << 31 and int(np.float32(v)) == v for v in values)
            low = values if exact else [v % _UNIT if v >= 0 else -(-v % _UNIT) for v in values]
            high = [(v - rest) // _UNIT for v, rest in zip(values, low, strict=True)]
            bare = self._initializer(np.array(low, dtype=np.int32).reshape(shape))
            name = self.emit("Add", self.zero, bare)
            if any(high):
                unit = self.held(_UNIT)
                name = self.emit("Add", self.emit("Mul", self.held(*high, shape=shape), unit), name)
            self.constants_held[key] = name
        return self.constants_held[key]

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
        amount = self._initializer(np.array([abs(by)], dtype=np.int32))
        return self.emit("BitShift", name, amount, direction="RIGHT" if by > 0 else "LEFT")

    def slice(self, name: str, start: int, stop: int) -> str:
        """Elements start..stop along the first axis."""
        return self.emit("Slice", name, self.geometry(start), self.geometry(stop), self.geometry(0))

    def reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        return self.emit("Reshape", name, self.geometry(*shape))

    def plain(self, value: _Value) -> str:
        """The tensor with label 0 and positive sign."""
        name, label = value.name, value.label
        while label != 0:
            bits = min(_SHIFT_STEP, -label)
            name = self.emit("Mul", self.relabelled(name, bits), self.held(1 << bits))
            label += bits
        if value.sign < 0:
            name = self.emit("Neg", name)
        return name

    # --- arithmetic on values ---------------------------------------------------------------

    def shifted(self, value: _Value, bits: int) -> _Value:
        """Times 2**bits; free until somebody needs label 0."""
        return _Value(self.relabelled(value.name, -bits), value.label - bits, value.sign)

    def plus(self, a: _Value, b: _Value, *, minus: bool = False) -> _Value:
        """Sum or difference; ezkl multiplies the operand with the lower label."""
        if minus:
            b = _Value(b.name, b.label, -b.sign)
        a, b = self.nearer(a, b.label), self.nearer(b, a.label)
        label = max(a.label, b.label)
        if a.sign == b.sign:
            return _Value(self.emit("Add", a.name, b.name), label, a.sign)
        if a.sign < 0:
            a, b = b, a
        return _Value(self.emit("Sub", a.name, b.name), label)

    def nearer(self, value: _Value, label: int) -> _Value:
        """Carry out a part of a shift that ezkl's 64-bit multiplier could not hold."""
        while value.label < label - _WIDEST_SHIFT:
            name = self.relabelled(value.name, _SHIFT_STEP)
            name = self.emit("Mul", name, self.held(1 << _SHIFT_STEP))
            value = _Value(name, value.label + _SHIFT_STEP, value.sign)
        return value

    def times(self, a: _Value, b: _Value) -> _Value:
        return _Value(self.emit("Mul", a.name, b.name), a.label + b.label, a.sign * b.sign)

    def literal(self, value: int) -> _Value:
        return _Value(self.held(value))

    def settled(self, value: _Value) -> _Value:
        return _Value(self.plain(value))

    # --- look-ups ---------------------------------------------------------------------------

    def in_table(self, name: str) -> str:
        """The same integers, each of them looked up."""
        high = self.relabelled(name, _IDENTITY_LABEL)
        return self.relabelled(self.emit("Tanh", high), -_IDENTITY_LABEL)

    def look_up(self, name: str) -> None:
        """Have a tensor looked up whose value nobody needs again."""
        self.looked_up.append(self.reshaped(name, (-1,)))

    def digit_tensors(self, index: int, node: Node) -> list[_Value]:
        start, want = self.hints.digits[index], wants(node, self.digits)
        return self._hint_tensors(self.checked_digits, start, want.digits, node)

    def sign_tensors(self, index: int, node: Node) -> list[_Value]:
        start, want = self.hints.signs[index], wants(node, self.digits)
        return self._hint_tensors(self.sign_digits, start, want.signs, node)

    def _hint_tensors(self, source: str, start: int, count: int, node: Node) -> list[_Value]:
        return [
            _Value(
                self.reshaped(
                    self.slice(source, start + i * node.size, start + (i + 1) * node.size),
                    node.shape,
                )
            )
            for i in range(count)
        ]

    def recombined(self, digits: list[_Value]) -> _Value:
        """Signed digits, the highest first."""
        total = digits[0]
        for digit in digits[1:]:
            total = self.plus(self.shifted(total, self.digits.bits), digit)
        return self.settled(total)

    # --- the program ------------------------------------------------------------------------

    def run(self) -> str:
        digits, signs = self.hints.digit_count, self.hints.sign_count
        element = self.slice(HINTS, 0, 1)
        self.zero = self.emit("Sub", element, element)
        if digits:
            self.checked_digits = self.in_table(self.slice(HINTS, 0, digits))
        if signs:
            self.sign_digits = self.slice(HINTS, digits, digits + signs)
        for index, node in enumerate(self.program.nodes):
            inputs = [self.values[i] for i in node.inputs]
            if node.op in DECOMPOSING:
                self.values.append(self.gadget(index, node, inputs))
            else:
                self.values.append(self.lower(node, inputs))
        return self.with_look_ups(self.plain(self.values[self.program.output]))

    def with_look_ups(self, output: str) -> str:
        if not self.looked_up:
            return output
        together = self.in_table(self.emit("Concat", *self.looked_up, axis=0))
        total = self.emit("ReduceSum", together, self.geometry(0), keepdims=1)
        return self.emit("Add", output, self.emit("Sub", total, total))

    def lower(self, node: Node, inputs: list[_Value]) -> _Value:
        match node.op:
            case Op.INPUT:
                return _Value(node.name)
            case Op.CONSTANT:
                return _Value(self.held(*node.attributes, shape=node.shape))
            case Op.SLICE:
                (x,) = inputs
                return _Value(self.slice(x.name, *node.attributes), x.label, x.sign)
            case Op.TAKE:
                return self.take(node, inputs[0])
            case Op.RESHAPE:
                (x,) = inputs
                return _Value(self.reshaped(x.name, node.shape), x.label, x.sign)
            case Op.TRANSPOSE:
                (x,) = inputs
                return _Value(self.emit("Transpose", x.name, perm=[1, 0]), x.label, x.sign)
            case Op.CONCAT:
                return _Value(self.emit("Concat", *(self.plain(x) for x in inputs), axis=0))
            case Op.ADD | Op.SUB:
                a, b = inputs
                return self.plus(a, b, minus=node.op is Op.SUB)
            case Op.NEG:
                (x,) = inputs
                return _Value(x.name, x.label, -x.sign)
            case Op.MUL:
                return self.times(*inputs)
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
                return self.shifted(x, node.attributes[0])
            case _:
                assert node.op in TABLES
                (bits,) = node.attributes
                lifted = self.relabelled(self.plain(inputs[0]), bits)
                return _Value(self.relabelled(self.emit(_TABLES[node.op], lifted), -bits))

    def take(self, node: Node, x: _Value) -> _Value:
        flat = self.reshaped(x.name, (-1,))
        if -1 in node.attributes:
            flat = self.emit("Concat", flat, self.relabelled(self.zero, x.label), axis=0)
        size = self.program.nodes[node.inputs[0]].size
        indices = self.geometry(*(size if i < 0 else i for i in node.attributes))
        taken = self.emit("Gather", flat, indices, axis=0)
        return _Value(self.reshaped(taken, node.shape), x.label, x.sign)

    # --- gadgets ----------------------------------------------------------------------------

    def gadget(self, index: int, node: Node, inputs: list[_Value]) -> _Value:
        match node.op:
            case Op.RESCALE:
                return self.rescale(index, node, inputs[0])
            case Op.RANGE_CHECK:
                return self.range_check(index, node, inputs[0])
            case Op.IS_POSITIVE:
                return self.is_positive(index, node, inputs[0])
            case Op.DIVIDE:
                return self.divide(index, node, *inputs)
            case _:
                return self.sqrt(index, node, inputs[0])

    def rescale(self, index: int, node: Node, x: _Value) -> _Value:
        """v = q 2^b + r: the digits of q and the upper ones of r are supplied."""
        bits, capacity = node.attributes
        number = self.digits.signed_number(capacity)
        supplied = self.digit_tensors(index, node)
        quotient = self.recombined(supplied[:number])
        total, weight = quotient, bits
        for digit in supplied[number:]:
            total = self.settled(self.plus(self.shifted(total, self.digits.bits), digit))
            weight -= self.digits.bits
        rest = self.plus(self.settled(x), self.shifted(total, weight), minus=True)
        if len(supplied) == number:
            # A single digit is aligned to the top of the table, so that r stays below 2^b.
            rest = self.shifted(rest, max(0, self.digits.bits - bits))
        self.look_up(self.plain(_Value(rest.name, rest.label)))  # the table serves either sign
        return quotient

    def range_check(self, index: int, node: Node, x: _Value) -> _Value:
        value = self.settled(x)
        supplied = self.digit_tensors(index, node)
        rest = value
        if supplied:
            upper = self.shifted(self.recombined(supplied), self.digits.bits)
            rest = self.plus(value, upper, minus=True)
        self.look_up(self.plain(rest))
        return value

    def is_positive(self, index: int, node: Node, x: _Value) -> _Value:
        """[x > 0] = [h >= 0] where x - 1 = h C + l, the exact digit l looked up."""
        value = self.settled(x)
        if exact_number(node, node.attributes[0], self.digits) == 1:
            below = self.plus(value, self.literal(1), minus=True)
            return _Value(self.emit("Sigmoid", self.plain(below)))
        (high,) = self.sign_tensors(index, node)
        lifted = self.plus(value, self.literal(self.digits.low - 1))
        multiple = self.times(high, self.literal(self.digits.count))
        self.look_up(self.plain(self.plus(lifted, multiple, minus=True)))
        return _Value(self.emit("Sigmoid", high.name))

    def not_negative(self, value: _Value, high: _Value | None) -> None:
        """value >= 0: its lower digit, and its upper one if there is one, are at least 0."""
        low, count = self.digits.low, self.digits.count
        if high is None:
            self.look_up(self.plain(self.plus(value, self.literal(low))))
            return
        # The supplied digit is h + low, so that the table's lower end is h = 0.
        lifted = self.plus(value, self.literal(low * (1 + count)))
        multiple = self.times(high, self.literal(count))
        self.look_up(self.plain(self.plus(lifted, multiple, minus=True)))

    def divide(self, index: int, node: Node, x: _Value, y: _Value) -> _Value:
        """q to the nearest: 0 <= 2 (x - q y) + y < 2 y."""
        capacity, _ = node.attributes
        number = self.digits.signed_number(capacity)
        supplied = self.digit_tensors(index, node)
        quotient = self.recombined(supplied[:number])
        highs = supplied[number:] or (None, None)
        x, y = self.settled(x), self.settled(y)
        rest = self.plus(x, self.times(quotient, y), minus=True)
        below = self.settled(self.plus(self.shifted(rest, 1), y))
        twice = self.settled(self.plus(self.shifted(y, 1), self.literal(1), minus=True))
        self.not_negative(below, highs[0])
        self.not_negative(self.settled(self.plus(twice, below, minus=True)), highs[1])
        return quotient

    def sqrt(self, index: int, node: Node, x: _Value) -> _Value:
        """s with s^2 <= x <= s^2 + 2 s."""
        (capacity,) = node.attributes
        number = self.digits.signed_number(capacity)
        supplied = self.digit_tensors(index, node)
        root = self.recombined(supplied[:number])
        highs = supplied[number:] or (None, None)
        below = self.settled(self.plus(self.settled(x), self.times(root, root), minus=True))
        self.not_negative(below, highs[0])
        above = self.plus(self.shifted(root, 1), below, minus=True)
        self.not_negative(self.settled(above), highs[1])
        return root


def emit_onnx(program: Program, digits: Digits) -> bytes:
    """Return the serialised ONNX graph of a program, deterministic.

    Inputs keep the program's names and order, all int32 and flat, and the hints follow; the output
    is called `output`. The graph is for ezkl only: `BitShift`, `Sigmoid` and `Tanh` on int32 are
    outside the ONNX standard.

    Raises:
        ProverError: something in the program is too wide for circuits of this size.
    """
    emitter = _Emitter(program, digits)
    last = emitter.run()
    size = program.nodes[program.output].size
    emitter.nodes.append(helper.make_node("Identity", [last], ["output"]))
    sizes = {name: program.nodes[index].size for name, index in program.inputs.items()}
    sizes[HINTS] = emitter.hints.size
    graph = helper.make_graph(
        emitter.nodes,
        "zkdescent",
        [helper.make_tensor_value_info(n, TensorProto.INT32, [s]) for n, s in sizes.items()],
        [helper.make_tensor_value_info("output", TensorProto.INT32, [size])],
        [numpy_helper.from_array(array, name) for name, array in emitter.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))
