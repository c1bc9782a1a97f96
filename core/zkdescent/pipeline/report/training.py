"""Curves and fidelity, from what `train`, `compile` and `run` stored.

The stored records are read as plain JSON: their classes live beside torch, and a report is made
without it.
"""

from __future__ import annotations

from typing import Any

from zkdescent.pipeline.artefacts import FIDELITY, METRICS
from zkdescent.pipeline.report.model import Curves, FidelityFacts, Finding, Series, Trial
from zkdescent.pipeline.report.reading import Reading, integer, items, number, table, text

_HEADLINE = {"binary": "accuracy", "multiclass": "accuracy", "regression": "r2"}
Points = tuple[tuple[int, float], ...]


def read_curves(reading: Reading) -> Curves | None:
    """Return the stored trajectories; None and a gap if there are none."""
    stored = table(reading.json(METRICS, "loss and metric curves", "zkdescent train"))
    histories = {run: table(stored[run]) for run in ("float", "proven") if run in stored}
    if not histories:
        return None
    first = next(iter(histories.values()))
    metric = _HEADLINE.get(text(first.get("task")), "loss")
    losses = tuple(s for run, h in histories.items() for s in _series(run, h, "loss"))
    metrics = tuple(s for run, h in histories.items() for s in _series(run, h, metric))
    return Curves(
        loss=text(first.get("loss")),
        metric=metric,
        losses=losses,
        metrics=() if metric == "loss" else metrics,
        gap=_gap(losses),
    )


def _series(run: str, history: dict[str, Any], metric: str) -> list[Series]:
    found = []
    for key, part in (("train", "training"), ("validation", "validation")):
        points = []
        for evaluation in map(table, items(history.get("evaluations"))):
            measured = table(evaluation.get(key))
            values = measured if metric == "loss" else table(measured.get("values"))
            step, value = integer(evaluation.get("step")), number(values.get(metric))
            if step is not None and value is not None:
                points.append((step, value))
        if points:
            found.append(Series(run=run, part=part, points=tuple(sorted(points))))
    return found


def _gap(losses: tuple[Series, ...]) -> Points:
    """Absolute difference of the loss of proven and float, where both are known."""
    for part in ("validation", "training"):
        by_run = {s.run: dict(s.points) for s in losses if s.part == part}
        if {"float", "proven"} <= set(by_run):
            floats, proven = by_run["float"], by_run["proven"]
            return tuple(
                (step, abs(v - floats[step])) for step, v in proven.items() if step in floats
            )
    return ()


def read_fidelity(reading: Reading) -> FidelityFacts | None:
    """Return the stored fidelity report; None and a gap if there is none."""
    stored = table(reading.json(FIDELITY, "fidelity of fixed point", "zkdescent train"))
    if not stored:
        return None
    found = reading.attempt("fidelity of fixed point", lambda: _fidelity(stored))
    return found


def _fidelity(stored: dict[str, Any]) -> FidelityFacts:
    trajectory = [table(entry) for entry in items(stored.get("trajectory"))]
    target = number(stored.get("float_metric"))
    last = trajectory[-1] if trajectory else {}
    reached = last.get("step") == stored.get("steps")
    return FidelityFacts(
        fraction_bits=integer(stored.get("fraction_bits")) or 0,
        steps=integer(stored.get("steps")) or 0,
        total_steps=integer(stored.get("total_steps")) or 0,
        metric=text(stored.get("headline")),
        part=text(stored.get("part")),
        float_metric=target,
        fixed_metric=number(last.get("fixed_metric")) if reached else None,
        tolerance=number(stored.get("tolerance")),
        sufficient_bits=integer(stored.get("sufficient_bits")),
        differences=tuple(
            (step, difference)
            for entry in trajectory
            if (step := integer(entry.get("step"))) is not None
            and (difference := number(entry.get("max_difference"))) is not None
        ),
        worst=_worst(table(stored.get("worst"))),
        headroom=_headroom(stored),
        trials=tuple(_trial(table(t), target) for t in items(stored.get("trials"))),
        findings=tuple(
            Finding(
                kind=text(f.get("kind")), message=text(f.get("message")), hint=text(f.get("hint"))
            )
            for f in map(table, items(stored.get("findings")))
        ),
    )


def _trial(stored: dict[str, Any], target: float | None) -> Trial:
    metric = number(stored.get("metric"))
    return Trial(
        fraction_bits=integer(stored.get("fraction_bits")) or 0,
        metric=metric,
        gap=None if metric is None or target is None else abs(metric - target),
        within=stored.get("within") is True,
        error=text(stored.get("error")),
    )


def _worst(stored: dict[str, Any]) -> str:
    ours, theirs = number(stored.get("fixed_value")), number(stored.get("float_value"))
    if ours is None or theirs is None:
        return ""
    place = f"{text(stored.get('parameter'))}{items(stored.get('index'))}"
    return f"{place} after step {integer(stored.get('step'))}: {ours:.5g} instead of {theirs:.5g}"


def _headroom(stored: dict[str, Any]) -> str:
    peaks = [table(peak) for peak in items(stored.get("peaks"))]
    left = number(peaks[0].get("bits_left")) if peaks else None
    if left is None:
        return ""
    return f"{left:.1f} bits, {text(peaks[0].get('value'))} ({text(peaks[0].get('use'))})"
