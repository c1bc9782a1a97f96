"""The picture of the arms: participation, cost and the parameters inside their rails."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zkdescent.pipeline.staking.arms import ArmResult
from zkdescent.pipeline.staking.judging import costs

_COLOURS = ("#888888", "#1f77b4", "#d62728")
_SMOOTH = 5


def plot_arms(results: Sequence[ArmResult], cost: Callable[..., float]) -> bytes:
    """Return a PNG: over the epochs, means of five of them, and the parameters as they were."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(10, 11), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(5, 1, sharex=True)
    for result, colour in zip(results, _COLOURS, strict=True):
        records = result.records
        epochs = [record.epoch for record in records]
        share = [100 * record.participation for record in records]
        _curve(axes[0], epochs, share, colour)
        _curve(axes[1], epochs, costs(result, cost), colour)
        for k, axis in enumerate(axes[2:]):
            values = [record.parameters.to_json() for record in records]
            names = ("base_reward", "committee_size", "attestation_deadline")
            axis.step(epochs, [v[names[k]] for v in values], color=colour, where="post")
    labels = (
        "participation, % of stake", "cost,\ngwei an increment", "base reward,\ngwei an increment",
        "committee,\nseats", "deadline,\nblocks",
    )  # fmt: skip
    for axis, label in zip(axes, labels, strict=True):
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    for axis, (low, high, _) in zip(axes[2:], results[0].rails, strict=True):
        for rail in (low, high):
            axis.axhline(rail, color="black", linestyle=":", linewidth=1)
    named = zip(results, _COLOURS, strict=True)
    lines = [Line2D([], [], color=colour, label=result.name) for result, colour in named]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines))
    axes[-1].set_xlabel("epoch (dotted: rails)")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _curve(axis: Any, epochs: Sequence[int], values: Sequence[float], colour: str) -> None:
    axis.plot(epochs, values, color=colour, alpha=0.2, linewidth=0.8)
    if len(values) >= _SMOOTH:
        smooth = np.convolve(values, np.ones(_SMOOTH) / _SMOOTH, mode="valid")
        axis.plot(epochs[_SMOOTH - 1 :], smooth, color=colour)
