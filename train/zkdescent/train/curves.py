"""Draw the float trajectory and the proven one into a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdescent.train.metrics import HEADLINE, Evaluation, History
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES_PNG = "train/curves.png"
"""Name of the picture in the artefact store."""

# Okabe and Ito's palette: told apart with any colour vision, and by lightness in grey.
FLOAT_COLOUR, PROVEN_COLOUR, BATCH_COLOUR, INK, MUTED = (
    "#0072B2",
    "#D55E00",
    "#56B4E9",
    "#222222",
    "#666666",
)
_LOSS_UNIT = {"mse": "mean squared error", "bce": "cross-entropy, nats"}
_METRIC = {"accuracy": "accuracy, %", "r2": "R², share of variance explained"}


def plot_curves(
    float_history: History, proven_history: History | None = None, *, title: str = ""
) -> bytes:
    """Return a PNG: loss, the headline metric, and how far proven and float are apart.

    ``proven_history`` is the fixed-point trajectory; without it only float is drawn. Equal
    histories give equal bytes with one version of matplotlib.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    figure = blank_figure(11.5, 4.6)
    headline = HEADLINE["custom"]
    for task, name in HEADLINE.items():
        headline = name if task == float_history.task else headline
    panels = ["loss"] + ([headline] if headline != "loss" else [])
    panels += ["difference"] if proven_history is not None else []
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, axis in zip(panels, axes, strict=True):
        if panel == "difference" and proven_history is not None:
            _difference(axis, float_history, proven_history)
        else:
            _trajectories(axis, float_history, proven_history, panel)
        style(axis)
    figure.suptitle(title or "Training", fontsize=13, fontweight="bold", color=INK)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9
    )
    return png(figure, dpi=160)


def _trajectories(axis: Axes, floats: History, proven: History | None, name: str) -> None:
    if name == "loss" and floats.batch_losses:
        steps = range(len(floats.batch_losses))
        axis.plot(
            steps, floats.batch_losses, color=BATCH_COLOUR, lw=0.8, alpha=0.6, label="mini-batch"
        )
    for is_validation, dash, mark in ((False, "-", "o"), (True, (0, (3, 1.2)), "D")):
        part = "validation" if is_validation else "training"
        if is_validation and floats.last.validation is None:
            continue
        axis.plot(
            *_series(floats, name, validation=is_validation),
            color=FLOAT_COLOUR,
            lw=1.6,
            ls=dash,
            label=f"float, {part}",
        )
        if proven is not None:
            # Points, not a line: the proven states are known where a proof ends, and where all is
            # well they lie on the float curve, which must stay visible.
            axis.plot(
                *_series(proven, name, validation=is_validation),
                color=PROVEN_COLOUR,
                ls="none",
                marker=mark,
                ms=6.0,
                mfc="none" if is_validation else PROVEN_COLOUR,
                mew=1.3,
                alpha=0.85,
                markevery=max(1, len(proven.evaluations) // 24),
                label=f"proven, {part}",
            )
    if name == "loss":
        axis.set_title("Loss")
        axis.set_ylabel(_LOSS_UNIT.get(floats.loss, floats.loss))
        axis.set_ylim(bottom=0)
    else:
        axis.set_title("Accuracy" if name == "accuracy" else "Fit")
        axis.set_ylabel(_METRIC[name])
    _mark_end(axis, proven or floats, name)


def _difference(axis: Axes, floats: History, proven: History) -> None:
    by_step = {evaluation.step: evaluation for evaluation in floats.evaluations}
    pairs = [(by_step[e.step], e) for e in proven.evaluations if e.step in by_step]
    steps = [p.step for _, p in pairs]
    gaps = [abs(_judged(p) - _judged(f)) for f, p in pairs]
    which = "validation" if proven.last.validation is not None else "training"
    axis.plot(steps, gaps, color=INK, lw=1.4, marker="o", ms=3)
    axis.set_title("Price of fixed point")
    axis.set_ylabel(f"|proven − float|, {which} loss", labelpad=8)
    axis.set_ylim(bottom=0)
    axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)


def _series(history: History, name: str, *, validation: bool) -> tuple[list[int], list[float]]:
    factor = 100.0 if name == "accuracy" else 1.0
    values = []
    for evaluation in history.evaluations:
        metrics = evaluation.validation if validation else evaluation.train
        values.append(factor * (metrics or evaluation.train).get(name))
    return [evaluation.step for evaluation in history.evaluations], values


def _mark_end(axis: Axes, history: History, name: str) -> None:
    """Write the last value at the end of the curve: it is what people look for."""
    is_validation = history.last.validation is not None
    steps, values = _series(history, name, validation=is_validation)
    text = f"{values[-1]:.1f} %" if name == "accuracy" else f"{values[-1]:.3g}"
    axis.annotate(
        text,
        (steps[-1], values[-1]),
        xytext=(-4, 10 if name == "loss" else -14),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=INK,
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75},
    )


def style(axis: Axes) -> None:
    """Give an axis the look of all pictures: update steps below, quiet frame."""
    axis.set_xlabel("update steps", color=MUTED)
    axis.title.set_color(INK)
    axis.yaxis.label.set_color(MUTED)
    axis.tick_params(colors=MUTED, labelsize=9)
    axis.grid(axis="y", color="#e4e4e4", lw=0.8)
    axis.set_axisbelow(True)
    axis.margins(x=0.02)
    axis.locator_params(axis="x", integer=True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color("#bbbbbb")


def _judged(evaluation: Evaluation) -> float:
    return (evaluation.validation or evaluation.train).loss
