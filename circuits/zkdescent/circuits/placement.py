"""Where to round: search for the cheapest set of rescales in one update step.

A product adds the fraction bits of its factors; rounding it back costs about ten times the product
itself. Rounding everywhere is always possible but wasteful; rounding nowhere runs out of bits, and
wide numbers make comparisons and later roundings dearer. The best set lies between.

The search prices a program by lowering it, so lowerings are what it spends, within a budget. It
starts from sets that are good for many models, and descends from the best of them: flips of one
graph node, dearest tensors and best former gains first, looking again only near what changed;
then flips of whole classes of nodes (the same operator and shape: the steps of an unrolled
recurrence) and shifts of one rounding along an edge. The result is deterministic and never dearer
than rounding nowhere or everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from torch import fx

from zkdescent.circuits.passes.pipeline import Cost
from zkdescent.circuits.passes.rescalable import Candidates, candidates, rescalable
from zkdescent.circuits.program import DECOMPOSING, Program
from zkdescent.core.errors import RangeOverflow, ZkDescentError

__all__ = [
    "Cost",
    "Explain",
    "Lower",
    "Placement",
    "candidates",
    "place_rescales",
    "search_rescales",
]

Lower = Callable[[frozenset[str]], Program]
Explain = Callable[[Program], ZkDescentError]
"""A backend's error about a program that it prices as infinite; it names the offending value."""

BUDGET = 400
"""Lowerings a search may make."""

_DESCENTS = 3  # starts that are descended from; more found nothing better, measured


@dataclass(frozen=True, slots=True)
class Placement:
    """The cheapest set of rescales that was found.

    Attributes:
        rescaled: names of the graph nodes whose results are rounded back to `fraction_bits`.
        cost: the backend's estimate of the program that results.
        lowerings: programs that were lowered and priced to find it.
        candidates: number of graph nodes that could have been rounded.
    """

    rescaled: frozenset[str]
    cost: float
    lowerings: int
    candidates: int


def place_rescales(
    graph: fx.GraphModule, lower: Lower, cost: Cost, explain: Explain | None = None
) -> frozenset[str]:
    """Return the names alone; see `search_rescales`."""
    return search_rescales(graph, lower, cost, explain=explain).rescaled


def search_rescales(
    graph: fx.GraphModule,
    lower: Lower,
    cost: Cost,
    *,
    explain: Explain | None = None,
    budget: int = BUDGET,
) -> Placement:
    """Find the cheapest set of graph nodes whose results are rounded back.

    Args:
        graph: one traced update step or inference.
        lower: builds the program for a given set; may raise RangeOverflow.
        cost: the backend's estimate, lower is better; infinite for what it cannot hold.
        explain: makes the error about a program of infinite cost.
        budget: most lowerings, at least 2.

    Raises:
        RangeOverflow: no set that was tried fits, not even rounding after every product.
    """
    nodes = rescalable(graph)
    search = _Search(nodes, lower, cost, budget)
    best = search.run()
    if search.price(best)[0] == inf:
        raise _misfit(lower(frozenset(nodes.names)), explain)  # lower may raise a better error
    return Placement(best, search.price(best)[0], search.lowerings, len(nodes.names))


def _misfit(program: Program, explain: Explain | None) -> ZkDescentError:
    """The error about a program that fits nowhere."""
    if explain is not None:
        return explain(program)
    widest = max(
        (n for n in program.nodes if n.op in DECOMPOSING),
        key=lambda n: max(n.attributes),
        default=program.nodes[program.output],
    )
    return RangeOverflow(
        f"{widest.label} does not fit the circuit, even if every product is rounded",
        expected="values that the backend has digits for",
        got=f"{widest.op.value} of {max(widest.attributes, default=0)} bits",
        hint="use fewer fraction_bits, or lower [circuit] headroom_bits",
    )


class _BudgetSpent(Exception):  # noqa: N818 - a signal, not an error
    """The search must end with what it has."""


Set = frozenset[str]
Price = tuple[float, int]


class _Search:
    """One search: its cache of prices, and how many lowerings it made."""

    def __init__(self, nodes: Candidates, lower: Lower, cost: Cost, budget: int) -> None:
        self.nodes = nodes
        self.lowerings = 0
        self._lower = lower
        self._cost = cost
        self._budget = max(2, budget)
        self._prices: dict[Set, Price] = {}
        # Order in which flips are tried: by what they last gained, at first by tensor size.
        self._gains: dict[str, float] = dict.fromkeys(nodes.names, 0.0)

    def run(self) -> Set:
        """The cheapest set found."""
        try:
            starts = sorted(set(self._starts()), key=self._order)
            if self.price(starts[0])[0] == inf:
                starts = sorted({*starts, *self._nearly_starts()}, key=self._order)
            for start in starts[:_DESCENTS]:
                self._descend(start)
        except _BudgetSpent:
            pass
        return min(self._prices, key=self._order)

    def price(self, chosen: Set) -> Price:
        """Cost, then number of roundings: one that changes nothing is left out."""
        known = self._prices.get(chosen)
        if known is not None:
            return known
        if self.lowerings >= self._budget:
            raise _BudgetSpent
        self.lowerings += 1
        try:
            price = (float(self._cost(self._lower(chosen))), len(chosen))
        except RangeOverflow:
            price = (inf, len(chosen))
        self._prices[chosen] = price
        return price

    def _order(self, chosen: Set) -> tuple[float, int, list[str]]:
        return (*self.price(chosen), sorted(chosen))

    def _starts(self) -> Iterator[Set]:
        """Nowhere, everywhere, and what is best for some models."""
        nodes = self.nodes
        everywhere = frozenset(nodes.names)
        simple = [frozenset[str](), everywhere, nodes.products, nodes.forward, nodes.gradient]
        crossed = [nodes.products & nodes.forward, nodes.products & nodes.gradient]
        classes = [c for c in nodes.classes if c != everywhere]
        for start in [*simple, *crossed, *classes]:
            # The first two are always priced; the rest leave most of the budget to the descents.
            if self.lowerings < max(2, self._budget // 4):
                self.price(start)
                yield start

    def _nearly_starts(self) -> Iterator[Set]:
        """One rounding alone, and all but one: where nothing else fits."""
        everywhere = frozenset(self.nodes.names)
        for name in self.nodes.names:
            for start in (everywhere - {name}, frozenset({name})):
                self.price(start)
                yield start

    def _descend(self, best: Set) -> None:
        if self.price(best)[0] == inf:
            return
        best = self._flip_singly(best, self.nodes.names)
        while True:
            improved = self._first_better(best, self._leaps(best))
            if improved is None:
                return
            best = self._flip_singly(
                improved, [n for n in self.nodes.names if n in best ^ improved]
            )

    def _flip_singly(self, best: Set, names: Iterable[str]) -> Set:
        """Flip one node at a time until no flip of `names`, or near an accepted one, is cheaper."""
        waiting = set(names)
        while waiting:
            name = min(waiting, key=lambda n: (-self._gains[n], self.nodes.rank[n]))
            waiting.remove(name)
            flipped = best ^ {name}
            gain = self.price(best)[0] - self.price(flipped)[0]
            self._gains[name] = gain
            if self.price(flipped) < self.price(best):
                best = flipped
                self._gains[name] = -gain  # what flipping it back would gain
                waiting |= self.nodes.neighbours[name]
        return best

    def _leaps(self, best: Set) -> Iterator[Set]:
        """Classes on or off, roundings moved by one edge, then single flips everywhere."""
        for group in self.nodes.classes:
            yield best | group
            yield best - group
        for name in sorted(best, key=self.nodes.rank.__getitem__):
            for other in sorted(
                self.nodes.neighbours[name] - best, key=self.nodes.rank.__getitem__
            ):
                yield best ^ {name, other}
        for name in self.nodes.names:  # what changed far away may matter after all
            yield best ^ {name}

    def _first_better(self, best: Set, offers: Iterable[Set]) -> Set | None:
        return next((o for o in offers if self.price(o) < self.price(best)), None)
