"""Placement of rescales: never dearer than rounding everywhere, and deterministic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from zkdescent.circuits.assemble import place_inference_rescales, place_step_rescales
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Op, Program
from zkdescent.core.errors import RangeOverflow

Trace = Callable[..., Any]
THREE_LEGS = FixedPoint(decomposition_base=1 << 10, decomposition_legs=3)


def models(traced: Trace) -> list[Any]:
    hidden = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    return [
        traced(nn.Linear(3, 1)),
        traced(nn.Linear(3, 1), loss="bce", optimizer="momentum"),
        traced(hidden, optimizer="momentum"),
        traced(hidden, loss="bce"),
    ]


@pytest.mark.parametrize("fixed", [FixedPoint(), THREE_LEGS], ids=["two legs", "three legs"])
@pytest.mark.parametrize("which", range(4))
def test_never_dearer_than_rounding_everywhere(
    traced: Trace, which: int, fixed: FixedPoint
) -> None:
    model = models(traced)[which]

    def cost(program: Program) -> float:
        return rows(program, fixed)

    chosen = place_step_rescales(model.graph, model.layout, model.batch, fixed, cost)
    again = place_step_rescales(model.graph, model.layout, model.batch, fixed, cost)
    assert chosen == again
    assert chosen <= model.products()
    least, everywhere = model.program(fixed, chosen), model.program(fixed, model.products())
    assert cost(least) < cost(everywhere)
    # Every element of the new state is rounded, or the next proof could not start from it.
    assert least.count(Op.RESCALE) >= model.layout.size


def test_no_single_flip_is_cheaper(traced: Trace) -> None:
    model = traced(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    fixed = FixedPoint()

    def price(chosen: frozenset[str]) -> float:
        try:
            return rows(model.program(fixed, chosen), fixed)
        except RangeOverflow:
            return float("inf")

    chosen = place_step_rescales(
        model.graph, model.layout, model.batch, fixed, lambda p: rows(p, fixed)
    )
    assert all(price(chosen ^ {name}) >= price(chosen) for name in model.products())


def test_an_inference_rounds_its_outputs_only_where_it_pays(traced: Trace) -> None:
    model = traced(nn.Linear(3, 2), targets=2)
    fixed = FixedPoint()
    chosen = place_inference_rescales(
        model.inference, model.layout, 3, fixed, lambda p: rows(p, fixed)
    )
    assert model.inference_program(fixed, chosen).count(Op.RESCALE) == 2


def test_what_fits_nowhere_is_refused_by_name(traced: Trace) -> None:
    model = traced(nn.Linear(3, 1), learning_rate=1e-6)
    narrow = FixedPoint(fraction_bits=16, decomposition_base=1 << 8, decomposition_legs=2)
    with pytest.raises(RangeOverflow) as caught:
        place_step_rescales(model.graph, model.layout, model.batch, narrow, lambda p: 0.0)
    assert caught.value.hint
    assert caught.value.exit_code == 2
