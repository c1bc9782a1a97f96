"""Draw a feed's rounds into a PNG: the base fee, what was foretold, and how wrong it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zkdescent.pipeline.feeding.rounds import Round
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GWEI = 1e9
_INK, _FEED, _RULE, _LAST = "#222222", "#D55E00", "#0072B2", "#999999"


def plot_rounds(rounds: Sequence[Round], base_fees: Mapping[int, int], *, title: str) -> bytes:
    """Return a PNG of rounds.

    Args:
        base_fees: wei by block number, of the blocks that the rounds speak of and those between.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    figure = blank_figure(11, 7)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _fees(above, rounds, base_fees)
    _errors(below, rounds, base_fees)
    figure.suptitle(title, fontsize=12, color=_INK)
    return png(figure, dpi=150)


def _fees(axis: Axes, rounds: Sequence[Round], base_fees: Mapping[int, int]) -> None:
    numbers = sorted(base_fees)
    axis.plot(
        numbers, [base_fees[n] / _GWEI for n in numbers], color=_INK, lw=1.2, label="base fee"
    )
    for round_ in rounds:
        axis.plot(
            [round_.window_end, round_.window_end + round_.horizon],
            [round_.base_fee / _GWEI, round_.forecast / _GWEI],
            color=_FEED,
            lw=0.7,
            alpha=0.7,
        )
    ahead = [r.window_end + r.horizon for r in rounds]
    axis.plot(ahead, [r.forecast / _GWEI for r in rounds], "o", ms=4, color=_FEED, label="feed")
    axis.plot(ahead, [r.rule / _GWEI for r in rounds], "x", ms=4, color=_RULE, label="EIP-1559")
    axis.set_ylabel("base fee, gwei", color=_INK)
    axis.legend(loc="best", frameon=False, fontsize=8)
    axis.grid(alpha=0.25)


def _errors(axis: Axes, rounds: Sequence[Round], base_fees: Mapping[int, int]) -> None:
    """Mean absolute errors so far, over the rounds whose block has come."""
    known = [r for r in rounds if r.window_end + r.horizon in base_fees]
    ahead = [r.window_end + r.horizon for r in known]
    lines = (
        ("feed", _FEED, [r.forecast for r in known]),
        ("EIP-1559", _RULE, [r.rule for r in known]),
        ("last value", _LAST, [r.base_fee for r in known]),
    )
    for label, colour, answers in lines:
        total, means = 0.0, []
        for count, (block, answer) in enumerate(zip(ahead, answers, strict=True), start=1):
            total += abs(answer - base_fees[block]) / _GWEI
            means.append(total / count)
        axis.plot(ahead, means, color=colour, lw=1.4, label=label)
    axis.set_ylabel("mean absolute error\nso far, gwei", color=_INK)
    axis.set_xlabel("block", color=_INK)
    axis.legend(loc="best", frameon=False, fontsize=8)
    axis.grid(alpha=0.25)
