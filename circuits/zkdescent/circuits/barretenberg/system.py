"""A constraint system under construction, and how its witness is computed.

Constraints and recipes are made in one walk: whoever allocates witnesses says in the same place how
an honest prover computes them, and what binds them. The recipes run once per proof, on whole
arrays; the walk happens once per circuit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zkdescent.circuits.barretenberg import acir
from zkdescent.circuits.barretenberg.commitment import (
    HashRole,
    capacity_word,
    layouts,
    values_per_element,
)
from zkdescent.circuits.barretenberg.expression import (
    Expression,
    atom,
    constant,
    gates,
    limb_widths,
    list_gates,
    merged,
    range_gates,
    total,
)
from zkdescent.circuits.barretenberg.poseidon2 import RATE, State, permute
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.core.records import FIELD_MODULUS


@dataclass(slots=True)
class Solution:
    """An assignment under computation.

    Attributes:
        values: the reference executor's value of each node.
        witness: field elements so far, some not reduced.
        salt: of the commitments.
    """

    values: list[IntegerArray]
    witness: list[int]
    salt: int

    def of(self, expression: Expression) -> int:
        """Value of an expression whose witnesses are known."""
        w = self.witness
        result = expression.constant
        for c, a in expression.linear:
            result += c * w[a]
        for c, a, b in expression.products:
            result += c * w[a] * w[b]
        return result % FIELD_MODULUS


PERMUTATION_GATES = 73
ENTRY_GATES, READ_GATES = 3, 2

Recipe = Callable[[Solution], Sequence[int]]
"""Values of newly allocated witnesses, from what is known before."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive witnesses that are range-checked: each is below 2**bits."""

    start: int
    size: int
    bits: int

    def witness(self, index: int) -> int:
        """Number of one of them."""
        return self.start + index

    def witnesses(self) -> range:
        """Numbers of all of them."""
        return range(self.start, self.start + self.size)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where a node's hints are: what the result is made of, and what checks it."""

    result: Block
    rest: tuple[Block, ...]


class ConstraintSystem:
    """Opcodes, recipes, and what they cost; the first `public` witnesses are public."""

    def __init__(self, public: int) -> None:
        self.public = public
        self.count = public
        self.opcodes: list[acir.Opcode] = []
        self.recipes: list[tuple[int, Recipe]] = []
        self.gates = 0.0
        self.known_bits: dict[int, int] = {}
        self._memories = 0
        self._lists: set[int] = set()
        self._published: list[tuple[int, Expression]] = []

    # --- witnesses --------------------------------------------------------------------------

    def allocate(self, size: int, recipe: Recipe) -> int:
        """Number of the first of `size` new witnesses."""
        start = self.count
        self.count += size
        self.recipes.append((size, recipe))
        return start

    def naturals(self, size: int, bits: int, recipe: Recipe) -> Block:
        """New witnesses below 2**bits."""
        block = Block(self.allocate(size, recipe), size, bits)
        for witness in range(block.start, block.start + size):
            self.opcodes.append(acir.range_check(witness, bits))
            self.known_bits[witness] = bits
        self.gates += size * range_gates(bits)
        for width in limb_widths(bits) - self._lists:
            self._lists.add(width)
            self.gates += list_gates(width)
        return block

    def defined(self, expressions: Sequence[Expression]) -> list[Expression]:
        """New witnesses equal to expressions."""
        wanted = list(expressions)
        start = self.allocate(len(wanted), lambda s: [s.of(e) for e in wanted])
        for i, expression in enumerate(wanted):
            self.equal(expression, atom(start + i))
        return [atom(start + i) for i in range(len(wanted))]

    def publish(self, first: int, expressions: Sequence[Expression]) -> None:
        """Public witnesses, from number `first` on, equal expressions."""
        for i, expression in enumerate(expressions):
            self.equal(expression, atom(first + i))
            self._published.append((first + i, expression))

    # --- constraints ------------------------------------------------------------------------

    def zero(self, expression: Expression) -> None:
        """An expression is zero."""
        linear = merged(expression.linear)
        self.gates += gates(len(expression.products), len(linear))
        self.opcodes.append(acir.assert_zero(expression.products, linear, expression.constant))

    def equal(self, a: Expression, b: Expression) -> None:
        """Two expressions are equal."""
        self.zero(a.plus(b, -1))

    def table(self, entries: Sequence[int]) -> int:
        """A table of constants; for `read`."""
        cells = list(entries)
        start = self.allocate(len(cells), lambda s: cells)
        for i, cell in enumerate(cells):
            self.zero(atom(start + i, -cell))
        self.opcodes.append(acir.memory(self._memories, range(start, start + len(cells))))
        self.gates += ENTRY_GATES * len(cells)
        self._memories += 1
        return self._memories - 1

    def read(self, table: int, index: int, value: int) -> None:
        """Witness `value` is the entry of a table at witness `index`, which it must have."""
        self.opcodes.append(acir.read(table, index, value))
        self.gates += READ_GATES

    # --- hashing ----------------------------------------------------------------------------

    def sponge(self, initial: int, elements: Sequence[Expression]) -> Expression:
        """The sponge of `commitment` over expressions; its first word."""
        state = [constant(0), constant(0), constant(0), constant(initial)]
        for start in range(0, len(elements), RATE):
            group = elements[start : start + RATE]
            state = [
                state[i].plus(group[i]) if i < len(group) else state[i] for i in range(RATE + 1)
            ]
            state = self._permuted(state)
        return state[0]

    def _permuted(self, state: Sequence[Expression]) -> list[Expression]:
        inputs = [_named(x) for x in state]
        missing = [x for x, known in zip(state, inputs, strict=True) if known is None]
        fresh = iter(self.defined(missing)) if missing else iter(())
        words = [next(fresh).linear[0][1] if known is None else known for known in inputs]

        def recipe(s: Solution) -> State:
            a, b, c, d = (s.witness[w] % FIELD_MODULUS for w in words)
            return permute((a, b, c, d))

        start = self.allocate(RATE + 1, recipe)
        self.opcodes.append(acir.poseidon2(words, range(start, start + RATE + 1)))
        self.gates += PERMUTATION_GATES
        return [atom(start + i) for i in range(RATE + 1)]

    def packed(self, naturals: Sequence[Expression], bits: int) -> list[Expression]:
        """Expressions below 2**bits, as many in one field element as fit, the first lowest."""
        per = values_per_element(bits)
        return [
            total(x.scaled(1 << (bits * i)) for i, x in enumerate(naturals[start : start + per]))
            for start in range(0, len(naturals), per)
        ]

    def packed_blocks(self, blocks: Sequence[Block]) -> list[Expression]:
        """Witnesses of several widths in field elements, laid out by `layouts`."""
        widths = {b.bits for b in blocks}
        waiting = {
            bits: iter([w for b in blocks if b.bits == bits for w in b.witnesses()])
            for bits in widths
        }
        sizes = {bits: sum(b.size for b in blocks if b.bits == bits) for bits in widths}
        return [
            Expression((), tuple((1 << at, next(waiting[bits])) for at, bits in layout), 0)
            for layout, elements in layouts(sizes)
            for _ in range(elements)
        ]

    def tensor_digest(
        self, role: HashRole, naturals: Sequence[Expression], bits: int, salt: Expression
    ) -> Expression:
        """Commitment of a flat tensor whose values, shifted, are below 2**bits."""
        elements = [salt, *self.packed(naturals, bits)]
        return self.sponge(capacity_word(role, bits, len(naturals)), elements)

    # --- results ----------------------------------------------------------------------------

    def bytecode(self) -> bytes:
        """The circuit as bb reads it."""
        return acir.bytecode(self.opcodes, self.count, self.public)

    def program_file(self) -> bytes:
        """The same as the JSON file that Noir's compiler writes."""
        return acir.program_file(self.opcodes, self.count, self.public)

    def solve(self, public: Sequence[int], values: list[IntegerArray], salt: int) -> list[int]:
        """All witnesses, canonical; `public` are the leading ones that the circuit is given."""
        solution = Solution(values, [0] * self.public, salt)
        solution.witness[: len(public)] = public
        for _, recipe in self.recipes:
            solution.witness.extend(recipe(solution))
        for place, expression in self._published:
            solution.witness[place] = solution.of(expression)
        return [w % FIELD_MODULUS for w in solution.witness]


def _named(expression: Expression) -> int | None:
    """The witness that an expression is; None if it is more than that."""
    if expression.products or expression.constant or len(expression.linear) != 1:
        return None
    ((factor, witness),) = expression.linear
    return witness if factor == 1 else None
