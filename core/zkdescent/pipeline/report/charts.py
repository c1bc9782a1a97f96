"""Charts as inline SVG: no script, no font, no style attribute; colours come from the page's CSS.

Drawn at about the size at which they are shown, so that text stays text-sized on a phone. What a
curve says is told by shape as well as by colour, and each picture has a title and a description.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 460, 250
_RIGHT, _TOP, _BOTTOM = 14, 14, 36
_LETTER = 7.2  # pixels of a digit in the largest common font
_MOST_POINTS = 400  # a screen has no more columns
_MOST_MARKS = 24

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line, or marks where ``marks``; ``style`` is a class of the page's CSS."""

    name: str
    style: str
    points: Points
    marks: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values with ticks at round numbers, drawn from ``start`` to ``end`` (pixels)."""

    low: float
    high: float
    ticks: tuple[float, ...]
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is, in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def axis(
    values: Sequence[float], start: float, end: float, *, zero: bool = False, whole: bool = False
) -> Axis:
    """Choose a range around values; the same for equal values, never empty.

    Args:
        zero: begin at zero.
        whole: ticks at whole numbers only.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = min(0.0, low) if zero else low
    if high - low < 1e-12 * max(1.0, abs(high)):
        high = low + max(1.0, abs(low)) * 0.1
    step = _round_step((high - low) / 4, whole=whole)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(first * step, last * step, ticks, start, end)


def _round_step(rough: float, *, whole: bool) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    nice = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    return float(max(1, math.ceil(nice))) if whole else nice


def line_chart(
    title: str,
    description: str,
    curves: Sequence[Curve],
    *,
    x_label: str = "update steps",
    write: Callable[[float], str] = "{:g}".format,
    zero: bool = False,
) -> Markup:
    """Return a chart of curves over steps; an empty frame if there are no points."""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    up = axis(ys, HEIGHT - _BOTTOM, _TOP, zero=zero)
    left = _margin(up, write)
    across = axis(xs, left, WIDTH - _RIGHT, whole=True)
    if xs:  # the data's own ends: a curve should fill its frame
        across = Axis(min(xs), max(max(xs), min(xs) + 1), across.ticks, left, WIDTH - _RIGHT)
    parts = [_grid(across, up, x_label, write)]
    # Marks last: a line on top of them would hide that both agree.
    ordered = sorted(curves, key=lambda c: c.marks)
    parts += [_marks(c, across, up) if c.marks else _line(c, across, up) for c in ordered]
    return _picture(title, description, parts)


def bar_chart(
    title: str,
    description: str,
    bars: Sequence[tuple[str, float | None, str]],
    *,
    x_label: str,
    write: Callable[[float], str] = "{:g}".format,
    level: float | None = None,
    level_name: str = "",
) -> Markup:
    """Return a chart of (label, value, CSS class) bars; a value of None leaves a gap.

    Args:
        level: a value to draw a line at.
    """
    values = [v for _, v, _ in bars if v is not None] + ([] if level is None else [level])
    up = axis(values, HEIGHT - _BOTTOM, _TOP, zero=True)
    edge = _margin(up, write)
    width = (WIDTH - edge - _RIGHT) / max(1, len(bars))
    parts = [_levels(up, edge, write), _caption(x_label)]
    every = max(1, math.ceil(len(bars) / 14))
    for place, (label, value, style) in enumerate(bars):
        left, thick = edge + place * width, max(0.6, width * 0.72)
        middle = left + width / 2
        if value is not None:
            tip = Markup("<title>{}: {}</title>").format(label, write(value))
            # A value of zero is a mark, not nothing.
            tall = max(1.0, HEIGHT - _BOTTOM - up.at(value))
            box = (middle - thick / 2, HEIGHT - _BOTTOM - tall, thick, tall)
            parts.append(_bar(style, box, tip))
        if place % every == 0:
            parts.append(_text(middle, HEIGHT - _BOTTOM + 14, label, "tick", "middle"))
    if level is not None:
        y = up.at(level)
        rule = Markup('<line class="level" x1="{}" y1="{}" x2="{}" y2="{}"/>')
        parts.append(rule.format(edge, y, WIDTH - _RIGHT, y))
        parts.append(_text(WIDTH - _RIGHT, y - 4, level_name, "tick", "end"))
    return _picture(title, description, parts)


def _bar(style: str, box: tuple[float, float, float, float], tip: Markup) -> Markup:
    """A bar at (x, y, width, height)."""
    place = '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>'
    return Markup(place).format(style, *box, tip)


def _picture(title: str, description: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "<title>{}</title><desc>{}</desc>{}</svg>"
    ).format(WIDTH, HEIGHT, f"{title}. {description}", title, description, Markup("").join(parts))


def _grid(across: Axis, up: Axis, x_label: str, write: Callable[[float], str]) -> Markup:
    parts = [_levels(up, across.start, write), _caption(x_label)]
    for tick in across.ticks:
        if across.low <= tick <= across.high:
            x = across.at(tick)
            parts.append(_text(x, HEIGHT - _BOTTOM + 14, f"{tick:g}", "tick", "middle"))
    return Markup("").join(parts)


def _margin(up: Axis, write: Callable[[float], str]) -> float:
    """Room for the labels of the vertical axis."""
    return max(30.0, 10 + _LETTER * max(len(_label(tick, write)) for tick in up.ticks))


def _label(tick: float, write: Callable[[float], str]) -> str:
    """A tick as it is written, or in short: values may be of any size."""
    return written if len(written := write(tick)) <= 12 else f"{tick:.2g}"


def _levels(up: Axis, left: float, write: Callable[[float], str]) -> Markup:
    parts = []
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(
            Markup('<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
                left, y, WIDTH - _RIGHT, y
            )
        )
        parts.append(_text(left - 7, y + 4, _label(tick, write), "tick", "end"))
    return Markup("").join(parts)


def _caption(label: str) -> Markup:
    return _text(WIDTH - _RIGHT, HEIGHT - 5, label, "tick", "end")


def _text(x: float, y: float, content: str, style: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        style, x, y, anchor, content
    )


def _line(curve: Curve, across: Axis, up: Axis) -> Markup:
    points = _thinned(curve.points, _MOST_POINTS)
    path = " ".join(f"{across.at(x)},{up.at(y)}" for x, y in points)
    return Markup('<polyline class="line {}" points="{}"/>').format(curve.style, path)


def _marks(curve: Curve, across: Axis, up: Axis) -> Markup:
    return Markup("").join(
        Markup('<circle class="mark {}" cx="{}" cy="{}" r="3.6"/>').format(
            curve.style, across.at(x), up.at(y)
        )
        for x, y in _thinned(curve.points, _MOST_MARKS)
    )


def _thinned(points: Points, most: int) -> Points:
    """Evenly chosen points, both ends among them."""
    if len(points) <= most:
        return points
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
