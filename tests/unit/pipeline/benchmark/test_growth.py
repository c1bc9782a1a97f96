"""Points of the model are marked as such, scaled by what was measured, and their error is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zkdescent.pipeline.benchmark import GrowthPoint
from zkdescent.pipeline.benchmark._growth import (
    BATCH,
    PARAMETERS,
    STEPS,
    measure_growth,
    planned,
    scaled,
    worst_errors,
)


def test_model_is_scaled_by_what_was_measured(point: GrowthPoint) -> None:
    model = replace(point, measured=False, seconds_per_step=1.5)
    measured, estimated = scaled([point, model])
    assert measured.seconds_per_step == 3.0
    assert estimated.seconds_per_step == pytest.approx(3.0)
    assert measured.model_seconds_per_step == pytest.approx(3.0)


def test_a_model_without_proofs_is_not_scaled(point: GrowthPoint) -> None:
    model = replace(point, measured=False, seconds_per_step=1.5)
    assert scaled([model]) == (model,)


def test_errors_are_of_proven_points_only(point: GrowthPoint) -> None:
    far = replace(point, measured=False, model_gas_per_step=1e9)
    seconds, gas = worst_errors(scaled([point, far]))
    assert seconds == pytest.approx(0, abs=1e-12)
    assert gas == pytest.approx(10 / 110)


def test_growth_covers_what_it_says() -> None:
    points = planned()
    assert {p.axis for p in points} == {PARAMETERS, BATCH, STEPS}
    sizes = [p.case.batch_size for p in points if p.axis == BATCH]
    assert (min(sizes), max(sizes)) == (1, 128)
    counts = [sum(q.numel() for q in p.case.module().parameters()) for p in points]
    assert max(counts) >= 3_000
    assert 0 < sum(p.proven for p in points) < len(points)


def test_estimates_need_no_proof_and_say_so() -> None:
    points = [p for p in planned() if not p.proven and p.axis == STEPS]
    told: list[str] = []
    # No chain and no prover is there to be asked.
    found = measure_growth(None, told.append, points)  # type: ignore[arg-type]
    assert len(told) == len(found) == len(points)
    assert not any(p.measured for p in found)
    assert [p.x for p in found] == [p.steps for p in points]
    falling = [p.seconds_per_step for p in found if p.blocks == 1]
    assert falling == sorted(falling, reverse=True)
