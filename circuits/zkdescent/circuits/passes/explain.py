"""Where the rows went: a program's cost from the naive compilation to the last pass, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zkdescent.circuits.passes.naive import NaiveArithmetic, compare_for_each_reader
from zkdescent.circuits.passes.pipeline import Cost, PassReport, optimise
from zkdescent.circuits.program import Program
from zkdescent.circuits.symbolic import Arithmetic

LowerWith = Callable[[type[Arithmetic], frozenset[str]], Program]
"""Lowers one step with an arithmetic and the names of the graph nodes that are rounded."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What compiling saved, stage by stage; each stage starts where the one before ended.

    Attributes:
        program: the program after all stages.
        stages: coefficient folding, rescale placement, then each pass as it ran.
    """

    program: Program
    stages: tuple[PassReport, ...]

    @property
    def rows_naive(self) -> float:
        """Rows of the naive program."""
        return self.stages[0].rows_before

    @property
    def rows(self) -> float:
        """Rows of the program that is proven."""
        return self.stages[-1].rows_after

    @property
    def factor(self) -> float:
        """How many times the naive program's rows are those of the result."""
        return self.rows_naive / self.rows


def explain_lowering(
    lower: LowerWith, cost: Cost, *, everywhere: frozenset[str], rescaled: frozenset[str]
) -> Explanation:
    """Compile one step or inference in stages and say what each saves.

    The naive program multiplies constants in where they stand, rounds after every product, and
    compares anew for each reader of a comparison. Coefficient folding carries exact constants
    beside the integers. Rescale placement rounds at `rescaled` only. The passes follow.

    Args:
        everywhere: names of all graph nodes that may be rounded (`placement.candidates`).
        rescaled: the set that `placement` found.

    Raises:
        RangeOverflow: the naive program does not fit the declared arithmetic.
    """
    naive = compare_for_each_reader(lower(NaiveArithmetic, everywhere))
    folded = compare_for_each_reader(lower(Arithmetic, everywhere))
    placed = compare_for_each_reader(lower(Arithmetic, rescaled))
    optimised = optimise(placed, cost)
    stages = (
        _stage("coefficient_folding", naive, folded, cost),
        _stage("rescale_placement", folded, placed, cost),
        *optimised.reports,
    )
    return Explanation(optimised.program, stages)


def _stage(name: str, before: Program, after: Program, cost: Cost) -> PassReport:
    return PassReport(name, cost(before), cost(after), len(before.nodes), len(after.nodes))
