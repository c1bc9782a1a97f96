"""The pipeline: a fixpoint that is never dearer, keeps what bounds the state, and is explained."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE, BatchShape, step_program
from zkdescent.circuits.bounds import check_step
from zkdescent.circuits.executor import execute
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint, dequantize, quantize
from zkdescent.circuits.passes import Pass, optimise
from zkdescent.circuits.passes.explain import LowerWith, explain_lowering
from zkdescent.circuits.passes.naive import NaiveArithmetic, compare_for_each_reader
from zkdescent.circuits.placement import candidates
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.symbolic import Arithmetic
from zkdescent.circuits.trace import StateLayout
from zkdescent.core.errors import RangeOverflow

FIXED, DIGITS = FixedPoint(), Digits(15)
SHAPE = BatchShape(batch_size=4, features=3, targets=1)
Step = tuple[fx.GraphModule, StateLayout]


def cost(program: Program) -> float:
    return rows(program, DIGITS)


@pytest.fixture(scope="module")
def step(traced: Callable[..., Any]) -> Step:
    """A perceptron under gradient descent on the squared error."""
    torch.manual_seed(0)
    model = traced(
        nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)),
        loss=nn.functional.mse_loss,
        learning_rate=0.05,
        batch_size=SHAPE.batch_size,
        features=SHAPE.features,
        targets=SHAPE.targets,
    )
    return model.graph, model.layout


def inputs_of(layout: StateLayout, steps: int) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    state, batch = draw.normal(0, 0.4, layout.size), draw.normal(size=steps * SHAPE.size)
    return {
        CONTEXT: np.zeros(1, dtype=object),
        STATE: quantize(state, FIXED.fraction_bits, what="state"),
        BATCH: quantize(batch, FIXED.fraction_bits, what="batch"),
    }


@pytest.mark.parametrize("everywhere", [False, True], ids=["rounded nowhere", "everywhere"])
def test_three_steps_stay_the_same_bit_for_bit(step: Step, everywhere: bool) -> None:
    graph, layout = step
    rescaled = candidates(graph) if everywhere else frozenset(("addmm", "addmm_1"))
    program = step_program(graph, layout, SHAPE, steps=3, fixed=FIXED, rescaled=rescaled)
    optimised = optimise(program, cost)
    given = inputs_of(layout, 3)
    assert (execute(optimised.program, given, FIXED) == execute(program, given, FIXED)).all()
    assert len(optimised.program.nodes) < len(program.nodes)
    assert cost(optimised.program) < cost(program) < float("inf")
    assert optimise(optimised.program, cost).program == optimised.program
    bounds: dict[str, Any] = {"state": DIGITS.bound(20), "batch": DIGITS.bound(20)}
    check_step(optimised.program, **bounds, gadget=DIGITS.bound)


def test_a_cancelled_rescale_still_bounds_the_state() -> None:
    def program(checked: bool) -> Program:
        b = Builder()
        state = b.shift_left(b.input(STATE, 3), 7)
        return b.finish(b.rescale(state, 4, 20) if checked else b.shift_left(state, 2))

    bounds: dict[str, Any] = {"state": DIGITS.bound(20), "batch": 1, "gadget": DIGITS.bound}
    optimised = optimise(program(checked=True), cost).program
    assert optimised.count(Op.RESCALE) == 0
    assert optimised.count(Op.RANGE_CHECK) == 3
    check_step(optimised, **bounds)
    with pytest.raises(RangeOverflow, match="not bounded"):
        check_step(optimise(program(checked=False), cost).program, **bounds)


def _two_ops(program: Program) -> Program:
    """A pass that makes every program dearer: the output is negated twice more."""
    b = Builder()
    (name,) = program.inputs
    x = b.input(name, program.nodes[program.output].size)
    for _ in range(program.count(Op.MUL) // 3 + 2):
        x = b.mul(x, b.constant(-1))
    return b.finish(x)


def test_what_is_dearer_is_undone() -> None:
    b = Builder()
    program = b.finish(b.mul(b.input("x", 3), b.constant(3)))
    undone = optimise(program, cost, (_two_ops,))
    assert undone.program == program
    (report,) = undone.reports
    assert (report.name, report.rows_after) == ("_two_ops", report.rows_before)
    kept = optimise(program, lambda p: -cost(p), (_two_ops,))
    assert kept.program != program


def test_reports_add_up(step: Step) -> None:
    graph, layout = step
    program = step_program(graph, layout, SHAPE, steps=2, fixed=FIXED, rescaled=candidates(graph))
    optimised = optimise(program, cost)
    reports = optimised.reports
    assert (reports[0].rows_before, reports[0].nodes_before) == (cost(program), len(program.nodes))
    for first, second in pairwise(reports):
        assert first.rows_after == second.rows_before
        assert first.nodes_after == second.nodes_before
    assert reports[-1].rows_after == cost(optimised.program)
    assert all(r.rows_after <= r.rows_before for r in reports)


def lower_with(graph: fx.GraphModule, layout: StateLayout) -> LowerWith:
    """One step with a chosen arithmetic."""
    return lambda arithmetic, rescaled: step_program(
        graph, layout, SHAPE, steps=1, fixed=FIXED, rescaled=rescaled, arithmetic=arithmetic
    )


def test_each_stage_is_explained(step: Step) -> None:
    graph, layout = step
    rescaled = frozenset(("addmm",))
    lower = lower_with(graph, layout)
    found = explain_lowering(lower, cost, everywhere=candidates(graph), rescaled=rescaled)
    names = [s.name for s in found.stages]
    assert names[:2] == ["coefficient_folding", "rescale_placement"]
    assert "share_comparisons" in names
    for first, second in pairwise(found.stages):
        assert first.rows_after == second.rows_before
    saving = {s.name for s in found.stages if s.rows_after < s.rows_before}
    assert saving >= {"coefficient_folding", "rescale_placement", "share_comparisons"}
    assert found.rows == cost(found.program) < found.rows_naive
    assert found.factor == found.rows_naive / found.rows > 1.3
    # What is explained is what is proven.
    proven = optimise(lower(Arithmetic, rescaled), cost).program
    assert cost(proven) == found.rows
    given = inputs_of(layout, 1)
    assert (execute(proven, given, FIXED) == execute(found.program, given, FIXED)).all()


def test_the_naive_program_computes_the_same_step_less_exactly(step: Step) -> None:
    graph, layout = step
    lower, given = lower_with(graph, layout), inputs_of(layout, 1)
    naive = lower(NaiveArithmetic, candidates(graph))
    folded = lower(Arithmetic, candidates(graph))
    assert naive.count(Op.RESCALE) > folded.count(Op.RESCALE)
    values = [dequantize(execute(p, given, FIXED), 12) for p in (naive, folded)]
    assert np.abs(values[0] - values[1]).max() < 8 / (1 << 12)


def test_without_sharing_every_reader_compares() -> None:
    build: Callable[[Builder, int], int] = lambda b, m: b.concat([b.neg(m), b.shift_left(m, 1)])  # noqa: E731
    b = Builder()
    mask = b.is_positive(b.input("x", 4), 10)
    program = b.finish(build(b, mask))
    apart = compare_for_each_reader(program)
    assert apart.count(Op.IS_POSITIVE) == 2 * program.count(Op.IS_POSITIVE)
    shared = optimise(apart, cost)
    assert shared.program.count(Op.IS_POSITIVE) == program.count(Op.IS_POSITIVE)
    single: Pass = lambda p: p  # noqa: E731
    assert optimise(apart, cost, (single,)).program.count(Op.IS_POSITIVE) == 8
