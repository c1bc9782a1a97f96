"""Passes: programs to equal programs that cost less.

Example:
    >>> from zkdescent.circuits.program import Builder
    >>> b = Builder()
    >>> x = b.input("x", 4)
    >>> program = b.finish(b.shift_left(b.shift_left(x, 3), 2))
    >>> optimised = optimise(program, cost=lambda p: float(len(p.nodes)))
    >>> [node.op.value for node in optimised.program.nodes]
    ['input', 'shift_left']
"""

from zkdescent.circuits.passes.fold_constants import fold_constants
from zkdescent.circuits.passes.fuse_multiply_add import fuse_multiply_add
from zkdescent.circuits.passes.linear_sums import gather_linear_sums
from zkdescent.circuits.passes.move_rearrangements import move_rearrangements
from zkdescent.circuits.passes.pipeline import PASSES, Optimised, Pass, PassReport, optimise
from zkdescent.circuits.passes.remove_dead import remove_dead
from zkdescent.circuits.passes.share_comparisons import share_comparisons

__all__ = [
    "PASSES",
    "Optimised",
    "Pass",
    "PassReport",
    "fold_constants",
    "fuse_multiply_add",
    "gather_linear_sums",
    "move_rearrangements",
    "optimise",
    "remove_dead",
    "share_comparisons",
]
