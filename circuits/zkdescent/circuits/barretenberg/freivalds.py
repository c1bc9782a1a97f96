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
the hints that decide C and the bounds of A and B leave each element of f (C - A B) below 2^(w-1) in
magnitude, whoever chose the witness, where f is the factor that C has in the rounding; so a packed
group is zero only if each of its elements is. Where f is not one number, a group is one column.
For the first product that is wrong a polynomial, whose degree is at most the number of groups,
would have to vanish at rho: its probability is below 2^-230 for each hash that is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdescent.circuits.barretenberg.commitment import HashRole, capacity_word
from zkdescent.circuits.barretenberg.expression import Expression, atom, merged, product, total
from zkdescent.circuits.barretenberg.pins import Pins, check_shape, deciding

if TYPE_CHECKING:
    from zkdescent.circuits.barretenberg.system import Block, Hints, Solution
    from zkdescent.circuits.barretenberg.walk import Walk

_NO_WITNESS = -1
"""Names below it stand for elements that have no witness."""

WORTH_SHARING = 8
"""Rows from which on terms that all of them have are worth a row of their own."""


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
                        total(
                            e.scaled(1 << pin.width * t) for t, e in enumerate(line[at : at + per])
                        )
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
    # A term that is there twice is one with twice the coefficient: sets hold it once.
    lines = [[e._replace(linear=tuple(merged(e.linear))) for e in line] for line in lines]
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
