"""From an integer program to a constraint system: one method for each kind of operation.

| operation | hints of the prover, range-checked | equation |
|---|---|---|
| RESCALE | q, r | x + 2^(b-1) = q 2^b + r |
| RANGE_CHECK | v | |
| IS_POSITIVE | bit p, t | x - 1 = p 2^c + t - 2^c |
| DIVIDE | q, r, y - 1, 2 y - 1 - r | 2 x + y = 2 y q + r |
| SQRT | s, d, 2 s - d | x = s^2 + d |
| tables | index, distances to both ends of its interval | see `tables` |

Every result is unique: remainders are below divisors, and nothing wraps (`bounds`).
Sums, differences and products with constants are expressions that cost nothing until they are used.
Products of matrices are written out, or checked by Freivalds' method where that is cheaper.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zkdescent.circuits.barretenberg.expression import (
    Expression,
    atom,
    constant,
    product,
    total,
)
from zkdescent.circuits.barretenberg.freivalds import Freivalds
from zkdescent.circuits.barretenberg.gadgets import divide, look_up, square_root
from zkdescent.circuits.barretenberg.pins import pinned_products
from zkdescent.circuits.barretenberg.system import Block, ConstraintSystem, Hints, Solution
from zkdescent.circuits.barretenberg.uses import own_mask, uses_of
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.inputs import CONTEXT
from zkdescent.circuits.program import TABLES, Node, Op, Program

Elements = list[Expression]

_SHORT = 3  # inner dimensions up to this carry their offsets without a sum of their own


class Walk:
    """Emits a program's nodes one after another; `elements[i]` are node i's expressions.

    Args:
        freivalds: whether products of matrices may be checked with a challenge.
    """

    def __init__(
        self,
        program: Program,
        fixed: FixedPoint,
        system: ConstraintSystem,
        *,
        freivalds: bool,
    ) -> None:
        self.program = program
        self.fixed = fixed
        self.system = system
        self.elements: list[Elements] = []
        self.inputs: dict[str, Block] = {}
        self.hints: dict[int, Hints] = {}
        self.freivalds = Freivalds(pinned_products(program) if freivalds else {})
        self._uses = uses_of(program)
        self.tables: dict[tuple[Op, int], int] = {}
        self._sums: dict[tuple[int, int], Elements] = {}

    def run(self) -> None:
        """Emit all nodes; checks with a challenge wait for the digests (`Freivalds.finish`)."""
        for index, node in enumerate(self.program.nodes):
            self.elements.append(self._emit(index, node))

    # --- fetching ---------------------------------------------------------------------------

    def fetch(self, index: int) -> Elements:
        """Expressions of a node; heavy ones that are used more than once become witnesses."""
        found = self.elements[index]
        if self._uses[index] > 1 and any(e.is_heavy for e in found):
            self._define(index, lambda e: not e.is_heavy)
        return self.elements[index]

    def atoms(self, index: int) -> Elements:
        """Expressions of a node, each one witness at most."""
        if not all(e.is_atom for e in self.elements[index]):
            self._define(index, lambda e: e.is_atom)
        return self.elements[index]

    def _define(self, index: int, keep: Callable[[Expression], bool]) -> None:
        found = self.elements[index]
        places = [i for i, e in enumerate(found) if not keep(e)]
        wanted = [found[i] for i in places]
        where = np.array(places)
        start = self.system.allocate(
            len(places), lambda s: s.values[index].reshape(-1)[where].tolist()
        )
        fresh = list(found)
        for k, (place, expression) in enumerate(zip(places, wanted, strict=True)):
            self.system.equal(expression, atom(start + k))
            fresh[place] = atom(start + k)
        self.elements[index] = fresh

    def broadcast(self, index: int, shape: tuple[int, ...], elements: Elements) -> Elements:
        source = self.program.nodes[index]
        if source.shape == shape:
            return elements
        places = np.broadcast_to(np.arange(source.size).reshape(source.shape), shape)
        return [elements[i] for i in places.reshape(-1)]

    def naturals(self, index: int, capacity: int) -> Elements:
        """A node's values plus 2**capacity, each known to be below 2**(capacity + 1)."""
        found = self.fetch(index)
        places = [i for i, e in enumerate(found) if not self._fits(e, capacity)]
        shifted = [e._replace(constant=e.constant + (1 << capacity)) for e in found]
        if places:
            where = np.array(places)
            block = self.system.naturals(
                len(places),
                capacity + 1,
                lambda s: (s.values[index].reshape(-1)[where] + (1 << capacity)).tolist(),
            )
            for place, w in zip(places, block.witnesses(), strict=True):
                self.system.equal(shifted[place], atom(w))
                shifted[place] = atom(w)
        return shifted

    # --- operations -------------------------------------------------------------------------

    def _emit(self, index: int, node: Node) -> Elements:
        match node.op:
            case Op.INPUT:
                return self._input(node)
            case Op.CONSTANT:
                return [constant(v) for v in node.attributes]
            case Op.SLICE:
                return self.fetch(node.inputs[0])[node.attributes[0] : node.attributes[1]]
            case Op.TAKE:
                found = self.fetch(node.inputs[0])
                return [found[i] if i >= 0 else constant(0) for i in node.attributes]
            case Op.RESHAPE:
                return self.fetch(node.inputs[0])
            case Op.TRANSPOSE:
                found = self.fetch(node.inputs[0])
                rows, columns = self.program.nodes[node.inputs[0]].shape
                return [found[i * columns + j] for j in range(columns) for i in range(rows)]
            case Op.CONCAT:
                return [e for i in node.inputs for e in self.fetch(i)]
            case Op.ADD if node.inputs[0] == node.inputs[1]:
                return [e.scaled(2) for e in self.fetch(node.inputs[0])]
            case Op.ADD | Op.SUB:
                sign = 1 if node.op is Op.ADD else -1
                left, right = (self.broadcast(i, node.shape, self.fetch(i)) for i in node.inputs)
                return [a.plus(b, sign) for a, b in zip(left, right, strict=True)]
            case Op.NEG:
                return [e.scaled(-1) for e in self.fetch(node.inputs[0])]
            case Op.SHIFT_LEFT:
                return [e.scaled(1 << node.attributes[0]) for e in self.fetch(node.inputs[0])]
            case Op.SUM:
                return self._sum(node)
            case Op.MUL:
                return self._multiply(index, node)
            case Op.MATMUL:
                return self._matmul(index, node)
            case Op.RESCALE:
                return self._rescale(index, node)
            case Op.RANGE_CHECK:
                return self._range_check(index, node)
            case Op.IS_POSITIVE:
                return self._is_positive(index, node)
            case Op.DIVIDE:
                return divide(self, index, node)
            case Op.SQRT:
                return square_root(self, index, node)
            case _:
                assert node.op in TABLES
                return look_up(self, index, node)

    def _input(self, node: Node) -> Elements:
        if node.name == CONTEXT:  # a public input, in no arithmetic
            return [constant(0)] * node.size
        at = self.program.inputs[node.name]
        capacity = node.attributes[1]
        if not capacity:  # the program checks its range
            start = self.system.allocate(node.size, lambda s: s.values[at].tolist())
            return [atom(start + i) for i in range(node.size)]
        block = self.system.naturals(
            node.size, capacity + 1, lambda s: (s.values[at] + (1 << capacity)).tolist()
        )
        self.inputs[node.name] = block
        return [atom(w, -(1 << capacity)) for w in range(block.start, block.start + node.size)]

    def _sum(self, node: Node) -> Elements:
        (source,) = node.inputs
        shape = self.program.nodes[source].shape
        found = self.fetch(source)
        places = np.arange(len(found)).reshape(shape)
        order = [a for a in range(len(shape)) if a not in node.attributes]
        groups = places.transpose([*order, *node.attributes]).reshape(node.size, -1)
        return [total(found[i] for i in group) for group in groups.tolist()]

    def _multiply(self, index: int, node: Node) -> Elements:
        mask = own_mask(self.program, index)
        if mask is not None:  # x = t + 1 where x is above zero
            hints = self.hints[mask]
            (rest,) = hints.rest
            rows = zip(hints.result.witnesses(), rest.witnesses(), strict=True)
            return [Expression(((1, p, t),), ((1, p),), 0) for p, t in rows]
        left, right = node.inputs
        constants = [all(e.is_constant for e in self.elements[i]) for i in node.inputs]
        parts = [self.fetch(i) if any(constants) else self.atoms(i) for i in (left, right)]
        factors = [
            self.broadcast(i, node.shape, part) for i, part in zip(node.inputs, parts, strict=True)
        ]
        return [product(a, b) for a, b in zip(*factors, strict=True)]

    def _matmul(self, index: int, node: Node) -> Elements:
        left, right = node.inputs
        rows, inner = self.program.nodes[left].shape
        columns = node.shape[1]
        if any(all(e.is_constant for e in self.elements[i]) for i in node.inputs):
            a, b = self.fetch(left), self.fetch(right)
        elif index in self.freivalds.pins:
            return self._unproven(index, node)
        else:
            a, b = self.atoms(left), self.atoms(right)
            if inner > _SHORT:
                lines = -(-inner // _SHORT)
                a, shift_a = self._centred(left, a, lines * columns)
                b, shift_b = self._centred(right, b, lines * rows)
                if shift_a or shift_b:
                    return self._shifted_matmul(node, a, b, shift_a, shift_b)
        return [
            total(product(a[i * inner + k], b[k * columns + j]) for k in range(inner))
            for i in range(rows)
            for j in range(columns)
        ]

    def _centred(self, index: int, elements: Elements, sums: int) -> tuple[Elements, int]:
        """A factor's elements and the constant they share, which is zero where that is cheaper.

        Args:
            sums: gates of the other factor's sums, which a constant would be multiplied with.
        """
        shift = _offset(elements) or 0
        if shift and len(elements) < sums:
            self._define(index, lambda e: e.is_atom and not e.constant)
            return self.elements[index], 0
        return elements, shift

    def _shifted_matmul(
        self, node: Node, a: Elements, b: Elements, shift_a: int, shift_b: int
    ) -> Elements:
        """sum (u + s)(v + t) = sum u v + t sum (u + s) + s sum v, with the sums shared."""
        left, right = node.inputs
        rows, inner = self.program.nodes[left].shape
        columns = node.shape[1]
        zero = constant(0)
        row_sums = self._line_sums(left, a, 1) if shift_b else [zero] * rows
        column_sums = self._line_sums(right, b, 0) if shift_a else [zero] * columns
        bare_a = [e._replace(constant=e.constant - shift_a) for e in a]
        bare_b = [e._replace(constant=e.constant - shift_b) for e in b]
        results = []
        for i in range(rows):
            for j in range(columns):
                terms = [
                    product(bare_a[i * inner + k], bare_b[k * columns + j]) for k in range(inner)
                ]
                terms.append(row_sums[i].scaled(shift_b))
                terms.append(column_sums[j].scaled(shift_a))
                terms.append(constant(-inner * shift_a * shift_b))
                results.append(total(terms))
        return results

    def _line_sums(self, index: int, elements: Elements, axis: int) -> Elements:
        """Sums of a matrix's rows (axis 1) or columns (axis 0), each a witness."""
        if (index, axis) not in self._sums:
            shape = self.program.nodes[index].shape
            lines = np.arange(len(elements)).reshape(shape)
            lines = lines if axis == 1 else lines.T
            sums = [total(elements[i] for i in line) for line in lines.tolist()]
            self._sums[index, axis] = self.system.defined(sums)
        return self._sums[index, axis]

    def _unproven(self, index: int, node: Node) -> Elements:
        """A product to be checked with the challenge."""
        self.atoms(node.inputs[0])
        self.atoms(node.inputs[1])
        if self.freivalds.pins[index].alone:
            return self.freivalds.stand_ins(index, node.size)
        start = self.system.allocate(node.size, lambda s: s.values[index].reshape(-1).tolist())
        self.freivalds.add(index)
        return [atom(start + i) for i in range(node.size)]

    def _rescale(self, index: int, node: Node) -> Elements:
        bits, capacity = node.attributes
        (source,) = node.inputs
        half = 1 << (bits - 1)
        x = self.fetch(source)
        q = self.signed(index, node.size, capacity)
        r = self.system.naturals(
            node.size,
            bits,
            lambda s: _flat(s, source, half, (s.values[index], -(1 << bits))),
        )
        self.hints[index] = Hints(q, (r,))
        results = [atom(w, -(1 << capacity)) for w in q.witnesses()]
        for e, quotient, remainder in zip(x, results, r.witnesses(), strict=True):
            self._tie(
                Expression(e.products, e.linear, e.constant + half),
                quotient.scaled(1 << bits).plus(atom(remainder)),
            )
        return results

    def signed(self, index: int, size: int, capacity: int) -> Block:
        """The node's value as numbers v + 2**capacity below 2**(capacity + 1)."""
        return self.system.naturals(
            size,
            capacity + 1,
            lambda s: (s.values[index].reshape(-1) + (1 << capacity)).tolist(),
        )

    def _range_check(self, index: int, node: Node) -> Elements:
        (capacity,) = node.attributes
        x = self.fetch(node.inputs[0])
        if all(self._fits(e, capacity) for e in x):
            return x
        block = self.signed(index, node.size, capacity)
        self.hints[index] = Hints(block, ())
        results = [atom(w, -(1 << capacity)) for w in block.witnesses()]
        for e, result in zip(x, results, strict=True):
            self.system.equal(e, result)
        return results

    def _fits(self, e: Expression, capacity: int) -> bool:
        """Whether an expression's value is known to be in [-2**capacity, 2**capacity)."""
        if not e.is_atom or (e.linear and e.linear[0][0] != 1):
            return False
        bits = self.system.known_bits.get(e.linear[0][1]) if e.linear else 0
        if bits is None:
            return False
        return -(1 << capacity) <= e.constant and e.constant + (1 << bits) <= 1 << capacity

    def _is_positive(self, index: int, node: Node) -> Elements:
        (capacity,) = node.attributes
        (source,) = node.inputs
        x = self.fetch(source)
        p = self.system.naturals(node.size, 1, lambda s: s.values[index].reshape(-1).tolist())
        size = 1 << capacity
        t = self.system.naturals(
            node.size, capacity, lambda s: _flat(s, source, size - 1, (s.values[index], -size))
        )
        self.hints[index] = Hints(p, (t,))
        for e, positive, rest in zip(x, p.witnesses(), t.witnesses(), strict=True):
            parts = Expression((), ((size, positive), (1, rest)), 1 - size)
            self._tie(e, parts)
        return [atom(w) for w in p.witnesses()]

    def _tie(self, left: Expression, right: Expression) -> None:
        """Two expressions are equal, unless the left one is still to be found: then it is this."""
        if not self.freivalds.settle(left, right):
            self.system.equal(left, right)


def _offset(elements: Elements) -> int | None:
    """The constant that all atoms share; None if they don't."""
    offsets = {e.constant for e in elements}
    return offsets.pop() if len(offsets) == 1 else None


def _flat(s: Solution, source: int, shift: int, other: tuple[IntegerArray, int]) -> list[int]:
    """values[source] + shift + array * factor, exact."""
    array, factor = other
    x = s.values[source].reshape(-1)
    y = array.reshape(-1)
    if x.dtype == object or y.dtype == object or abs(factor) >= 1 << 40:
        x, y = x.astype(object), y.astype(object)
    result: list[int] = (x + shift + y * factor).tolist()
    return result
