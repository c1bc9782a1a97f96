"""Where to round: search for the cheapest set of rescales in one update step.

A product doubles the fraction bits; rounding it back is by far the dearest operation of a circuit
(25 to 31 rows an element with ezkl, against 1 for a product). Rounding everywhere is always
possible but wasteful; rounding nowhere runs out of bits. The search starts from a set that fits
and flips one graph node at a time as long as the backend's cost falls.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx

from zkdescent.circuits.program import Program
from zkdescent.core.errors import RangeOverflow

Lower = Callable[[frozenset[str]], Program]
Cost = Callable[[Program], float]

aten = torch.ops.aten

# Results of these may be rounded. ReLU's is not in it: its gradient finds the shared comparison
# through the unrounded value.
_CANDIDATES = frozenset(
    {
        aten.mm.default,
        aten.addmm.default,
        aten.mul.Tensor,
        aten.add.Tensor,
        aten.sub.Tensor,
        aten.mse_loss_backward.default,
        aten.threshold_backward.default,
        aten.sigmoid_backward.default,
        aten.pow.Tensor_Scalar,
    }
)


def place_rescales(graph: fx.GraphModule, lower: Lower, cost: Cost) -> frozenset[str]:
    """Return the names of the graph nodes whose results are rounded back.

    Args:
        graph: one traced update step or inference.
        lower: builds the program for a given set; raises RangeOverflow if its bits don't fit.
        cost: the backend's estimate, lower is better.

    Raises:
        RangeOverflow: not even rounding after every product fits.
    """
    candidates = [n.name for n in graph.graph.nodes if n.target in _CANDIDATES]

    def price(chosen: frozenset[str]) -> tuple[float, int]:
        """Cost, then size: a rounding that changes nothing is left out."""
        try:
            return cost(lower(chosen)), len(chosen)
        except RangeOverflow:
            return float("inf"), len(chosen)

    def descend(best: frozenset[str]) -> tuple[tuple[float, int], frozenset[str]]:
        best_price = price(best)
        improved = best_price[0] < float("inf")
        while improved:
            improved = False
            for name in candidates:
                flipped = best ^ {name}
                flipped_price = price(flipped)
                if flipped_price < best_price:
                    best, best_price, improved = flipped, flipped_price, True
        return best_price, best

    # One flip at a time stops in local minima; rounding only at one node is a good start often.
    starts = [frozenset[str](), frozenset(candidates), *(frozenset({c}) for c in candidates)]
    best_price, best = min((descend(s) for s in starts), key=lambda found: found[0])
    if best_price[0] == float("inf"):
        lower(frozenset(candidates))  # raises, and names the value that does not fit
    return best
