"""Draw growth into a PNG: a column for each thing that grows, a row for each quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from zkdescent.pipeline.benchmark.results import GrowthPoint, HonkPoint
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, as in the training curves.
_COLOURS = ("#0072B2", "#D55E00")
_INK = "#222222"
_ROWS: tuple[tuple[str, Callable[[GrowthPoint], float]], ...] = (
    ("seconds per step", lambda p: p.seconds_per_step),
    ("gas per step", lambda p: p.gas_per_step),
)
_HONK_ROWS: tuple[tuple[str, Callable[[HonkPoint], float]], ...] = (
    ("seconds per step", lambda p: p.seconds_per_step),
    ("gates", lambda p: p.gates),
    ("peak memory, MiB", lambda p: p.peak_memory_mb),
)

P = TypeVar("P", GrowthPoint, HonkPoint)


def plot_growth(points: Sequence[GrowthPoint]) -> bytes:
    """Return a PNG of seconds and gas on ezkl; filled marks are proofs, hollow ones the cost model.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    return _panels(
        points, _ROWS, "on ezkl: filled marks were proven, hollow ones are the cost model's"
    )


def plot_honk_growth(points: Sequence[HonkPoint]) -> bytes:
    """Return a PNG of seconds, gates and memory on Barretenberg; gates are never the model's.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    about = "filled marks were proven, hollow ones are the cost model's (gates: the circuit's)"
    return _panels(points, _HONK_ROWS, f"on Barretenberg: {about}")


def _panels(
    points: Sequence[P], rows: Sequence[tuple[str, Callable[[P], float]]], about: str
) -> bytes:
    axes_of = list(dict.fromkeys(_axis(p) for p in points))
    figure = blank_figure(4.2 * len(axes_of), 0.4 + 3.0 * len(rows))
    panels = figure.subplots(len(rows), len(axes_of), squeeze=False, sharex="col")
    for column, name in enumerate(axes_of):
        families = list(dict.fromkeys(p.family for p in points if _axis(p) == name))
        for row, (title, value) in enumerate(rows):
            panel = panels[row][column]
            for colour, family in zip(_COLOURS, families, strict=False):
                _curve(panel, [p for p in points if p.family == family], value, colour)
            panel.set_xscale("log")
            panel.set_yscale("log")
            _plain_numbers(panel)
            panel.grid(visible=True, color="#DDDDDD", linewidth=0.6)
            panel.tick_params(which="both", labelsize=8, colors=_INK)
            for side in ("top", "right"):
                panel.spines[side].set_visible(False)
            if column == 0:
                panel.set_ylabel(f"{title} (log scale)", fontsize=9, color=_INK)
        panels[0][column].legend(fontsize=8, frameon=False)
        panels[-1][column].set_xlabel(f"{name} (log scale)", fontsize=9, color=_INK)
    figure.suptitle(f"One SGD step {about}", fontsize=10, color=_INK)
    return png(figure, dpi=150)


def _plain_numbers(panel: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten up the side, at powers below; as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, steps in ((panel.xaxis, (1.0,)), (panel.yaxis, (1.0, 2.0, 5.0))):
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_formatter(NullFormatter())


def _axis(point: GrowthPoint | HonkPoint) -> str:
    return point.family.partition(": ")[0]


def _curve(
    panel: Axes,
    points: list[P],
    value: Callable[[P], float],
    colour: str,
) -> None:
    label = points[0].family.partition(": ")[2]
    panel.plot([p.x for p in points], [value(p) for p in points], color=colour, lw=1, label=label)
    for measured, fill in ((True, colour), (False, "white")):
        chosen = [p for p in points if p.measured is measured]
        panel.scatter(
            [p.x for p in chosen],
            [value(p) for p in chosen],
            s=30,
            facecolors=fill,
            edgecolors=colour,
            zorder=3,
        )
