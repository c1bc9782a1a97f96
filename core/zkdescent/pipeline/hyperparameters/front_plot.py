"""Draw a search into a PNG: every setting, the front, the default and the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdescent.pipeline.hyperparameters.findings import Setting, TuneResult
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COST = {
    "seconds": "seconds of all proofs, by the prover's cost model (log scale)",
    "gas": "gas of the run, by the prover's cost model (log scale)",
}
# Okabe and Ito's palette, as in the training curves.
_FRONT, _OTHER, _DEFAULT, _CHOSEN, _INK, _MUTED = (
    "#0072B2", "#9aa5b1", "#D55E00", "#009E73", "#222222", "#666666",
)  # fmt: skip


def plot_front(result: TuneResult, *, title: str) -> bytes:
    """Return a PNG of metric against cost.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    figure = blank_figure(8.6, 5.2)  # says what is missing if matplotlib is
    from matplotlib.ticker import LogFormatter

    axis = figure.subplots()
    factor = 100.0 if result.metric == "accuracy" else 1.0
    every = [s for s in result.settings if s.metric is not None]

    def place(setting: Setting) -> tuple[float, float]:
        return float(setting.cost(result.cost) or 0), factor * (setting.metric or 0.0)

    points = [place(s) for s in every]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    axis.scatter(xs, ys, s=22, color=_OTHER, alpha=0.7, lw=0, label="a setting")
    front = [place(s) for s in result.on_front]
    axis.step(
        [x for x, _ in front],
        [y for _, y in front],
        where="post",
        color=_FRONT,
        lw=1.6,
        marker="o",
        ms=5.5,
        label="the front: none is better in both",
    )
    marks = [(result.default, "D", _DEFAULT, "the project file")] if every else []
    chosen = next((s for s in result.settings if s.number == result.chosen), None)
    if chosen is not None:
        marks.append((chosen, "*", _CHOSEN, "chosen: cheapest that is not below it"))
    for setting, marker, colour, label in marks:
        if setting.metric is None:
            continue
        x, y = place(setting)
        axis.plot(
            x, y, ls="none", marker=marker, ms=15 if marker == "*" else 8, color=colour,
            mec="white", mew=0.8, label=label, zorder=4,
        )  # fmt: skip
        cost = f"{x:.3g} s" if result.cost == "seconds" else f"{x:,.0f} gas"
        value = f"{y:.1f} %" if result.metric == "accuracy" else f"{y:.4g}"
        axis.annotate(
            f"#{setting.number}: {value}, {cost}", (x, y), xytext=(8, -16),
            textcoords="offset points", fontsize=9, color=_INK,
        )  # fmt: skip
    if ys:
        _zoom(axis, ys)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.7)))
    axis.set_xlabel(_COST[result.cost], color=_MUTED)
    unit = ", %" if result.metric == "accuracy" else ""
    axis.set_ylabel(f"{result.metric} on {result.part} data, fixed point{unit}", color=_MUTED)
    axis.set_title(f"{title}: {len(every)} settings", color=_INK, fontweight="bold", loc="left")
    axis.grid(color="#e4e4e4", lw=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(which="both", colors=_MUTED, labelsize=9)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none", fontsize=9)
    return png(figure, dpi=150)


def _zoom(axis: Axes, values: list[float]) -> None:
    """Leave out what is far below the rest: settings that hardly learn would flatten the front."""
    ordered = sorted(values)
    low = ordered[len(ordered) // 5]
    high = ordered[-1]
    margin = max(high - low, abs(high) * 0.01) * 0.35
    axis.set_ylim(low - margin, high + margin)
