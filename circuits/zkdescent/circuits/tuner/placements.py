"""Where to round, for every circuit size: searched once for each geometry of digits.

How many digits a number takes changes with the size only now and then. Two sizes at which all
programs known so far cost the same have, as far as this graph goes, the same digits; they share
one search, which is by far the dearest part of tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from zkdescent.circuits.program import Program
from zkdescent.core.errors import RangeOverflow

Rescaled = frozenset[str]
Lower = Callable[[Rescaled], Program]
SizedCost = Callable[[Program, int], float]
Search = Callable[[Callable[[Program], float]], Rescaled]
Explain = Callable[[Program, int], str]


class Placements:
    """Names of the graph nodes that are rounded, by circuit size.

    Args:
        lower: builds the program for a placement; raises RangeOverflow if its bits don't fit.
        search: finds a placement for a cost (see `placement.place_rescales`).
        cost: the backend's, of a program at a size.
        explain: what of a program no circuit of a size holds.
        everywhere: all nodes that may be rounded; where that does not fit, nothing does.
    """

    def __init__(
        self, lower: Lower, search: Search, cost: SizedCost, explain: Explain, everywhere: Rescaled
    ) -> None:
        self._lower = lower
        self._search = search
        self._cost = cost
        self._explain = explain
        # The costs of rounding everywhere and nowhere tell geometries apart from the start.
        self._narrowest = lower(everywhere)
        self._programs: dict[Rescaled, Program] = {everywhere: self._narrowest}
        self._found: dict[int, Rescaled] = {}
        self.searches = 0
        self._learn(frozenset())

    def at(self, size: int) -> Rescaled:
        """The placement for circuits of this size.

        Raises:
            RangeOverflow: no placement fits; what does not is named.
        """
        if self._cost(self._narrowest, size) == inf:
            raise RangeOverflow(self._explain(self._narrowest, size))
        if size not in self._found:
            known = self._known(size)
            self._found[size] = self._searched(size) if known is None else known
        return self._found[size]

    def _learn(self, rescaled: Rescaled) -> None:
        if rescaled in self._programs:
            return
        try:
            self._programs[rescaled] = self._lower(rescaled)
        except RangeOverflow:
            return  # what fits nowhere tells nothing apart

    def _known(self, size: int) -> Rescaled | None:
        here = self._signature(size)
        for earlier, found in self._found.items():
            if self._signature(earlier) == here:
                return found
        return None

    def _signature(self, size: int) -> tuple[float, ...]:
        return tuple(self._cost(program, size) for program in self._programs.values())

    def _searched(self, size: int) -> Rescaled:
        self.searches += 1
        self._learn(self._search(lambda program: self._cost(program, size)))
        # What another geometry found may be the better of two local minima here.
        return min(self._programs, key=lambda r: (self._cost(self._programs[r], size), len(r)))
