"""Products of matrices checked with a random vector instead of being written out.

C = A B is checked as C r = A (B r) (Freivalds 1977): about as many products as the matrices have
elements, in place of the triple product. r depends on rho, the hash of everything that decides A, B
and C, made inside the circuit: a prover who changes one of them changes rho.

What decides a matrix is found here. Nothing else computes C, so there must be a rounding or a
comparison that takes C in, element by element, without another unknown: its hints then decide C.
Everything else follows from hints that are range-checked, and from the committed inputs, whose
digests are hashed first. Where nobody else reads C, its elements are no witnesses at all: the
rounding's equation, solved for C, stands for them.

Columns are packed: r = (rho, rho 2^w, rho 2^2w, ..., rho^2, rho^2 2^w, ...), as many columns to a
power of rho as a field element has room for. If all products before it in the program are right,
the hints that decide C and the bounds of A and B leave each element of C - A B below 2^(w-1) in
magnitude, whoever chose the witness; so a packed group is zero only if each of its elements is. For
the first product that is wrong a polynomial, whose degree is at most the number of groups, would
have to vanish at rho: its probability is below 2^-230 for each hash that is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from zkdescent.circuits.barretenberg.commitment import PACKED_BITS, HashRole, capacity_word
from zkdescent.circuits.barretenberg.expression import Expression, atom, product, total
from zkdescent.circuits.barretenberg.uses import uses_of
from zkdescent.circuits.bounds import unchecked_bounds
from zkdescent.circuits.program import Op, Program

if TYPE_CHECKING:
    from zkdescent.circuits.barretenberg.system import Block, Solution
    from zkdescent.circuits.barretenberg.walk import Hints, Walk

HINTED = frozenset({Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.IS_POSITIVE, Op.RANGE_CHECK})

_NO_WITNESS = -1
"""Names below it stand for elements that have no witness."""

WORTH_SHARING = 8
"""Rows from which on terms that all of them have are worth a row of their own."""

_BINDING_GATES = 4.5
"""Gates an element of C costs because its quotient and remainder must be hashed, about."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What decides a product's elements.

    Attributes:
        rounding: the rounding or comparison that takes them in.
        others: nodes that enter it besides.
        width: w: bits that an element of the product's error takes, sign included.
        alone: nobody else reads the product, and all elements come with the same factor.
        turned: C^T = B^T A^T is checked instead, because that takes fewer gates.
    """

    rounding: int
    others: tuple[int, ...]
    width: int = PACKED_BITS
    alone: bool = False
    turned: bool = False

    def shape(self, rows: int, inner: int, columns: int) -> tuple[int, int, int]:
        """Shape of the check of an (n, k) times a (k, m) matrix."""
        return (columns, inner, rows) if self.turned else (rows, inner, columns)

    def columns(self, count: int) -> int:
        """Columns of the check, of so many, that one field element holds."""
        return max(1, min(count, PACKED_BITS // self.width))


Pins = Mapping[int, Pin]


def worthwhile(rows: int, inner: int, columns: int) -> bool:
    """Whether checking costs less than writing out."""
    entries = rows * columns
    checked = (2 + _BINDING_GATES) * entries + inner * (rows + columns + 1)
    return checked < rows * inner * columns


def pinned_products(program: Program) -> dict[int, Pin]:
    """Products of matrices that are worth checking and whose elements something decides."""
    if "batch" not in program.inputs:
        return {}
    consumers: list[list[int]] = [[] for _ in program.nodes]
    for index, node in enumerate(program.nodes):
        for source in node.inputs:
            consumers[source].append(index)
    pins: dict[int, Pin] = {}
    bounds, uses = committed_bounds(program), uses_of(program)
    for index, node in enumerate(program.nodes):
        if node.op is not Op.MATMUL:
            continue
        rows, inner = program.nodes[node.inputs[0]].shape
        if not worthwhile(rows, inner, node.shape[1]):
            continue
        if any(program.nodes[i].op is Op.CONSTANT for i in node.inputs):
            continue
        way = _way(program, index, consumers)
        if way is not None:
            pins[index] = _pin(program, way, bounds, uses)
    while True:
        circular = _circular(program, pins)
        if circular is None:
            return pins
        del pins[circular]


def committed_bounds(program: Program) -> tuple[int, ...]:
    """Exclusive bounds on all nodes, given that committed inputs are range-checked."""
    inputs = {name: _digits(program.nodes[i].attributes[1]) for name, i in program.inputs.items()}
    return unchecked_bounds(program, inputs, _digits)


def _digits(capacity: int) -> int:
    return (1 << capacity) + 1


def _pin(program: Program, way: tuple[int, ...], bounds: Sequence[int], uses: Sequence[int]) -> Pin:
    nodes, rounding = program.nodes, way[-1]
    node = nodes[rounding]
    if node.op is Op.RESCALE:
        bits, capacity = node.attributes
        held = (_digits(capacity) << bits) + (1 << bits)
    else:
        held = _digits(node.attributes[0])
    steps = tuple(pairwise(way[:-1]))
    others = tuple(
        i
        for before, at in steps
        if nodes[at].op is not Op.CONCAT
        for i in nodes[at].inputs
        if i != before
    )
    if max(_products(program, others), default=0) > way[0]:
        width = (
            PACKED_BITS  # what enters beside the product is bounded only if later ones are right
        )
    else:
        width = min(PACKED_BITS, (held + bounds[node.inputs[0]]).bit_length() + 1)
    alone = all(uses[i] == 1 for i in way[:-1])
    even = all(_is_even(program, *step) for step in steps)
    pin = Pin(rounding, others, width, alone and even)
    turned = replace(pin, turned=True)
    return min(pin, turned, key=lambda p: _checking(p, *check_shape(program, way[0], p)))


def check_shape(program: Program, index: int, pin: Pin) -> tuple[int, int, int]:
    """Rows, inner size and columns of a product's check."""
    nodes = program.nodes
    rows, inner = nodes[nodes[index].inputs[0]].shape
    return pin.shape(rows, inner, nodes[index].shape[1])


def _checking(pin: Pin, rows: int, inner: int, columns: int) -> int:
    """Gates that depend on which way a product is checked."""
    groups = -(-columns // pin.columns(columns))
    return (inner + rows) * groups + rows * inner


def _products(program: Program, roots: Iterable[int]) -> set[int]:
    """Products of matrices on which nodes depend, other than through hints."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        index = waiting.pop()
        node = program.nodes[index]
        if index not in found and node.op not in HINTED:
            found.add(index)
            waiting += node.inputs
    return {i for i in found if program.nodes[i].op is Op.MATMUL}


def _is_even(program: Program, source: int, index: int) -> bool:
    """Whether each element of the source is found once in the node, all with one factor."""
    node = program.nodes[index]
    if node.op is Op.TAKE:
        return sum(i >= 0 for i in node.attributes) == program.nodes[source].size
    if node.op is Op.MUL:
        (factor,) = [i for i in node.inputs if i != source]
        return len(set(program.nodes[factor].attributes)) == 1
    return True


def _way(program: Program, index: int, consumers: list[list[int]]) -> tuple[int, ...] | None:
    """The shortest way to a rounding that every element of a node reaches undiminished."""
    seen = {index}
    frontier: list[tuple[int, ...]] = [(index,)]
    while frontier:
        way = frontier.pop(0)
        for c in consumers[way[-1]]:
            if program.nodes[c].op in (Op.RESCALE, Op.IS_POSITIVE):
                return (*way, c)
            if c not in seen and _keeps(program, c, way[-1]):
                seen.add(c)
                frontier.append((*way, c))
    return None


def _keeps(program: Program, index: int, source: int) -> bool:
    """Whether a node's value and its other arguments give back the source, element by element."""
    node, size = program.nodes[index], program.nodes[source].size
    match node.op:
        case Op.RESHAPE | Op.TRANSPOSE | Op.NEG | Op.SHIFT_LEFT:
            return True
        case Op.TAKE:
            return set(node.attributes) >= set(range(size))
        case Op.CONCAT:
            return node.inputs.count(source) == 1
        case Op.ADD | Op.SUB:
            return node.size == size and node.inputs.count(source) == 1
        case Op.MUL:
            (factor,) = [i for i in node.inputs if i != source] or (source,)
            other = program.nodes[factor]
            return node.size == size and other.op is Op.CONSTANT and all(other.attributes)
        case _:
            return False


Token = tuple[int, bool]
"""A node's hints: of its result, or (True) those that check it."""


def deciding(program: Program, pins: Pins, roots: tuple[int, ...]) -> frozenset[Token]:
    """Hints that decide the values of nodes, besides the committed inputs.

    Raises:
        CircularPinsError: two products would have to decide each other.
    """
    found: dict[int, frozenset[Token]] = {}
    active: set[int] = set()

    def visit(index: int) -> frozenset[Token]:
        if index in found:
            return found[index]
        if index in active:
            raise CircularPinsError(index)
        active.add(index)
        node = program.nodes[index]
        if node.op in HINTED:
            # A range check that needs no hints is its argument.
            result = frozenset({(index, False)})
            if node.op is Op.RANGE_CHECK:
                result |= visit(node.inputs[0])
        elif index in pins:
            pin = pins[index]
            result = frozenset({(pin.rounding, False), (pin.rounding, True)})
            for other in pin.others:
                result |= visit(other)
        else:
            result = frozenset()
            for source in node.inputs:
                result |= visit(source)
        active.discard(index)
        found[index] = result
        return result

    tokens: frozenset[Token] = frozenset()
    for root in roots:
        tokens |= visit(root)
    return tokens


class CircularPinsError(Exception):
    """A product is needed to decide itself."""


def _circular(program: Program, pins: Pins) -> int | None:
    """A product whose pin leads back to it; None if there is none."""
    for index in pins:
        try:
            deciding(program, pins, (index,))
        except CircularPinsError as error:
            node = int(error.args[0])
            return node if node in pins else index
    return None


class Freivalds:
    """Collects products during a walk, and checks them all with one challenge after it.

    Attributes:
        settled: by the name of a product's element that has no witness, a factor and what the
            element times that factor is.
    """

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.products: list[int] = []
        self._stand_ins: dict[int, range] = {}
        self.settled: dict[int, tuple[int, Expression]] = {}

    def add(self, index: int) -> None:
        """A product whose elements have been allocated."""
        self.products.append(index)

    def stand_ins(self, index: int, size: int) -> list[Expression]:
        """Elements of a product that has no witnesses: each is to be settled once."""
        first = -2 - sum(len(names) for names in self._stand_ins.values())
        self._stand_ins[index] = range(first, first - size, -1)
        self.products.append(index)
        return [atom(name) for name in self._stand_ins[index]]

    def settle(self, left: Expression, right: Expression) -> bool:
        """Solve left = right for the stand-in on the left; False if there is none."""
        found = [(c, w) for c, w in left.linear if w < _NO_WITNESS]
        if not found:
            return False
        ((factor, name),) = found
        assert name not in self.settled
        rest = left._replace(linear=tuple(t for t in left.linear if t[1] != name))
        self.settled[name] = factor, right.plus(rest, -1)
        return True

    def _product(self, walk: Walk, index: int) -> tuple[int, list[Expression]]:
        """A factor, and the product's elements times that factor."""
        if index not in self._stand_ins:
            return 1, walk.elements[index]
        solved = [self.settled[name] for name in self._stand_ins[index]]
        ((factor, _), *_) = solved
        assert all(f == factor for f, _ in solved)
        return factor, [e for _, e in solved]

    def finish(self, walk: Walk, digests: list[Expression], bound: frozenset[int]) -> None:
        """Derive the challenge and check all products.

        Args:
            digests: of all committed tensors.
            bound: nodes whose result a digest binds already.
        """
        if not self.products:
            return
        rho = self._challenge(walk, digests, bound)
        groups = max(self._groups(walk, i) for i in self.products)
        powers = [rho]
        while len(powers) < groups:
            powers += walk.system.defined([product(powers[-1], rho)])
        for index in self.products:
            self._check(walk, index, powers)

    def _challenge(
        self, walk: Walk, digests: list[Expression], bound: frozenset[int]
    ) -> Expression:
        roots = tuple(
            i for index in self.products for i in (index, *walk.program.nodes[index].inputs)
        )
        tokens = deciding(walk.program, self.pins, roots)
        blocks = [
            block
            for token in sorted(tokens)
            if not (token[0] in bound and not token[1])
            for block in _blocks(walk.hints.get(token[0]), checks=token[1])
        ]
        elements = [*digests, *walk.system.packed_blocks(blocks)]
        initial = capacity_word(HashRole.TRANSCRIPT, 0, len(elements))
        return walk.system.sponge(initial, elements)

    def shape(self, walk: Walk, index: int) -> tuple[int, int, int]:
        """Rows, inner size and columns of a product's check."""
        return check_shape(walk.program, index, self.pins[index])

    def group(self, walk: Walk, index: int) -> int:
        """Columns of a check that one field element holds."""
        return self.pins[index].columns(self.shape(walk, index)[2])

    def _groups(self, walk: Walk, index: int) -> int:
        return -(-self.shape(walk, index)[2] // self.group(walk, index))

    def _check(self, walk: Walk, index: int, powers: list[Expression]) -> None:
        system, pin = walk.system, self.pins[index]
        left, right = walk.program.nodes[index].inputs
        rows, inner, columns = self.shape(walk, index)
        factor, c = self._product(walk, index)
        a, b = walk.elements[left], walk.elements[right]
        if pin.turned:
            a, b, c = _turned(b, columns=rows), _turned(a, columns=inner), _turned(c, columns=rows)
            right = left
        per = self.group(walk, index)
        powers = powers[: self._groups(walk, index)]
        challenge = [e.linear[0][1] for e in powers]

        def weighed(line: list[Expression]) -> list[Expression]:
            """Groups of one row's columns, each one witness, times the challenge's powers."""
            packed = line
            if per > 1 or not all(e.is_atom for e in line):
                packed = system.defined(
                    [
                        total(e.scaled(1 << pin.width * t) for t, e in enumerate(line[at : at + per]))
                        for at in range(0, columns, per)
                    ]
                )
            return [product(group, power) for group, power in zip(packed, powers, strict=True)]

        def products(s: Solution) -> list[int]:
            r = [s.witness[challenge[j // per]] << pin.width * (j % per) for j in range(columns)]
            values = s.values[right]
            matrix = (values.T if pin.turned else values).reshape(inner, columns).tolist()
            return [sum(x * y for x, y in zip(row, r, strict=True)) for row in matrix]

        start = system.allocate(inner, products)
        image = [atom(start + k) for k in range(inner)]
        for k, element in enumerate(image):
            system.equal(total(weighed(b[k * columns : (k + 1) * columns])), element)
        lines = [c[i * columns : (i + 1) * columns] for i in range(rows)]
        lines, shared = _without_shared(lines)
        extra = system.defined([total(weighed(shared))]) if shared else []
        for i, line in enumerate(lines):
            wanted = [product(a[i * inner + k], image[k]).scaled(factor) for k in range(inner)]
            system.equal(total([*weighed(line), *extra]), total(wanted))


def _turned(elements: list[Expression], *, columns: int) -> list[Expression]:
    """A matrix of so many columns, transposed."""
    return [e for j in range(columns) for e in elements[j::columns]]


def _without_shared(
    lines: list[list[Expression]],
) -> tuple[list[list[Expression]], list[Expression]]:
    """Rows of a matrix without the linear terms that all of them have, and those; [] if none."""
    if len(lines) < WORTH_SHARING:
        return lines, []
    shared = [
        set.intersection(*(set(e.linear) for e in column)) for column in zip(*lines, strict=True)
    ]
    if not any(shared):
        return lines, []
    rest = [
        [
            e._replace(linear=tuple(t for t in e.linear if t not in common))
            for e, common in zip(line, shared, strict=True)
        ]
        for line in lines
    ]
    return rest, [Expression((), tuple(sorted(common)), 0) for common in shared]


def _blocks(hints: Hints | None, *, checks: bool) -> tuple[Block, ...]:
    if hints is None:
        return ()
    return hints.rest if checks else (hints.result,)
