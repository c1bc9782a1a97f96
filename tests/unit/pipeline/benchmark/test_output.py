"""What is written and printed: JSON that holds all figures, pictures, tables with the headline."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from zkdescent.cli.benchmark_tables import benchmark_tables
from zkdescent.pipeline.benchmark import BenchmarkResult, GrowthPoint, Measurement
from zkdescent.pipeline.benchmark._measure import with_range_proof
from zkdescent.pipeline.benchmark._notes import about_load
from zkdescent.pipeline.benchmark._plot import plot_benchmark
from zkdescent.pipeline.benchmark._plot_growth import plot_growth
from zkdescent.pipeline.benchmark._ratios import headlines, ratios_of
from zkdescent.pipeline.benchmark.results import HEADLINE_EPOCHS, PEER

PNG = b"\x89PNG"


@pytest.fixture
def result(step: Measurement, range_proof: Measurement, point: GrowthPoint) -> BenchmarkResult:
    """One case, one configuration, two points of growth."""
    peer = replace(step, system=PEER, seconds_per_step=9.0, gas_per_step=1_200_000.0)
    shared = with_range_proof(step, range_proof, HEADLINE_EPOCHS)
    return BenchmarkResult(
        measurements=(peer, step, shared),
        ratios=(*headlines(peer, [step, shared]), *ratios_of(peer, step)),
        range_proofs=(range_proof,),
        growth=(point, replace(point, x=18, measured=False)),
        circom=None,
        machine={"cpus": 2},
        notes=("a note",),
    )


def test_json_holds_every_figure(result: BenchmarkResult) -> None:
    written = json.loads(json.dumps(result.to_json()))
    assert written["measurements"][2]["seconds_per_step"] == pytest.approx(0.9)
    assert [p["measured"] for p in written["growth"]] == [True, False]
    assert [r["headline"] for r in written["ratios"]][:4] == [True, True, True, False]
    assert written["circom"] is None


def test_tables_show_headline_and_where_growth_comes_from(result: BenchmarkResult) -> None:
    page = Console(file=io.StringIO(), width=200, record=True)
    for table in benchmark_tables(result):
        page.print(table)
    text = page.export_text()
    assert "10.0x" in text
    assert "proof" in text
    assert "model" in text
    assert "Growth" in text


def test_a_quick_run_prints_no_growth(result: BenchmarkResult) -> None:
    titles = [str(t.title) for t in benchmark_tables(replace(result, growth=()))]
    assert not any("Growth" in title for title in titles)


@pytest.mark.parametrize(("load", "warned"), [([3.9, 1.0, 1.0], True), ([0.4, 5.0, 5.0], False)])
def test_a_busy_machine_is_told(load: list[float], warned: bool) -> None:
    told = about_load({"load_average_before": load, "cpus": 2})
    assert bool(told) is warned
    assert all("not to be trusted" in note for note in told)


def test_pictures_are_drawn(result: BenchmarkResult) -> None:
    assert plot_benchmark(result).startswith(PNG)
    assert plot_growth(result.growth).startswith(PNG)
    assert plot_growth(result.growth) != plot_growth(result.growth[:1])
