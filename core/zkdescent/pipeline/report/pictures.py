"""The charts of a report: which curves, in which words."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from zkdescent.pipeline.report.charts import Curve, bar_chart, line_chart
from zkdescent.pipeline.report.model import Curves, FidelityFacts, ProofFacts, Series
from zkdescent.pipeline.report.text import count, figure, measured, seconds

_NAMES = {"accuracy": "Accuracy", "r2": "R², share of variance explained"}
_STYLES = {
    ("float", "training"): "s-float",
    ("float", "validation"): "s-float-v",
    ("proven", "training"): "s-proven",
    ("proven", "validation"): "s-proven-v",
}
_MOST_BARS = 256


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with its caption and legend: (name, CSS class, whether it is drawn in marks)."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, str, bool], ...] = ()


def curve_pictures(curves: Curves) -> list[Picture]:
    """Loss, headline metric, and how far proven is from float."""
    found = [_trajectories(f"Loss ({curves.loss})", curves.losses, "loss")]
    if curves.metrics:
        name = _NAMES.get(curves.metric, curves.metric)
        found.append(_trajectories(name, curves.metrics, curves.metric))
    if curves.gap:
        title = "Price of fixed point"
        worst = max(value for _, value in curves.gap)
        text = f"Absolute difference of the loss, proven against float; at most {worst:.2g}"
        curve = Curve("difference of the loss", "s-ink", curves.gap)
        svg = line_chart(title, text, [curve], write=_scientific, zero=True)
        found.append(Picture(title, svg, (("|proven − float|, loss", "s-ink", False),)))
    return found


def _trajectories(title: str, series: tuple[Series, ...], metric: str) -> Picture:
    drawn = [
        Curve(
            name=f"{s.run}, {s.part}",
            style=_STYLES.get((s.run, s.part), "s-ink"),
            points=[(float(x), 100 * y if metric == "accuracy" else y) for x, y in s.points],
            marks=s.run == "proven",
        )
        for s in series
    ]
    ends = "; ".join(f"{s.run}, {s.part}: {measured(s.points[-1][1], metric)}" for s in series)
    write = (lambda v: f"{v:g} %") if metric == "accuracy" else (lambda v: f"{v:.3g}")
    svg = line_chart(title, f"At the end {ends}", drawn, write=write, zero=metric == "loss")
    return Picture(title, svg, tuple((c.name, c.style, c.marks) for c in drawn))


def fidelity_pictures(fidelity: FidelityFacts) -> list[Picture]:
    """Distance of the parameters by step, and of the metric by fraction bits."""
    title = "Largest difference of a parameter"
    worst = max((value for _, value in fidelity.differences), default=0.0)
    text = f"By update step, at {fidelity.fraction_bits} fraction bits; at most {worst:.2g}"
    curve = Curve("largest difference", "s-ink", fidelity.differences)
    found = [Picture(title, line_chart(title, text, [curve], write=_scientific, zero=True))]
    if fidelity.trials:
        found.append(_trials(fidelity))
    return found


def _trials(fidelity: FidelityFacts) -> Picture:
    accuracy = fidelity.metric == "accuracy"
    factor, unit = (100.0, ", percentage points") if accuracy else (1.0, "")
    title = f"Distance from float, {fidelity.metric}{unit}"
    bars = [
        (
            str(trial.fraction_bits),
            None if trial.gap is None else factor * trial.gap,
            "bar good" if trial.within else "bar poor",
        )
        for trial in fidelity.trials
    ]
    good = [str(t.fraction_bits) for t in fidelity.trials if t.within]
    text = f"Within the tolerance: {', '.join(good) or 'none'} fraction bits"
    svg = bar_chart(
        title, text, bars, x_label="fraction bits", write=lambda v: f"{v:.2g}",
        level=None if fidelity.tolerance is None else factor * fidelity.tolerance,
        level_name="tolerance",
    )  # fmt: skip
    return Picture(title, svg)


def proof_pictures(proofs: tuple[ProofFacts, ...]) -> list[Picture]:
    """Seconds and memory by proof; nothing where nothing was measured."""
    shown = [p for p in proofs if p.role != "range"][:_MOST_BARS]
    found = []
    times = [p.seconds for p in shown if p.seconds is not None]
    if times:
        title = "Seconds proving, by block proof"
        text = f"{count(len(times))} proofs, {seconds(min(times))} to {seconds(max(times))}"
        bars = [(str(p.index), p.seconds, "bar") for p in shown]
        svg = bar_chart(title, text, bars, x_label="block proof", write=lambda v: f"{v:.3g} s")
        found.append(Picture(title, svg))
    peaks = [p.peak_memory_mb for p in shown if p.peak_memory_mb is not None]
    if peaks:
        title = "Peak memory, by block proof"
        text = f"{figure(min(peaks))} to {figure(max(peaks))} MiB"
        bars = [(str(p.index), p.peak_memory_mb, "bar") for p in shown]
        svg = bar_chart(title, text, bars, x_label="block proof", write=lambda v: f"{v:,.0f} MiB")
        found.append(Picture(title, svg))
    return found


def _scientific(value: float) -> str:
    return (
        "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-") if value < 1e-4 else f"{value:g}"
    )
