"""The pipeline: all passes in order, again and again until none changes anything.

A pass never makes a program dearer: what the backend's cost says is dearer is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zkdescent.circuits.passes.fold_constants import fold_constants
from zkdescent.circuits.passes.fuse_multiply_add import fuse_multiply_add
from zkdescent.circuits.passes.linear_sums import gather_linear_sums
from zkdescent.circuits.passes.move_rearrangements import move_rearrangements
from zkdescent.circuits.passes.remove_dead import remove_dead
from zkdescent.circuits.passes.share_comparisons import share_comparisons
from zkdescent.circuits.program import Program

Cost = Callable[[Program], float]
Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (
    share_comparisons,
    move_rearrangements,
    fold_constants,
    gather_linear_sums,
    fuse_multiply_add,
    remove_dead,
)
"""In the order in which they run; each is also correct alone."""

MOST_ROUNDS = 8
"""Bound on the rounds; two or three are usual, the last of which finds nothing."""


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did; rows as the backend's cost counts them, infinite if it cannot hold them.

    An undone pass has equal figures before and after.
    """

    name: str
    rows_before: float
    rows_after: float
    nodes_before: int
    nodes_after: int


@dataclass(frozen=True, slots=True)
class Optimised:
    """A program after all passes, and the passes in the order in which they ran.

    The first round reports every pass, later rounds only those that changed something.
    """

    program: Program
    reports: tuple[PassReport, ...]


def optimise(program: Program, cost: Cost, passes: tuple[Pass, ...] = PASSES) -> Optimised:
    """Run the passes to a fixpoint, in at most `MOST_ROUNDS` rounds.

    Args:
        cost: the backend's estimate, lower is better; infinite for what it cannot hold.

    Returns:
        A program with the same inputs and, for all of them, the same output bit for bit, never
        dearer than the one given.
    """
    reports: list[PassReport] = []
    rows = cost(program)
    for turn in range(MOST_ROUNDS):
        changed = False
        for apply in passes:
            candidate = apply(program)
            differs = candidate != program
            rows_after = cost(candidate) if differs else rows
            kept = differs and rows_after <= rows
            after, rows_after = (candidate, rows_after) if kept else (program, rows)
            if turn == 0 or kept:
                sizes = len(program.nodes), len(after.nodes)
                reports.append(PassReport(apply.__name__, rows, rows_after, *sizes))
            program, rows, changed = after, rows_after, changed or kept
        if not changed:
            break
    return Optimised(program, tuple(reports))
