"""The picture of a tuning: the descent, the surface it went over, and what it saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zkdescent.pipeline.tuning.design import COST_UNIT, specs
from zkdescent.pipeline.tuning.experiment import TuningResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_tuning(result: TuningResult, file: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.6), layout="constrained")
    loss, surface, bars = figure.subplots(1, 3)
    _descent(loss, result)
    _surface(surface, result)
    _bars(bars, result)
    figure.savefig(file, dpi=110)


def _coordinates(result: TuningResult) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, 2) and costs (n,) of the measured points."""
    spec = specs()
    at = [
        [(p.batch - spec[0].offset) / spec[0].scale, (p.hold - spec[1].offset) / spec[1].scale]
        for p in result.points
    ]
    costs = [p.measurement.cost(result.gas_per_block) for p in result.points]
    return np.array(at), np.array(costs)


def _descent(axes: Axes, result: TuningResult) -> None:
    """Error of the surrogate on the measured costs after each block of proven steps."""
    at, costs = _coordinates(result)
    steps = np.linspace(0, result.steps, len(result.path))
    errors = []
    for c, b0, b1, a0, a1 in result.path:
        fitted = c + at @ [b0, b1] + (at**2 - 0.5) @ [a0, a1]
        errors.append(np.sqrt(np.mean((COST_UNIT * fitted - costs) ** 2)))
    axes.semilogy(steps, errors, marker="o")
    axes.set_title("Descent: every point is a block of proven steps")
    axes.set_xlabel("update steps")
    axes.set_ylabel("root mean square error, gas a payment")
    axes.grid(alpha=0.3)


def _surface(axes: Axes, result: TuningResult) -> None:
    """Measured costs, the fitted surface, its minimiser, and the way of the live parameters."""
    c, b0, b1, a0, a1 = result.path[-1]
    spec = specs()
    x, y = np.meshgrid(np.linspace(8, 52, 90), np.linspace(-2, 44, 90))
    u, v = (x - spec[0].offset) / spec[0].scale, (y - spec[1].offset) / spec[1].scale
    cost = COST_UNIT * (c + b0 * u + b1 * v + a0 * (u**2 - 0.5) + a1 * (v**2 - 0.5))
    lines = axes.contour(x, y, cost, levels=14, cmap="viridis", alpha=0.7)
    axes.clabel(lines, fmt="%d", fontsize=7)
    measured = [p.measurement.cost(result.gas_per_block) for p in result.points]
    dots: Any = axes.scatter(
        [p.batch for p in result.points], [p.hold for p in result.points], c=measured,
        cmap="viridis", s=28, edgecolors="black", linewidths=0.5, label="measured",
    )  # fmt: skip
    dots.set_clim(lines.get_clim())
    way = np.array([result.start, *(move.parameters for move in result.moves)])
    axes.plot(way[:, 0], way[:, 1], "r.-", lw=2, ms=11, label="live parameters, a proof a move")
    target = result.moves[-1].targets if result.moves else result.start
    axes.plot(*target, "k*", ms=13, label="minimiser")
    axes.set_title("Cost of a payment (gas and priced waiting)")
    axes.set_xticks([8, 16, 24, 32, 40, 48], ["2", "4", "8", "16", "32", "64"])
    axes.set_yticks([0, 8, 16, 24, 32, 40], ["1", "2", "4", "8", "16", "32"])
    axes.set_xlabel("payments in a batch")
    axes.set_ylabel("blocks that a credit is held")
    axes.legend(loc="upper right", fontsize=8)


def _bars(axes: Axes, result: TuningResult) -> None:
    """Gas of a held-out payment before and after, and what it waits."""
    runs = (result.before, result.after)
    names = [f"batches of {run.batch_size}\nhold {run.hold}" for run in runs]
    gas = [run.gas_per_payment for run in runs]
    bars = axes.bar(names, gas, color=["tab:gray", "tab:red"], width=0.55)
    notes = [
        f"{run.gas_per_payment:,.0f} gas\n"
        f"waits {run.mean_wait:.1f} blocks, at most {run.longest_wait}"
        for run in runs
    ]
    axes.bar_label(bars, notes, padding=3, fontsize=9)
    axes.set_ylim(0, 1.25 * max(gas))
    axes.set_ylabel("gas a payment, from receipts")
    axes.set_title(f"Held-out workload: {100 * result.saving:.1f} % less gas")
