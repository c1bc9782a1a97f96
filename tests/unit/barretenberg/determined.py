"""Which witnesses of a circuit file follow from others, for any prover: by rule, not by example.

A witness is determined if all assignments that satisfy the circuit and agree on what is given agree
on it (Pailoor et al., "Automated Detection of Under-Constrained Circuits in Zero-Knowledge Proofs",
PLDI 2023). The rules are those that our gadgets need. They look at the file alone, and share
nothing with the emission.

| rule | equation; k is known, u, v, ... are range-checked | why |
|---|---|---|
| one unknown | c w = k | c is not zero |
| digits | sum c_i u_i = k | a mixed radix that does not wrap |
| division | D q + r = k, with r + s = D - 1 | r is below D, and nothing wraps |
| root | s^2 + d = k, with d + e = 2 s | the intervals [s^2, s^2 + 2 s] are disjoint |
| interval | entry = (1 + W) k - u + W v + V y | the intervals in the memory are disjoint |
| hash, read | | functions |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from .checker import HASH, RANGE, READ, ZERO, Checker, R


class Equation:
    """sum k w w' + sum k w + constant = 0; coefficients are of the least magnitude."""

    def __init__(
        self, products: list[tuple[int, int, int]], linear: list[tuple[int, int]], constant: int
    ) -> None:
        sums: dict[int, int] = defaultdict(int)
        for k, w in linear:
            sums[w] += k
        self.products = [(_signed(k), a, b) for k, a, b in products if k % R]
        self.linear = {w: _signed(k) for w, k in sums.items() if k % R}
        self.constant = _signed(constant)

    @cached_property
    def squared(self) -> frozenset[int]:
        """Witnesses of its products."""
        return frozenset(w for _, a, b in self.products for w in (a, b))

    @property
    def is_copy(self) -> bool:
        """Whether it says that two witnesses are equal."""
        return not self.products and not self.constant and sorted(self.linear.values()) == [-1, 1]

    @cached_property
    def witnesses(self) -> frozenset[int]:
        """All that occur."""
        return self.squared.union(self.linear)

    def factors(self, witness: int) -> dict[int, int]:
        """By the other factor: coefficients of a witness's products."""
        found: dict[int, int] = defaultdict(int)
        for k, a, b in self.products:
            if witness in (a, b):
                found[b if a == witness else a] += k
        return found


def _signed(value: int) -> int:
    value %= R
    return value - R if value > R // 2 else value


class Analysis:
    """Propagates through a circuit's opcodes.

    Args:
        without: opcodes that are taken as absent.

    Attributes:
        known: determined witnesses.
    """

    def __init__(
        self, checker: Checker, given: Iterable[int], without: frozenset[int] = frozenset()
    ) -> None:
        self.bits: dict[int, int] = {}
        self.equations: list[Equation] = []
        self.hashes: list[tuple[list[int], list[int]]] = []
        self.reads: dict[int, tuple[int, int]] = {}
        self.memories: dict[int, list[int]] = {}
        for index, (kind, a, b, c) in enumerate(checker.opcodes):
            if index in without:
                continue
            if kind == ZERO:
                self.equations.append(Equation(a, b, c))
            elif kind == RANGE:
                self.bits[a] = min(b, self.bits.get(a, b))
            elif kind == HASH:
                self.hashes.append((a, b))
            elif kind == READ:
                self.reads[c] = (a, b)
            else:
                self.memories[a] = b
        self.users: dict[int, list[Equation]] = defaultdict(list)
        for equation in self.equations:
            for w in equation.witnesses:
                self.users[w].append(equation)
        self.constants = {
            w: _signed(-e.constant * pow(k, -1, R))
            for e in self.equations
            if len(e.witnesses) == 1 and not e.products
            for w, k in e.linear.items()
        }
        self.known = {*given, *self.constants}

    def run(self, skip: Callable[[Equation], bool] = lambda _: False) -> None:
        """Apply all rules until nothing new follows; equations that are skipped say nothing."""
        open_ones = [e for e in self.equations if not skip(e)]
        while True:
            before = len(self.known)
            self._linear(open_ones, skip)
            for inputs, outputs in self.hashes:
                if self.known.issuperset(inputs):
                    self.known.update(outputs)
            for value, (_, place) in self.reads.items():
                if place in self.known:
                    self.known.add(value)
            open_ones = [e for e in open_ones if not e.witnesses <= self.known]
            for equation in open_ones:
                self._gadget(equation)
            if len(self.known) == before:
                return

    def is_radix(self, terms: dict[int, int]) -> bool:
        """Whether a sum of range-checked numbers is the sum of no others."""
        total = 0
        for w, k in sorted(terms.items(), key=lambda term: abs(term[1])):
            if w not in self.bits or total >= abs(k):
                return False
            total += abs(k) * ((1 << self.bits[w]) - 1)
        return total < R

    def _linear(self, equations: list[Equation], skip: Callable[[Equation], bool]) -> None:
        waiting = list(equations)
        while waiting:
            equation = waiting.pop()
            found = equation.witnesses - self.known
            if not found or found & equation.squared or skip(equation):
                continue
            if len(found) == 1 or self.is_radix({w: equation.linear[w] for w in found}):
                self.known |= found
                waiting += [e for w in found for e in self.users[w]]

    # --- gadgets ----------------------------------------------------------------------------

    def _gadget(self, equation: Equation) -> None:
        found = equation.witnesses - self.known
        read = found & self.reads.keys()
        if len(read) == 1:
            (entry,) = read
            if self._interval(equation, entry, found - read):
                self.known |= {*found, self.reads[entry][1]}
        elif len(found) == 2 and not read:
            for a in found:
                (b,) = found - {a}
                if a in self.bits and b in self.bits and b in equation.linear:
                    third = self._division(equation, a, b) or self._root(equation, a, b)
                    self.known |= {a, b, third} if third else set()

    def _division(self, equation: Equation, q: int, r: int) -> int | None:
        """The s of: D q + r is known, D is known, and r + s = D - 1."""
        unit, factors = equation.linear[r], equation.factors(q)
        if abs(unit) != 1 or not factors or not factors.keys() <= self.known:
            return None
        divisor = {w: unit * k for w, k in factors.items()}
        less_one = unit * equation.linear.get(q, 0) - 1  # the constant of D - 1
        for other in self.users[r]:
            v = other.linear.get(r, 0)
            rest = {w: -v * k for w, k in other.linear.items() if w != r}
            (s, *more) = [w for w in rest if w not in divisor] or [r]
            if other.products or abs(v) != 1 or more or s not in self.bits or rest.pop(s) != -1:
                continue
            top = max(self.bits[r], self.bits[s]) + 1  # bits of D
            wraps = (1 << top + self.bits[q]) + (1 << self.bits[r]) >= R
            if rest == divisor and -v * other.constant == less_one and not wraps:
                return s
        return None

    def _root(self, equation: Equation, s: int, d: int) -> int | None:
        """The e of: s^2 + d is known, and d + e = 2 s."""
        unit = equation.linear[d]
        if equation.factors(s) != {s: unit} or s in equation.linear or abs(unit) != 1:
            return None
        if d in equation.squared or (1 << 2 * self.bits[s]) + (1 << self.bits[d]) >= R:
            return None
        for other in self.users[d]:
            (e, *more) = other.linear.keys() - {s, d} or {d}
            k = other.linear.get(d, 0)
            is_pair = not other.products and not other.constant and not more and e in self.bits
            if is_pair and other.linear == {d: k, e: k, s: -2 * k}:
                return e
        return None

    def _interval(self, equation: Equation, entry: int, found: frozenset[int]) -> bool:
        """Whether (1 + W) x - low + W high [+ V y] = entry has one place, for a known x.

        (1 + W) x must not wrap besides, which zkdescent.circuits.bounds sees to.
        """
        sign = -equation.linear.get(entry, 0)
        terms = {w: k * sign for w, k in equation.linear.items() if w != entry}
        if abs(sign) != 1 or not found <= self.bits.keys() or found & equation.squared:
            return False
        (low, high, *value) = sorted(found, key=lambda w: terms[w]) if len(found) > 1 else (0, 0)
        if len(value) > 1 or terms.get(low) != -1:
            return False
        weight, written = terms[high], terms[value[0]] if value else 0
        width = max(self.bits[low], self.bits[high])
        of_x = [k for k, _, _ in equation.products] + [
            k for w, k in terms.items() if w not in found
        ]
        is_split = weight >= 1 << width + 2 and not (value and written < weight << width + 2)
        if not is_split or any(k % (1 + weight) for k in (*of_x, equation.constant)):
            return False
        cells = self.memories.get(self.reads[entry][0], [])
        if not cells or not self.constants.keys() >= set(cells):
            return False
        after = None
        for cell in cells:
            bounds = self.constants[cell] % written if written else self.constants[cell]
            last, first = divmod(bounds, weight)
            if not 0 <= first <= last < 1 << width or after not in (None, first):
                return False
            after = last + 1
        return True


def undetermined(
    checker: Checker, given: Iterable[int], without: frozenset[int] = frozenset()
) -> set[int]:
    """Witnesses that do not follow from those given."""
    analysis = Analysis(checker, given, without)
    analysis.run()
    return set(range(checker.witnesses)) - analysis.known
