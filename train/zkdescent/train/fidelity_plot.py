"""Draw a fidelity report into a PNG: losses, parameter differences, other fraction bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.train.curves import FLOAT_COLOUR, INK, MUTED, PROVEN_COLOUR, style
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class FidelityCurves:
    """What the picture shows; None where there is no finite value.

    Attributes:
        fraction_bits: the declared ones.
        metric: its name and the part of the data, for an axis label.
        steps: update steps of the four series after it.
        trial_bits, trial_gaps: fraction bits tried, and |fixed - float| of the metric at their end.
        tolerance: the gap that is accepted.
    """

    title: str
    fraction_bits: int
    metric: str
    steps: Sequence[int]
    float_loss: Sequence[float | None]
    fixed_loss: Sequence[float | None]
    max_difference: Sequence[float]
    mean_difference: Sequence[float]
    trial_bits: Sequence[int]
    trial_gaps: Sequence[float | None]
    tolerance: float


def plot_fidelity(curves: FidelityCurves) -> bytes:
    """Return a PNG; equal curves give equal bytes with one version of matplotlib.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    figure = blank_figure(13.0, 4.4)
    axes = figure.subplots(1, 3)
    for draw, axis in zip((_losses, _differences, _trials), axes, strict=True):
        draw(axis, curves)
        axis.legend(frameon=False, fontsize=9)
    figure.suptitle(curves.title, fontsize=13, fontweight="bold", color=INK)
    return png(figure, dpi=160)


def _losses(axis: Axes, curves: FidelityCurves) -> None:
    axis.plot(curves.steps, _numbers(curves.float_loss), color=FLOAT_COLOUR, lw=2.4, label="float")
    axis.plot(
        curves.steps,
        _numbers(curves.fixed_loss),
        color=PROVEN_COLOUR,
        lw=1.2,
        ls=(0, (3, 2)),
        label=f"fixed point, {curves.fraction_bits} bits",
    )
    axis.set_title("Training loss")
    axis.set_ylabel("loss")
    style(axis)


def _differences(axis: Axes, curves: FidelityCurves) -> None:
    unit = 2.0**-curves.fraction_bits
    axis.plot(curves.steps, curves.max_difference, color=INK, lw=1.5, label="largest")
    axis.plot(curves.steps, curves.mean_difference, color=MUTED, lw=1.2, ls="--", label="mean")
    axis.axhline(
        unit, color=PROVEN_COLOUR, lw=1, ls=":", label=f"one unit, 2^-{curves.fraction_bits}"
    )
    axis.set_title("Parameters apart")
    axis.set_ylabel("|fixed point - float|")
    axis.set_yscale("log", nonpositive="clip")
    style(axis)


def _trials(axis: Axes, curves: FidelityCurves) -> None:
    done = [(b, g) for b, g in _pairs(curves) if g is not None]
    failed = [b for b, g in _pairs(curves) if g is None]
    axis.plot([b for b, _ in done], [g for _, g in done], color=FLOAT_COLOUR, marker="o", ms=5)
    top = 3 * max([curves.tolerance, *(g for _, g in done)]) or 1.0
    if failed:
        axis.plot(
            failed,
            [top / 2] * len(failed),
            color=PROVEN_COLOUR,
            ls="none",
            marker="x",
            label="did not finish",
        )
    declared = [g for b, g in done if b == curves.fraction_bits]
    if declared:
        axis.plot(
            [curves.fraction_bits],
            declared,
            color=PROVEN_COLOUR,
            ls="none",
            marker="o",
            ms=9,
            label="declared",
        )
    axis.axhline(
        curves.tolerance, color=INK, lw=1, ls=":", label=f"accepted, {curves.tolerance:.2g}"
    )
    axis.set_title("Other fraction bits")
    axis.set_ylabel(f"gap of {curves.metric}")
    # Logarithmic, and linear below a hundredth of the tolerance: a gap may be zero.
    axis.set_yscale("symlog", linthresh=max(curves.tolerance / 100, 1e-12))
    axis.set_ylim(0, top)
    style(axis)
    axis.set_xlabel("fraction bits", color=MUTED)


def _pairs(curves: FidelityCurves) -> list[tuple[int, float | None]]:
    return list(zip(curves.trial_bits, curves.trial_gaps, strict=True))


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
