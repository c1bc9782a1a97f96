"""Gates of a program, without emitting it: the walk's decisions, a node at a time.

Exact but for elements of one node that differ in form; tests compare it with the emission, and the
emission with bb's own count.
"""

from __future__ import annotations

from zkdescent.circuits.barretenberg.commitment import layouts, values_per_element
from zkdescent.circuits.barretenberg.expression import gates, limb_widths, list_gates, range_gates
from zkdescent.circuits.barretenberg.freivalds import WORTH_SHARING
from zkdescent.circuits.barretenberg.pins import (
    Pin,
    Token,
    check_shape,
    deciding,
    pinned_products,
)
from zkdescent.circuits.barretenberg.poseidon2 import RATE
from zkdescent.circuits.barretenberg.system import ENTRY_GATES, PERMUTATION_GATES, READ_GATES
from zkdescent.circuits.barretenberg.tables import intervals
from zkdescent.circuits.barretenberg.uses import own_mask, repeated, uses_of
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.inputs import CONTEXT, STATE
from zkdescent.circuits.program import TABLES, Node, Op, Program

LARGEST = 22
"""log2 of the most rows that are offered."""

FIXED_GATES = 64
"""What bb adds to every circuit; measured, at most."""

_DIGESTS = 3  # of state, batch and new state, in the challenge's hash


def hash_gates(values: int, bits: int) -> int:
    """Packing so many values of so many bits, and hashing them after a salt."""
    elements, packing = _packed(values, bits)
    return packing + _sponge(1 + elements)


def _packed(values: int, bits: int) -> tuple[int, int]:
    """Field elements, and gates to add them to a state."""
    per = values_per_element(bits)
    elements = -(-values // per)
    return elements, elements * gates(0, min(per, values) + 2)


def _sponge(elements: int) -> int:
    return -(-elements // RATE) * PERMUTATION_GATES


def estimate(
    program: Program, fixed: FixedPoint | None = None, *, freivalds: bool | None = None
) -> float:
    """Gates of a program's circuit with its commitments.

    Args:
        freivalds: whether products of matrices are checked with a challenge where it seems worth
            it; None: whichever takes fewer gates.
    """
    if freivalds is None:
        return min(estimate(program, fixed, freivalds=choice) for choice in (True, False))
    return _Estimate(program, fixed or FixedPoint(), freivalds=freivalds).total()


class _Estimate:
    def __init__(self, program: Program, fixed: FixedPoint, *, freivalds: bool) -> None:
        self.program = program
        self.fixed = fixed
        self.uses = uses_of(program)
        self.pins = pinned_products(program) if freivalds else {}
        self.gates = 0.0
        self.forms: list[tuple[int, int]] = []
        self.bits: dict[Token, tuple[tuple[int, int], ...]] = {}
        self.tables: set[tuple[Op, int]] = set()
        self.widths: set[int] = set()
        self.settled: dict[int, tuple[int, int]] = {}

    def total(self) -> float:
        nodes = self.program.nodes
        for index, node in enumerate(nodes):
            self.forms.append(self._node(index, node))
        output = nodes[self.program.output]
        if "batch" in self.program.inputs:
            state = nodes[self.program.inputs[STATE]].attributes[1]
            self.gates += hash_gates(output.size, state + 1)
        else:
            self.gates += output.size
        if self.pins:
            self._challenge()
        return self.gates + sum(map(list_gates, self.widths)) + FIXED_GATES

    def _challenge(self) -> None:
        nodes = self.program.nodes
        roots = tuple(i for p in self.pins for i in (p, *nodes[p].inputs))
        hashed = {(i, False) for i in repeated(self.program, self.program.output)}
        sizes: dict[int, int] = {}
        for token in deciding(self.program, self.pins, roots) - hashed:
            for size, bits in self.bits.get(token, ()):
                sizes[bits] = sizes.get(bits, 0) + size
        words = layouts(sizes)
        self.gates += sum(count * gates(0, len(layout) + 2) for layout, count in words)
        self.gates += _sponge(_DIGESTS + sum(count for _, count in words))
        groups = []
        for p, pin in self.pins.items():
            _, _, columns = check_shape(self.program, p, pin)
            groups.append(-(-columns // pin.columns(columns)))
        self.gates += max(groups) - 1
        for index, pin in self.pins.items():
            self._check(index, pin)

    def _check(self, index: int, pin: Pin) -> None:
        """The products with the challenge's powers, and packing for them."""
        nodes = self.program.nodes
        rows, inner, columns = check_shape(self.program, index, pin)
        per = pin.columns(columns)
        products, linear = self.settled[pin.rounding] if pin.alone else (0, 1)
        kinds = [(inner, 0, 1), (rows, products, linear)]
        biases = sum(nodes[i].size == nodes[index].shape[1] for i in pin.others)
        if pin.alone and biases and not pin.turned and rows >= WORTH_SHARING:
            kinds = [(inner, 0, 1), (rows, products, linear - biases), (1, 0, biases)]
        for lines, p, n in kinds:
            whole, rest = divmod(columns, per)
            for groups, size in ((whole, per), (1, rest)):
                if size:
                    is_atom = size * n == 1 and not p
                    packing = 0 if is_atom else gates(size * p, size * n + 1)
                    self.gates += lines * groups * (packing + 1)
        self.gates += rows * inner

    def _define(self, index: int) -> None:
        products, linear = self.forms[index]
        self.gates += self.program.nodes[index].size * gates(products, linear + 1)
        self.forms[index] = (0, 1)

    def _fetch(self, index: int) -> tuple[int, int]:
        products, linear = self.forms[index]
        if self.uses[index] > 1 and (products or linear > 3):
            self._define(index)
        return self.forms[index]

    def _atoms(self, index: int) -> None:
        products, linear = self.forms[index]
        if products or linear > 1:
            self._define(index)

    def _naturals(self, size: int, *bits: int) -> None:
        self.gates += size * sum(range_gates(b) for b in bits)
        self.widths = self.widths.union(*(limb_widths(b) for b in bits))

    def _node(self, index: int, node: Node) -> tuple[int, int]:
        match node.op:
            case Op.CONSTANT:
                return (0, 0)
            case Op.INPUT:
                capacity = node.attributes[1]
                if node.name != CONTEXT and capacity:
                    self._naturals(node.size, capacity + 1)
                    self.gates += hash_gates(node.size, capacity + 1)
                return (0, 0) if node.name == CONTEXT else (0, 1)
            case Op.SLICE | Op.TAKE | Op.RESHAPE | Op.TRANSPOSE | Op.NEG | Op.SHIFT_LEFT:
                return self._fetch(node.inputs[0])
            case Op.CONCAT:
                forms = [self._fetch(i) for i in node.inputs]
                return max(p for p, _ in forms), max(n for _, n in forms)
            case Op.ADD if node.inputs[0] == node.inputs[1]:
                return self._fetch(node.inputs[0])
            case Op.MUL if own_mask(self.program, index) is not None:
                return (1, 1)
            case Op.ADD | Op.SUB:
                (a, b), (c, d) = (self._fetch(i) for i in node.inputs)
                return a + c, b + d
            case Op.SUM:
                a, b = self._fetch(node.inputs[0])
                count = self.program.nodes[node.inputs[0]].size // node.size
                return count * a, count * b
            case Op.MUL | Op.MATMUL:
                return self._product(index, node)
            case _:
                return self._hinted(index, node)

    def _product(self, index: int, node: Node) -> tuple[int, int]:
        left, right = node.inputs
        matrix = node.op is Op.MATMUL
        inner = self.program.nodes[left].shape[1] if matrix else 1
        for a, b in ((left, right), (right, left)):
            if self.forms[a] == (0, 0):
                products, linear = self._fetch(b)
                return inner * products, inner * linear
        self._atoms(left)
        self._atoms(right)
        if index in self.pins:
            return (0, 1)
        return (inner, 2 if inner > 1 else 1)

    def _hinted(self, index: int, node: Node) -> tuple[int, int]:
        size = node.size
        products, linear = self._fetch(node.inputs[0])
        match node.op:
            case Op.RESCALE:
                bits, capacity = node.attributes
                self.gates += self._tied(index) * gates(products, linear + 2)
                self._hints(index, size, (capacity + 1,), (bits,))
            case Op.RANGE_CHECK:
                self.gates += size * gates(products, linear + 1)
                self._hints(index, size, (node.attributes[0] + 1,), ())
            case Op.IS_POSITIVE:
                self.gates += self._tied(index) * gates(products, linear + 2)
                self._hints(index, size, (1,), (node.attributes[0],))
            case Op.DIVIDE:
                capacity, divisor = node.attributes
                bottom = node.inputs[1]
                self._atoms(bottom)
                divisors = self.program.nodes[bottom].size
                self.gates += divisors
                self._naturals(divisors, divisor)
                self.gates += size * (gates(products + 1, linear + 2) + 1)
                self._hints(index, size, (capacity + 1,), (divisor + 1, divisor + 1))
            case Op.SQRT:
                (capacity,) = node.attributes
                self.gates += size * (gates(products + 1, linear + 1) + 1)
                self._hints(index, size, (capacity,), (capacity + 1, capacity + 1))
            case _:
                assert node.op in TABLES
                self._table(index, node, products, linear)
        return (0, 1)

    def _tied(self, index: int) -> int:
        """Elements of a rounding that take an equation; it settles those of products alone."""
        nodes = self.program.nodes
        products, linear = self.forms[nodes[index].inputs[0]]
        self.settled[index] = products, linear + 1  # two hints for the stand-in
        settled = sum(
            nodes[p].size for p, pin in self.pins.items() if pin.alone and pin.rounding == index
        )
        return nodes[index].size - settled

    def _hints(
        self, index: int, size: int, result: tuple[int, ...], checks: tuple[int, ...]
    ) -> None:
        self._naturals(size, *result, *checks)
        self.bits[index, False] = tuple((size, bits) for bits in result)
        self.bits[index, True] = tuple((size, bits) for bits in checks)

    def _table(self, index: int, node: Node, products: int, linear: int) -> None:
        table = intervals(node.op, node.attributes[0], self.fixed.table_limit)
        if (node.op, node.attributes[0]) not in self.tables:
            self.tables.add((node.op, node.attributes[0]))
            self.gates += (1 + ENTRY_GATES) * len(table.entries)
        self.gates += node.size * (READ_GATES + gates(products, linear + 3))
        self._hints(index, node.size, (table.bits,), (table.bits,))
        if not table.steps_by_one:
            self._naturals(node.size, table.value_bits, table.bits)
            self.gates += node.size
