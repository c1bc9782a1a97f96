"""Pass: write a tree of sums, differences and constant factors as one linear combination.

a x + b x becomes (a + b) x; x - y + y becomes x; c x + c y becomes c (x + y); constants are added
up. The combination replaces the tree only if it costs fewer elementwise operations. Values that
something else reads too stay as they are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from zkdescent.circuits.passes.rewrite import CopyingBuilder, Rewriting, rewrite, uniform_of
from zkdescent.circuits.program import Op, Program

_LINEAR = frozenset({Op.ADD, Op.SUB, Op.NEG, Op.SHIFT_LEFT, Op.MUL})


@dataclass(slots=True)
class _Combination:
    """sum of factor * term + constant.

    Attributes:
        factors: old node -> factor.
        cost: elements computed by the operations that go away with the tree.
    """

    factors: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    constant: int = 0
    cost: int = 0


def gather_linear_sums(program: Program) -> Program:
    """Return an equal program whose sums of multiples of the same values are gathered."""
    return rewrite(program, _rule)


def _rule(walk: Rewriting, index: int) -> int | None:
    node = walk.program.nodes[index]
    if node.op not in (Op.ADD, Op.SUB):
        return None
    combination = _Combination(cost=node.size)
    _collect_arguments(walk, index, 1, combination)
    emitter = _Emitter(walk.builder, node.name)
    factors: dict[int, int] = defaultdict(int)
    for old, factor in combination.factors.items():
        factors[walk.at[old]] += factor
    factors = {new: factor for new, factor in factors.items() if factor}
    if not factors:
        return walk.builder.constant(*[combination.constant] * node.size, shape=node.shape)
    result = emitter.combination(factors, combination.constant)
    # A term of the full shape may have cancelled: then what is left is too small to stand for it.
    if walk.builder.shape(result) != node.shape or emitter.cost >= combination.cost:
        return None
    return result


def _collect_arguments(walk: Rewriting, index: int, factor: int, into: _Combination) -> None:
    """Add factor * an ADD or SUB node, term by term."""
    node = walk.program.nodes[index]
    _collect(walk, node.inputs[0], factor, node.size, into)
    _collect(walk, node.inputs[1], -factor if node.op is Op.SUB else factor, node.size, into)


def _collect(walk: Rewriting, index: int, factor: int, size: int, into: _Combination) -> None:
    """Add factor * node; an operation of another size than the tree's root is a term."""
    node = walk.program.nodes[index]
    value = uniform_of(node)
    if value is not None:
        into.constant += factor * value
        return
    multiple = _multiple(walk.program, index) if node.size == size else None
    if multiple is not None:
        x, constant = multiple
        if walk.is_private(index) and node.op is not Op.NEG:  # a negation may be free
            into.cost += node.size
        _collect(walk, x, factor * constant, size, into)
    elif node.op in (Op.ADD, Op.SUB) and node.size == size and walk.is_private(index):
        into.cost += node.size
        _collect_arguments(walk, index, factor, into)
    else:
        into.factors[index] += factor


def _multiple(program: Program, index: int) -> tuple[int, int] | None:
    """(x, c) of c x, with one integer c."""
    node = program.nodes[index]
    if node.op is Op.NEG:
        return node.inputs[0], -1
    if node.op is Op.SHIFT_LEFT:
        return node.inputs[0], 1 << node.attributes[0]
    if node.op is Op.MUL:
        for x, c in (node.inputs, node.inputs[::-1]):
            value = uniform_of(program.nodes[c])
            if value is not None:
                return x, value
    return None


class _Emitter:
    """Appends a linear combination and counts the elements it computes."""

    def __init__(self, builder: CopyingBuilder, name: str) -> None:
        self.builder = builder
        self.name = name
        self.cost = 0

    def combination(self, factors: dict[int, int], constant: int) -> int:
        """The sum of factor * node + constant."""
        groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for node, factor in factors.items():
            groups[abs(factor)].append((node, 1 if factor > 0 else -1))
        scaled = []
        for magnitude in sorted(groups):
            node, sign = self._signed_sum(groups[magnitude])
            scaled.append((self._times(node, magnitude), sign))
        if constant:
            scaled.append((self.builder.constant(abs(constant)), 1 if constant > 0 else -1))
        node, sign = self._signed_sum(scaled)
        return node if sign > 0 else self._counted(self.builder.neg(node))

    def _signed_sum(self, terms: list[tuple[int, int]]) -> tuple[int, int]:
        """Sum up to a sign, which is negative only if all terms are."""
        overall = 1 if any(sign > 0 for _, sign in terms) else -1
        ordered = sorted(terms, key=lambda term: -term[1] * overall)
        total = ordered[0][0]
        for node, sign in ordered[1:]:
            combine = self.builder.add if sign == overall else self.builder.sub
            total = self._counted(combine(total, node, self.name))
        return total, overall

    def _times(self, node: int, magnitude: int) -> int:
        if magnitude == 1:
            return node
        if magnitude & (magnitude - 1) == 0:
            return self._counted(self.builder.shift_left(node, magnitude.bit_length() - 1))
        return self._counted(self.builder.mul(node, self.builder.constant(magnitude), self.name))

    def _counted(self, node: int) -> int:
        self.cost += self.builder.node(node).size
        return node
