"""Draw a benchmark into a PNG: a row of panels for each case, a column for each quantity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zkdescent.pipeline.benchmark.results import PEER, BenchmarkResult, Measurement
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, as in the training curves: the peer, then each configuration of ours on
# ezkl, lighter with range proofs, then those on Barretenberg.
_PEER = "#999999"
_EZKL = ("#0072B2", "#56B4E9", "#B6DDF5", "#009E73", "#5FC3A5", "#B5E3D3")
_HONK = ("#D55E00", "#E69F00")
_INK = "#222222"
_PANELS: tuple[tuple[str, Callable[[Measurement], float], str, bool], ...] = (
    ("proving, seconds per step (log scale)", lambda m: m.seconds_per_step, "{:.3g}", True),
    ("verifying, gas per step (log scale)", lambda m: m.gas_per_step, "{:,.0f}", True),
    ("proving keys, MB", lambda m: m.key_mb, "{:.0f}", False),
    ("peak memory, MiB", lambda m: m.peak_memory_mb, "{:.0f}", False),
)


def plot_benchmark(result: BenchmarkResult) -> bytes:
    """Return a PNG of seconds, gas, key size and memory by case and system.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    cases = list(dict.fromkeys(m.case for m in result.measurements))
    heights = [sum(m.case == case for m in result.measurements) for case in cases]
    figure = blank_figure(13, 1.6 + 0.5 * sum(heights))
    axes = figure.subplots(
        len(cases), len(_PANELS), squeeze=False, sharex="col", height_ratios=heights
    )
    for row, case in enumerate(cases):
        rows = [m for m in result.measurements if m.case == case]
        for column, (title, value, form, log) in enumerate(_PANELS):
            axis = axes[row][column]
            _bars(axis, [value(m) for m in rows], form, _colours(rows))
            _scale(axis, [value(m) for m in result.measurements], log)
            if row == 0:
                axis.set_title(title, fontsize=10, color=_INK)
            if column == 0:
                axis.set_yticks(range(len(rows)), [_label(m) for m in rows], fontsize=8)
                axis.tick_params(axis="y", length=0)
                axis.set_ylabel(
                    case.replace(", ", ",\n"), fontsize=9, fontweight="bold", color=_INK
                )
    figure.suptitle("One SGD step, shorter is better", fontsize=12, color=_INK)
    return png(figure, dpi=150)


def _label(measurement: Measurement) -> str:
    """System and steps per proof, in two lines where it is long."""
    name = measurement.system.replace(" + ", "\n+ ").replace(", no", "\nno")
    if "\n" in name:
        return name
    steps = measurement.steps_per_proof
    return f"{name}\n({steps} step{'s' if steps > 1 else ''} per proof)"


def _colours(rows: list[Measurement]) -> list[str]:
    left = {"ezkl": iter(_EZKL), "barretenberg": iter(_HONK)}
    return [_PEER if m.system == PEER else next(left[m.backend]) for m in rows]


def _bars(axis: Axes, values: list[float], form: str, colours: list[str]) -> None:
    axis.barh(range(len(values)), values, color=colours, height=0.72)
    for place, value in enumerate(values):
        text = "  " + form.format(value)
        axis.text(value, place, text, va="center", fontsize=8, color=_INK)
    axis.invert_yaxis()
    axis.set_yticks([])
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _scale(axis: Axes, values: list[float], log: bool) -> None:
    """Give all cases one scale, with room for the figures at the bars' ends."""
    if log:
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter("")
        axis.set_xlim(min(values) / 4, max(values) * 12)
    else:
        axis.set_xlim(0, max(values) * 1.25)
    axis.tick_params(axis="x", labelsize=7, colors=_INK)
