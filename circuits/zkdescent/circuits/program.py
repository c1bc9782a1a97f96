"""The intermediate representation: a straight-line program over integer tensors.

A `Program` knows nothing of torch, ONNX or any prover. Front ends build it through `Builder`,
`executor.execute` runs it with exact integers, and each backend emits its circuit from it.
Scales are not stored: they are decided while lowering, and the program that results is plain
integer arithmetic in which every rounding is an explicit `RESCALE`, `DIVIDE` or `SQRT`.

Operations that no polynomial computes carry a *capacity*: the number of bits below which the
magnitude of what they decompose must stay. A circuit spends digits in proportion to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

import numpy as np

Shape = tuple[int, ...]


class Op(StrEnum):
    """Operations on integer tensors; their parameters are in `Node.attributes`, in this order."""

    INPUT = "input"  # position, capacity: -2**capacity <= x < 2**capacity is declared; 0: nothing
    CONSTANT = "constant"  # the elements, row by row
    SLICE = "slice"  # start, stop of a flat tensor
    TAKE = "take"  # for each element of the result its flat index in the argument; -1 is zero
    RESHAPE = "reshape"
    TRANSPOSE = "transpose"  # swaps the two axes of a matrix
    CONCAT = "concat"  # flat tensors, end to end
    ADD = "add"  # broadcasting as in NumPy
    SUB = "sub"
    NEG = "neg"
    MUL = "mul"
    MATMUL = "matmul"
    SUM = "sum"  # axes; keeps them as 1
    SHIFT_LEFT = "shift_left"  # bits: times 2**bits, exact
    RESCALE = "rescale"  # bits, capacity: floor(x / 2**bits + 1/2)
    DIVIDE = "divide"  # capacity, capacity of the divisor: floor(x / y + 1/2), y > 0
    SQRT = "sqrt"  # capacity: floor(sqrt(x)), x >= 0
    IS_POSITIVE = "is_positive"  # capacity of the argument: 1 where x > 0, else 0
    RANGE_CHECK = "range_check"  # capacity: the value itself
    SIGMOID = "sigmoid"  # bits: a table, arguments and results in units of 2**-bits
    TANH = "tanh"
    EXP = "exp"


TABLES = frozenset({Op.SIGMOID, Op.TANH, Op.EXP})
"""Functions that circuits look up."""

DECOMPOSING = frozenset({Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.IS_POSITIVE, Op.RANGE_CHECK})
"""Operations whose result the prover supplies and the circuit checks."""


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

    @property
    def label(self) -> str:
        """Name for messages: the user's if there is one."""
        return self.name or self.op.value


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

    def input(self, name: str, size: int, capacity: int = 0) -> int:
        """Declare a flat input of `size` elements, bounded by a capacity or (0) by nothing."""
        attributes = (len(self._inputs), capacity)
        self._inputs[name] = self._append(Op.INPUT, (), (size,), attributes, name)
        return self._inputs[name]

    def constant(self, *values: int, shape: Shape = (1,)) -> int:
        """A tensor known at compile time; by default one integer that broadcasts."""
        if len(values) != prod(shape):
            raise ValueError(f"{len(values)} elements do not have the shape {shape}")
        return self._append(Op.CONSTANT, (), shape, values)

    def slice(self, x: int, start: int, stop: int, name: str = "") -> int:
        """Elements start..stop of a flat tensor."""
        if (start, stop) == (0, self._nodes[x].size):
            return x
        if not 0 <= start < stop <= self._nodes[x].size:
            raise ValueError(f"slice {start}:{stop} of {self._nodes[x].size} elements")
        return self._append(Op.SLICE, (x,), (stop - start,), (start, stop), name)

    def take(self, x: int, indices: Sequence[int], shape: Shape, name: str = "") -> int:
        """Rearrange: element i of the result is element indices[i] of `x`, or zero for -1.

        Covers permutations, windows of convolutions, broadcasting, padding and cropping; it moves
        values and costs no arithmetic. `x` may have any shape, indices count its elements row by
        row.
        """
        size = self._nodes[x].size
        if len(indices) != prod(shape):
            raise ValueError(f"{len(indices)} indices do not have the shape {shape}")
        if indices and not (min(indices) >= -1 and max(indices) < size):
            raise ValueError(f"an index is outside the {size} elements")
        if list(indices) == list(range(size)):
            return self.reshape(x, shape)
        while self._nodes[x].op is Op.RESHAPE:
            (x,) = self._nodes[x].inputs
        node = self._nodes[x]
        if node.op is Op.TAKE:  # a rearrangement of a rearrangement is one
            composed = [-1 if i < 0 else node.attributes[i] for i in indices]
            return self.take(node.inputs[0], composed, shape, name or node.name)
        return self._append(Op.TAKE, (x,), shape, indices, name or node.name)

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

    def _broadcast(self, op: Op, a: int, b: int, attributes: Sequence[int], name: str) -> int:
        shape = tuple(np.broadcast_shapes(self._nodes[a].shape, self._nodes[b].shape))
        return self._append(op, (a, b), shape, attributes, name)

    def add(self, a: int, b: int, name: str = "") -> int:
        """Elementwise sum."""
        return self._broadcast(Op.ADD, a, b, (), name)

    def sub(self, a: int, b: int, name: str = "") -> int:
        """Elementwise difference."""
        return self._broadcast(Op.SUB, a, b, (), name)

    def mul(self, a: int, b: int, name: str = "") -> int:
        """Elementwise product."""
        return self._broadcast(Op.MUL, a, b, (), name)

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
        if shape == self._nodes[x].shape:
            return x
        return self._append(Op.SUM, (x,), shape, tuple(axes), name)

    def shift_left(self, x: int, bits: int) -> int:
        """Multiply by 2**bits."""
        if bits == 0:
            return x
        return self._append(Op.SHIFT_LEFT, (x,), self._nodes[x].shape, (bits,), self._nodes[x].name)

    def rescale(self, x: int, bits: int, capacity: int, name: str = "") -> int:
        """Divide by 2**bits, to the nearest integer, a half upwards."""
        if bits == 0:
            return x
        return self._unary(Op.RESCALE, x, (bits, capacity), name)

    def divide(self, x: int, y: int, capacity: int, divisor: int, name: str = "") -> int:
        """Quotient to the nearest integer, a half upwards, broadcasting; `y` must be positive.

        Args:
            capacity: bits of the quotient.
            divisor: bits of `y`.
        """
        return self._broadcast(Op.DIVIDE, x, y, (capacity, divisor), name)

    def sqrt(self, x: int, capacity: int, name: str = "") -> int:
        """Integer square root; `capacity` counts the root's bits."""
        return self._unary(Op.SQRT, x, (capacity,), name)

    def is_positive(self, x: int, capacity: int, name: str = "") -> int:
        """1 where x > 0, else 0; `capacity` counts the argument's bits."""
        return self._unary(Op.IS_POSITIVE, x, (capacity,), name)

    def range_check(self, x: int, capacity: int, name: str = "") -> int:
        """The value itself, proven to be below about 2**capacity in magnitude."""
        return self._unary(Op.RANGE_CHECK, x, (capacity,), name)

    def table(self, op: Op, x: int, bits: int, name: str = "") -> int:
        """SIGMOID, TANH or EXP of arguments in units of 2**-bits."""
        if op not in TABLES:
            raise ValueError(f"{op} is not a table")
        return self._unary(op, x, (bits,), name)

    def _unary(self, op: Op, x: int, attributes: Sequence[int], name: str) -> int:
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
