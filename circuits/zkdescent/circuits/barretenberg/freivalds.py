"""Products of matrices checked with a random vector instead of being written out.

C = A B is checked as C r = A (B r) with r = (rho, rho^2, ...) (Freivalds 1977): as many products as
the matrices have elements, in place of the triple product. rho is the hash of everything that
decides A, B and C, made inside the circuit: a prover who changes one of them changes rho. If C
differs from A B, a polynomial of degree at most the number of columns vanishes at rho, whose
probability is below 2^-230 for each hash that is tried.

What decides a matrix is found here. C's elements are witnesses that nothing else computes, so there
must be a rounding that takes C in, element by element, without another unknown: its quotient and
remainder then decide C. Everything else follows from hints that are range-checked, and from the
committed inputs, whose digests are hashed first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.circuits.barretenberg.commitment import HashRole, capacity_word
from zkdescent.circuits.barretenberg.expression import Expression, atom, product, total
from zkdescent.circuits.program import Op, Program

if TYPE_CHECKING:
    from zkdescent.circuits.barretenberg.system import Block, Solution
    from zkdescent.circuits.barretenberg.walk import Hints, Walk

HINTED = frozenset({Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.IS_POSITIVE, Op.RANGE_CHECK})

_BINDING_GATES = 4.5
"""Gates an element of C costs because its quotient and remainder must be hashed, about."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What decides a product's elements: a rounding of them, and other nodes that enter it."""

    rounding: int
    others: tuple[int, ...]


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
    for index, node in enumerate(program.nodes):
        if node.op is not Op.MATMUL:
            continue
        rows, inner = program.nodes[node.inputs[0]].shape
        if not worthwhile(rows, inner, node.shape[1]):
            continue
        if any(program.nodes[i].op is Op.CONSTANT for i in node.inputs):
            continue
        pin = _pin(program, index, consumers)
        if pin is not None:
            pins[index] = pin
    while True:
        circular = _circular(program, pins)
        if circular is None:
            return pins
        del pins[circular]


def _pin(program: Program, index: int, consumers: list[list[int]]) -> Pin | None:
    """The nearest rounding that every element of a node reaches, alone and undiminished."""
    seen = {index}
    frontier: list[tuple[int, tuple[int, ...]]] = [(index, ())]
    while frontier:
        current, others = frontier.pop(0)
        for c in consumers[current]:
            node = program.nodes[c]
            if node.op is Op.RESCALE:
                return Pin(c, others)
            if c in seen or not _keeps(program, c, current):
                continue
            seen.add(c)
            more = tuple(i for i in node.inputs if i != current)
            frontier.append((c, others + more))
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
    """Collects products during a walk, and checks them all with one challenge after it."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.products: list[int] = []

    def add(self, index: int) -> None:
        """A product whose elements have been allocated."""
        self.products.append(index)

    def finish(self, walk: Walk, digests: list[Expression], bound: frozenset[int]) -> None:
        """Derive the challenge and check all products.

        Args:
            digests: of all committed tensors.
            bound: nodes whose result a digest binds already.
        """
        if not self.products:
            return
        rho = self._challenge(walk, digests, bound)
        nodes = walk.program.nodes
        columns = max(nodes[i].shape[1] for i in self.products)
        powers = [rho]
        while len(powers) < columns:
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
        elements = list(digests)
        for bits in sorted({b.bits for b in blocks}):
            naturals = [
                atom(w) for b in blocks if b.bits == bits for w in range(b.start, b.start + b.size)
            ]
            elements += walk.system.packed(naturals, bits)
        initial = capacity_word(HashRole.TRANSCRIPT, 0, len(elements))
        return walk.system.sponge(initial, elements)

    def _check(self, walk: Walk, index: int, powers: list[Expression]) -> None:
        system, node = walk.system, walk.program.nodes[index]
        left, right = node.inputs
        a, b, c = walk.elements[left], walk.elements[right], walk.elements[index]
        rows, inner = walk.program.nodes[left].shape
        columns = node.shape[1]
        challenge = [e.linear[0][1] for e in powers[:columns]]

        def products(s: Solution) -> list[int]:
            r = [s.witness[w] for w in challenge]
            matrix = s.values[right].reshape(inner, columns).tolist()
            return [sum(x * y for x, y in zip(row, r, strict=True)) for row in matrix]

        start = system.allocate(inner, products)
        image = [atom(start + k) for k in range(inner)]
        for k in range(inner):
            row = [product(b[k * columns + j], powers[j]) for j in range(columns)]
            system.equal(total(row), image[k])
        for i in range(rows):
            got = [product(c[i * columns + j], powers[j]) for j in range(columns)]
            wanted = [product(a[i * inner + k], image[k]) for k in range(inner)]
            system.equal(total(got), total(wanted))


def _blocks(hints: Hints | None, *, checks: bool) -> tuple[Block, ...]:
    if hints is None:
        return ()
    return hints.rest if checks else (hints.result,)
