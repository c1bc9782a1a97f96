"""Draw a story into a PNG: what was proven, what turned out, and what the contract made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdescent.pipeline.defi.story import Story
from zkdescent.train.picture import blank_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MODEL, _GOOD, _BAD = "#222222", "#0072B2", "#009E73", "#D55E00"


def draw_story(story: Story) -> bytes:
    """Return a story's PNG.

    Raises:
        ToolMissing: matplotlib isn't installed.
    """
    figure = blank_figure(10, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    if story.example == "price-volatility":
        _forecasts(above, below, story)
    else:
        _choices(above, below, story)
    for axis in (above, below):
        axis.grid(alpha=0.25)
    figure.suptitle(
        f"{story.example}: {len(story.decisions)} decisions, each with a proof that the contract "
        f"verified; {len(story.refusals)} lies refused",
        fontsize=11,
        color=_INK,
    )
    return png(figure, dpi=130)


def _forecasts(above: Axes, below: Axes, story: Story) -> None:
    days = [d.number for d in story.decisions]
    above.plot(
        days, [d.answer for d in story.decisions], "o-", color=_MODEL, label="proven forecast"
    )
    above.plot(
        days, [d.truth for d in story.decisions], "x--", color=_INK, label="what the week was"
    )
    above.set_ylabel("mean daily move, percent")
    above.set_ylim(bottom=0)
    above.legend(frameon=False, fontsize=9)
    below.step(days, [100 * d.amount for d in story.decisions], where="mid", color=_BAD)
    below.set_ylabel("margin required,\npercent of the position")
    below.set_ylim(bottom=0)
    below.set_xlabel("day")


def _choices(above: Axes, below: Axes, story: Story) -> None:
    is_screen = story.example == "anomaly-autoencoder"
    good, bad = ("usual", "fraudulent") if is_screen else ("paid back", "did not pay back")
    for name, colour, truth in ((good, _GOOD, not is_screen), (bad, _BAD, is_screen)):
        part = [d for d in story.decisions if bool(d.truth) == truth]
        above.plot(
            [d.number for d in part], [d.answer for d in part], "o", color=colour, label=name
        )
    above.axhline(story.threshold, color=_INK, lw=1, ls="--", label="where the contract decides")
    if is_screen:
        above.set_yscale("log")
    above.set_ylabel("error of reconstruction" if is_screen else "score, log-odds of paying back")
    above.legend(frameon=False, fontsize=9)
    colours = [_BAD if bool(d.truth) == is_screen else _GOOD for d in story.decisions]
    below.bar(
        [d.number for d in story.decisions], [d.amount for d in story.decisions], color=colours
    )
    below.set_ylabel("paid out, ether" if is_screen else "limit, ether")
    below.set_xlabel("payment" if is_screen else "applicant")
