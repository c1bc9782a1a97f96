"""The intermediate representation: a straight-line program over integer tensors.

A `Program` knows nothing of torch, ONNX or any prover. Front ends build it through `Builder`,
`executor.execute` runs it with exact integers, and each backend emits its circuit from it.
Scales are not stored: they are decided while lowering, and the program that results is plain
integer arithmetic in which every rounding is an explicit `RESCALE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

import numpy as np

Shape = tuple[int, ...]


class Op(StrEnum):
    """Operations on integer tensors. `amount`, `bounds`, `axes` are in `Node.attributes`."""

    INPUT = "input"
    CONSTANT = "constant"  # attributes: (value,) - one integer, broadcast
    SLICE = "slice"  # attributes: (start, stop) of a flat tensor
    RESHAPE = "reshape"
    TRANSPOSE = "transpose"  # swaps the two axes of a matrix
    CONCAT = "concat"  # flat tensors, end to end
    ADD = "add"  # broadcasting as in NumPy
    SUB = "sub"
    NEG = "neg"
    MUL = "mul"
    MATMUL = "matmul"
    SUM = "sum"  # attributes: axes; keeps them as 1
    SHIFT_LEFT = "shift_left"  # attributes: (bits,): times 2**bits, exact
    RESCALE = "rescale"  # attributes: (bits,): divided by 2**bits, half away from zero
    RELU = "relu"
    IS_POSITIVE = "is_positive"  # 1 where > 0, else 0
    CLAMP = "clamp"  # attributes: (bound,): to [-bound, bound]
    SIGMOID = "sigmoid"  # attributes: (bits,)
    ABS = "abs"
    RANGE_CHECK = "range_check"  # the value itself, bounded by a decomposition


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; `name` says in the user's terms what the value is, for errors and tables."""

    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    attributes: tuple[int, ...] = ()
    name: str = field(default="", compare=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Program:
    """Nodes in topological order, named inputs (all flat) and one flat output.

    Attributes:
        inputs: name -> node index, in the order in which the circuit commits to them.
        output: node index.
    """

    nodes: tuple[Node, ...]
    inputs: dict[str, int]
    output: int

    def count(self, op: Op) -> int:
        """Number of tensor elements on which `op` acts (what circuits pay for)."""
        return sum(node.size for node in self.nodes if node.op is op)


class Builder:
    """Appends nodes, shares equal ones, and drops what no output needs.

    Example:
        >>> b = Builder()
        >>> x = b.input("x", 4)
        >>> program = b.finish(b.add(x, b.constant(1)))
        >>> [node.op.value for node in program.nodes]
        ['input', 'constant', 'add']
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._index: dict[Node, int] = {}
        self._inputs: dict[str, int] = {}

    def shape(self, node: int) -> Shape:
        """Shape of a node's value."""
        return self._nodes[node].shape

    def node(self, node: int) -> Node:
        """The node itself."""
        return self._nodes[node]

    def __len__(self) -> int:
        return len(self._nodes)

    def _append(
        self,
        op: Op,
        inputs: Sequence[int],
        shape: Shape,
        attributes: Sequence[int] = (),
        name: str = "",
    ) -> int:
        node = Node(op, tuple(inputs), shape, tuple(attributes), name)
        if op is not Op.INPUT and node in self._index:
            return self._index[node]
        self._nodes.append(node)
        self._index[node] = len(self._nodes) - 1
        return len(self._nodes) - 1

    def input(self, name: str, size: int) -> int:
        """Declare a flat input of `size` elements."""
        self._inputs[name] = self._append(Op.INPUT, (), (size,), (len(self._inputs),), name)
        return self._inputs[name]

    def constant(self, value: int) -> int:
        """One integer that broadcasts."""
        return self._append(Op.CONSTANT, (), (1,), (value,))

    def slice(self, x: int, start: int, stop: int, name: str = "") -> int:
        """Elements start..stop of a flat tensor."""
        if (start, stop) == (0, self._nodes[x].size):
            return x
        if not 0 <= start < stop <= self._nodes[x].size:
            raise ValueError(f"slice {start}:{stop} of {self._nodes[x].size} elements")
        return self._append(Op.SLICE, (x,), (stop - start,), (start, stop), name)

    def reshape(self, x: int, shape: Shape) -> int:
        """Same elements in row-major order under another shape."""
        if shape == self._nodes[x].shape:
            return x
        node = self._nodes[x]
        if prod(shape) != node.size:
            raise ValueError(f"{node.size} elements do not have the shape {shape}")
        if node.op is Op.RESHAPE:
            return self.reshape(node.inputs[0], shape)
        return self._append(Op.RESHAPE, (x,), shape, (), node.name)

    def transpose(self, x: int) -> int:
        """Transpose a matrix."""
        node = self._nodes[x]
        if node.op is Op.TRANSPOSE:
            return node.inputs[0]
        rows, columns = node.shape
        return self._append(Op.TRANSPOSE, (x,), (columns, rows), (), node.name)

    def concat(self, parts: Sequence[int]) -> int:
        """Flat tensors end to end."""
        if len(parts) == 1:
            return parts[0]
        return self._append(Op.CONCAT, parts, (sum(self._nodes[p].size for p in parts),))

    def _broadcast(self, op: Op, a: int, b: int, name: str) -> int:
        shape = tuple(np.broadcast_shapes(self._nodes[a].shape, self._nodes[b].shape))
        return self._append(op, (a, b), shape, (), name)

    def add(self, a: int, b: int, name: str = "") -> int:
        """Elementwise sum."""
        return self._broadcast(Op.ADD, a, b, name)

    def sub(self, a: int, b: int, name: str = "") -> int:
        """Elementwise difference."""
        return self._broadcast(Op.SUB, a, b, name)

    def mul(self, a: int, b: int, name: str = "") -> int:
        """Elementwise product."""
        return self._broadcast(Op.MUL, a, b, name)

    def neg(self, x: int) -> int:
        """Elementwise negation."""
        node = self._nodes[x]
        return self._append(Op.NEG, (x,), node.shape, (), node.name)

    def matmul(self, a: int, b: int, name: str = "") -> int:
        """Product of an (n, k) and a (k, m) matrix."""
        (n, k), (inner, m) = self._nodes[a].shape, self._nodes[b].shape
        if k != inner:
            raise ValueError(f"inner sizes {k} and {inner} of a matrix product differ")
        return self._append(Op.MATMUL, (a, b), (n, m), (), name)

    def sum(self, x: int, axes: Sequence[int], name: str = "") -> int:
        """Sum over axes, which stay with length 1."""
        shape = tuple(1 if i in axes else n for i, n in enumerate(self._nodes[x].shape))
        return self._append(Op.SUM, (x,), shape, tuple(axes), name)

    def shift_left(self, x: int, bits: int) -> int:
        """Multiply by 2**bits."""
        if bits == 0:
            return x
        return self._append(Op.SHIFT_LEFT, (x,), self._nodes[x].shape, (bits,), self._nodes[x].name)

    def rescale(self, x: int, bits: int, name: str = "") -> int:
        """Divide by 2**bits, rounding half away from zero."""
        if bits == 0:
            return x
        node = self._nodes[x]
        return self._append(Op.RESCALE, (x,), node.shape, (bits,), name or node.name)

    def unary(self, op: Op, x: int, attributes: Sequence[int] = (), name: str = "") -> int:
        """RELU, IS_POSITIVE, CLAMP, SIGMOID, ABS or RANGE_CHECK."""
        node = self._nodes[x]
        return self._append(op, (x,), node.shape, attributes, name or node.name)

    def finish(self, output: int) -> Program:
        """Return the program that computes `output`, without dead nodes; all inputs stay."""
        needed = set(self._inputs.values())
        stack = [output]
        while stack:
            index = stack.pop()
            if index not in needed or self._nodes[index].op is not Op.INPUT:
                needed.add(index)
            stack.extend(i for i in self._nodes[index].inputs if i not in needed)
        order = sorted(needed)
        position = {old: new for new, old in enumerate(order)}
        nodes = tuple(
            Node(n.op, tuple(position[i] for i in n.inputs), n.shape, n.attributes, n.name)
            for n in (self._nodes[i] for i in order)
        )
        return Program(
            nodes, {name: position[i] for name, i in self._inputs.items()}, position[output]
        )
