"""What is written and printed: JSON that holds all figures, pictures, tables with the headline."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from zkdescent.cli.benchmark_tables import benchmark_tables
from zkdescent.pipeline.benchmark import BenchmarkResult, GrowthPoint, HonkPoint, Measurement
from zkdescent.pipeline.benchmark._measure import with_range_proof
from zkdescent.pipeline.benchmark._notes import about_barretenberg, about_honk_growth, about_load
from zkdescent.pipeline.benchmark._plot import plot_benchmark
from zkdescent.pipeline.benchmark._plot_growth import plot_growth, plot_honk_growth
from zkdescent.pipeline.benchmark._ratios import headlines, ratios_of
from zkdescent.pipeline.benchmark.results import HEADLINE_EPOCHS, PEER, WholeRun

PNG = b"\x89PNG"


@pytest.fixture
def result(
    step: Measurement,
    range_proof: Measurement,
    honk: Measurement,
    point: GrowthPoint,
    honk_point: HonkPoint,
) -> BenchmarkResult:
    """A case with a configuration and two points of growth of each prover, one without peer."""
    peer = replace(step, system=PEER, seconds_per_step=9.0, gas_per_step=1_200_000.0)
    shared = with_range_proof(step, range_proof, HEADLINE_EPOCHS)
    return BenchmarkResult(
        measurements=(peer, step, shared, honk, replace(honk, case="large")),
        ratios=(*headlines(peer, [step, shared, honk]), *ratios_of(peer, step)),
        range_proofs=(range_proof,),
        growth=(point, replace(point, x=18, measured=False)),
        honk_growth=(honk_point, replace(honk_point, x=300, measured=False)),
        whole_runs=(WholeRun(256, 2, 18, 21, 60.0, 2000.0, 1_060_000),),
        circom=None,
        machine={"cpus": 2},
        notes=("a note",),
    )


def test_json_holds_every_figure(result: BenchmarkResult) -> None:
    written = json.loads(json.dumps(result.to_json()))
    assert written["measurements"][2]["seconds_per_step"] == pytest.approx(0.9)
    assert [p["measured"] for p in written["growth"]] == [True, False]
    assert [r["headline"] for r in written["ratios"]][:7] == [True] * 6 + [False]
    assert [p["measured"] for p in written["honk_growth"]] == [True, False]
    assert written["circom"] is None


def test_tables_show_headline_and_where_growth_comes_from(result: BenchmarkResult) -> None:
    page = Console(file=io.StringIO(), width=200, record=True)
    for table in benchmark_tables(result):
        page.print(table)
    text = page.export_text()
    assert "10.0x" in text
    assert "proof" in text
    assert "model" in text
    assert "Growth on ezkl" in text
    assert "Growth on Barretenberg" in text
    assert "171.4x" in text  # gas on Barretenberg stands beside ezkl's


def test_growth_that_was_not_measured_has_no_table(result: BenchmarkResult) -> None:
    without = replace(result, growth=(), honk_growth=())
    titles = [str(t.title) for t in benchmark_tables(without)]
    assert not any("Growth" in title for title in titles)


def test_notes_tell_what_was_not_proven(honk_point: HonkPoint) -> None:
    estimated = replace(honk_point, measured=False)
    (told,) = about_honk_growth([honk_point, replace(honk_point, seconds_per_step=1.0), estimated])
    assert "all 3 circuits were emitted and 2 proven" in told
    assert "50%" in told
    assert about_honk_growth([]) == ()


def test_notes_say_that_no_range_proofs_are_needed(honk: Measurement) -> None:
    told = " ".join(about_barretenberg([honk]))
    assert "no range proofs" in told
    assert "2.0 s (c)" in told
    assert about_barretenberg([]) == ()


@pytest.mark.parametrize(("load", "warned"), [([3.9, 1.0, 1.0], True), ([0.4, 5.0, 5.0], False)])
def test_a_busy_machine_is_told(load: list[float], warned: bool) -> None:
    told = about_load({"load_average_before": load, "cpus": 2})
    assert bool(told) is warned
    assert all("not to be trusted" in note for note in told)


def test_pictures_are_drawn(result: BenchmarkResult) -> None:
    assert plot_benchmark(result).startswith(PNG)
    assert plot_growth(result.growth).startswith(PNG)
    assert plot_growth(result.growth) != plot_growth(result.growth[:1])
    assert plot_honk_growth(result.honk_growth).startswith(PNG)
    assert plot_honk_growth(result.honk_growth) != plot_honk_growth(result.honk_growth[:1])
