"""Circuits on Barretenberg are filled, never overfilled, and never silently left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.barretenberg import toolchain
from zkdescent.circuits.barretenberg.cost import estimate
from zkdescent.core.errors import ConfigError, ProverError, ToolMissing
from zkdescent.pipeline.benchmark import _run, run_benchmark
from zkdescent.pipeline.benchmark._cases import FASTEST, LEAST_GAS, linear_case, mlp_case
from zkdescent.pipeline.benchmark._honk import choose, fill
from zkdescent.pipeline.benchmark._honk_growth import (
    BATCH,
    PARAMETERS,
    measure_honk_growth,
    planned_honk,
)
from zkdescent.pipeline.benchmark._ours import TracedCase, trace_case
from zkdescent.pipeline.reporting import Reporter


@pytest.fixture(scope="module")
def traced() -> TracedCase:
    """A small linear step."""
    return trace_case(linear_case(8, 4), make_backend("barretenberg"), 0)


@pytest.mark.parametrize("level", [13, 14, 15])
def test_a_circuit_is_filled_and_not_overfilled(traced: TracedCase, level: int) -> None:
    filling = fill(traced, level)
    assert filling is not None
    assert filling.gates == estimate(
        traced.step_request(filling.steps).program, traced.case.arithmetic
    )
    more = estimate(traced.step_request(filling.steps + 1).program, traced.case.arithmetic)
    assert filling.gates + 5 <= 1 << level < more + 5
    assert filling.gates_per_step == filling.gates / filling.steps


def test_a_level_that_holds_no_step_is_not_offered(traced: TracedCase) -> None:
    assert fill(traced, 11) is None
    small = replace(traced, case=replace(traced.case, levels=range(11, 15)))
    assert all(filling.level > 11 for _, filling in choose(small))
    with pytest.raises(ProverError, match="no step of"):
        choose(replace(traced, case=replace(traced.case, levels=range(10, 12))))


def test_seconds_take_the_fewest_gates_per_step_and_gas_the_largest() -> None:
    case = replace(mlp_case(8, 8), levels=range(13, 16))
    traced = trace_case(case, make_backend("barretenberg"), 0)
    fillings = [f for level in case.levels if (f := fill(traced, level)) is not None]
    names, chosen = zip(*choose(traced), strict=True)
    assert names == (("",) if len(chosen) == 1 else (FASTEST, LEAST_GAS))
    assert chosen[0].gates_per_step == min(f.gates_per_step for f in fillings)
    assert chosen[-1] == fillings[-1]


def test_growth_covers_what_it_says() -> None:
    points, quick = planned_honk(quick=False), planned_honk(quick=True)
    assert {(p.axis, p.freivalds) for p in points} == {
        (axis, freivalds) for axis in (PARAMETERS, BATCH) for freivalds in (True, False)
    }
    counts = [
        sum(q.numel() for q in p.case.module().parameters()) for p in points if p.axis == PARAMETERS
    ]
    assert (min(counts), max(counts)) == (100, 29_929)
    sizes = [p.case.batch_size for p in points if p.axis == BATCH]
    assert (min(sizes), max(sizes)) == (1, 256)
    assert len(quick) == 4
    assert all(p.case.name in {q.case.name for q in points} for p in quick)


def test_an_unproven_point_needs_no_prover_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "run", _none)
    told: list[str] = []
    points = [p for p in planned_honk(quick=True) if p.axis == PARAMETERS]
    found = measure_honk_growth(told.append, points, largest_proven=0)
    assert len(told) == len(found) == 2
    assert not any(p.measured for p in found)
    assert [p.freivalds for p in found] == [True, False]
    assert found[0].gates < found[1].gates
    with pytest.raises(ToolMissing):
        measure_honk_growth(told.append, points, largest_proven=20)


def test_a_missing_prover_ends_the_run_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find", _none)
    with pytest.raises(ToolMissing, match="barretenberg too: not here") as caught:
        run_benchmark(Reporter(), quick=True, out=None)
    assert (
        caught.value.hint == "install it; or measure without it: `zkdescent bench --backends ezkl`"
    )


def test_ezkl_alone_does_not_ask_for_the_other_prover(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class ReachedError(Exception):
        """The run has begun."""

    def machine() -> None:
        raise ReachedError

    monkeypatch.setattr(_run, "require_barretenberg", lambda: asked.append("bb"))
    monkeypatch.setattr(_run, "_machine", machine)
    for backends in (("ezkl",), ("ezkl", "barretenberg")):
        with pytest.raises(ReachedError):
            run_benchmark(Reporter(), quick=True, out=None, backends=backends)
    assert asked == ["bb"]


@pytest.mark.parametrize("backends", [(), ("plonky",), ("ezkl", "plonky")])
def test_unknown_provers_are_refused(backends: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such prover"):
        run_benchmark(Reporter(), quick=True, out=tmp_path, backends=backends)


def _none(*_: object, **__: object) -> None:
    raise ToolMissing("not here", hint="install it")
