"""Tables of `zkdescent bench`: the figures, growth, ratios, and last the headline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from zkdescent.cli.output import table

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark import BenchmarkResult, Measurement, Ratio

Cells = tuple[object, ...]


def benchmark_tables(result: BenchmarkResult) -> list[Table]:
    """What a person reads; the headline is last, where it stays on the screen."""
    tables = [_costs(result), _sizes(result)]
    if result.growth:
        tables.append(_growth(result))
    if result.honk_growth:
        tables.append(_honk_growth(result))
    if result.whole_runs:
        tables.append(_whole_runs(result))
    return [*tables, _ratios(result), _headline(result)]


def _costs(result: BenchmarkResult) -> Table:
    columns = (
        "",
        "K",
        "s/step",
        "CPU s/step",
        "gas/step",
        "gateway gas/step",
        "setup s",
        "parameters x samples/s",
    )

    def cells(m: Measurement) -> Cells:
        return (
            m.steps_per_proof,
            m.seconds_per_step,
            m.cpu_seconds_per_step,
            round(m.gas_per_step),
            "" if m.gas_per_step_gateway is None else round(m.gas_per_step_gateway),
            f"{m.setup_seconds:.1f}",
            round(m.samples_per_second_x_parameters) or "",
        )

    rows = list(_by_case((*result.measurements, *result.range_proofs), cells))
    if (c := result.circom) is not None:
        seconds = (c.seconds_per_step, c.cpu_seconds_per_step, "", "", f"{c.setup_seconds:.1f}", "")
        rows += [(c.case, *[""] * 7), (f"  {c.system}", c.steps_per_proof, *seconds)]
    return table("Proving and verifying (K: steps per proof)", columns, rows)


def _sizes(result: BenchmarkResult) -> Table:
    columns = (
        "",
        "logrows",
        "rows/param",
        "cells/param",
        "key MB",
        "peak MiB",
        "proof B",
        "worst error",
    )

    def cells(m: Measurement) -> Cells:
        return (
            m.logrows,
            f"{m.rows_per_parameter:.1f}",
            f"{m.cells_per_parameter:.1f}",
            f"{m.key_mb:.0f}",
            f"{m.peak_memory_mb:.0f}",
            m.proof_bytes,
            f"{m.worst_error:.1e}",
        )

    rows = list(_by_case(result.measurements, cells))
    title = "Sizes (rows or gates, and cells: of one step, per trained parameter)"
    return table(title, columns, rows)


def _by_case(
    measurements: Iterable[Measurement], cells: Callable[[Measurement], Cells]
) -> Iterator[Cells]:
    """A line for each system, under one for its case."""
    grouped: dict[str, list[Cells]] = {}
    for m in measurements:
        grouped.setdefault(m.case, []).append((f"  {m.system}", *cells(m)))
    for case, rows in grouped.items():
        yield case, *[""] * (len(rows[0]) - 1)
        yield from rows


def _growth(result: BenchmarkResult) -> Table:
    columns = (
        "growth with",
        "value",
        "from",
        "logrows",
        "blocks",
        "K",
        "rows/step",
        "s/step",
        "gas/step",
        "peak MiB",
    )
    rows = [
        (
            p.family,
            p.x,
            "proof" if p.measured else "model",
            p.logrows,
            p.blocks,
            p.steps_per_proof,
            round(p.rows_per_step),
            p.seconds_per_step,
            round(p.gas_per_step),
            f"{p.peak_memory_mb:.0f}",
        )
        for p in result.growth
    ]
    return table("Growth on ezkl, without range proofs (K: steps per proof)", columns, rows)


def _honk_growth(result: BenchmarkResult) -> Table:
    columns = (
        "growth with",
        "value",
        "from",
        "logrows",
        "gates",
        "s/step",
        "peak MiB",
        "emitted s",
    )
    rows = [
        (
            p.family,
            p.x,
            "proof" if p.measured else "model",
            p.level,
            round(p.gates),
            p.seconds_per_step,
            f"{p.peak_memory_mb:.0f}",
            f"{p.emission_seconds:.1f}",
        )
        for p in result.honk_growth
    ]
    return table("Growth on Barretenberg, one step per proof", columns, rows)


def _whole_runs(result: BenchmarkResult) -> Table:
    columns = ("steps", "block proofs", "logrows", "s", "s/step", "peak MiB", "gas", "gas/step")
    rows = [
        (
            r.steps,
            f"{r.block_proofs} of 2^{r.step_logrows}",
            r.logrows,
            f"{r.seconds:.1f}",
            r.seconds / r.steps,
            f"{r.peak_memory_mb:.0f}",
            r.gas,
            round(r.gas / r.steps),
        )
        for r in result.whole_runs
    ]
    return table("Whole runs in one transaction: linear 8-1, batch 32, aggregated", columns, rows)


def _ratios(result: BenchmarkResult) -> Table:
    """One line for each pair of measurements, one column for each quantity."""
    lines: dict[tuple[str, str, str], list[Ratio]] = {}
    for r in result.ratios:
        if not r.headline:
            lines.setdefault((r.case, r.against, r.system), []).append(r)
    quantities = list(dict.fromkeys(r.what for ratios in lines.values() for r in ratios))
    rows: list[Cells] = []
    above: tuple[str, str] | None = None
    for (case, against, system), ratios in lines.items():
        if (case, against) != above:
            rows.append((f"{case}: {against} /", *[""] * len(quantities)))
            above = case, against
        rows.append((f"  {system}", *_in_order(ratios, quantities)))
    return table("All ratios; above 1, zkdescent takes less", ("", *quantities), rows)


def _in_order(ratios: Sequence[Ratio], quantities: Sequence[str]) -> list[str]:
    by_name = {r.what: f"{r.ratio:.3g}" for r in ratios}
    return [by_name.get(name, "") for name in quantities]


def _headline(result: BenchmarkResult) -> Table:
    rows = [(r.case, r.what, r.system, f"{r.ratio:.1f}x") for r in result.ratios if r.headline]
    columns = ("case", "what", "zkdescent's side", "ratio")
    return table("ezkl as documented / zkdescent, range checks of inputs included", columns, rows)
