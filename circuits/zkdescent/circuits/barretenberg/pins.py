"""Which products of matrices are checked with a challenge, and what decides their elements.

The analysis of the program that :mod:`.freivalds` relies on: a product is checked only where a
rounding or a comparison takes in each of its elements without another unknown, so that its hints
decide them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from zkdescent.circuits.barretenberg.commitment import PACKED_BITS
from zkdescent.circuits.barretenberg.uses import uses_of
from zkdescent.circuits.bounds import unchecked_bounds
from zkdescent.circuits.program import Op, Program

HINTED = frozenset({Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.IS_POSITIVE, Op.RANGE_CHECK})

_BINDING_GATES = 4.5
"""Gates an element of C costs because its quotient and remainder must be hashed, about."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What decides a product's elements.

    Attributes:
        rounding: the rounding or comparison that takes them in.
        others: nodes that enter it besides.
        width: w: bits that an element of the product's error takes, sign included, after all have
            been multiplied by one number; all of a field element's bits if there is no such bound.
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
    one_factor = all(_has_one_factor(program, *step) for step in steps)
    if max(_products(program, others), default=0) > way[0] or not one_factor:
        # What enters beside the product is bounded only if later ones are right; or errors are
        # small only after division by factors that differ, and so could cancel in a group.
        width = PACKED_BITS
    else:
        width = min(PACKED_BITS, (held + bounds[node.inputs[0]]).bit_length() + 1)
    once = all(uses[i] == 1 for i in way[:-1]) and all(_is_once(program, *step) for step in steps)
    pin = Pin(rounding, others, width, once and one_factor)
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


def _has_one_factor(program: Program, source: int, index: int) -> bool:
    """Whether all elements of the source enter a node with the same factor."""
    node = program.nodes[index]
    if node.op is not Op.MUL:
        return True
    (factor,) = [i for i in node.inputs if i != source]
    return len(set(program.nodes[factor].attributes)) == 1


def _is_once(program: Program, source: int, index: int) -> bool:
    """Whether no element of the source is found twice in a node."""
    node = program.nodes[index]
    return node.op is not Op.TAKE or (
        sum(i >= 0 for i in node.attributes) == program.nodes[source].size
    )


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
