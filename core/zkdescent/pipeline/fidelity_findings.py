"""What of a fidelity measurement a user should act on, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

import numpy as np
from torch import fx

from zkdescent.circuits.fixed_point import FixedPoint, dyadic
from zkdescent.circuits.trace import StateLayout
from zkdescent.core.records import Record
from zkdescent.pipeline.fidelity_runs import FixedRun, FloatArray, FloatRun, OneStep
from zkdescent.pipeline.fidelity_watch import LostShare, Peak

CONSTANT_ERROR = 0.01
"""Relative error of a constant or state scalar that is worth a word."""

UNMOVED_SHARE = 0.2
"""Of the parameters that float moves in a step, the share that may stay in place."""

VANISHED_SHARE = 0.2
"""Of a value's nonzero elements, the share that may round to zero."""

SATURATED_SHARE = 0.05
"""Of a table's arguments, the share that may lie beyond its ends."""

HEADROOM_BITS = 1.0
"""Bits that should be left above the largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """Something to act on.

    Attributes:
        kind: overflow, divergence, metric, constant, scalar, update, vanished, saturated or
            headroom.
        message: what was found, with figures.
        hint: what to change.
    """

    kind: str
    message: str
    hint: str


def find(
    *,
    step: OneStep,
    floats: FloatRun,
    fixed: FixedRun,
    peaks: Sequence[Peak],
    lost: Sequence[LostShare],
    unmoved: Sequence[float],
    initial_slots: Sequence[FloatArray],
    metric_missed: bool,
    sufficient_bits: int | None,
) -> tuple[Finding, ...]:
    """Everything worth a word, the gravest first.

    Args:
        step: at the declared fraction bits.
        unmoved: by step, the share of moving parameters that stay in place.
        initial_slots: real initial values of the optimizer's tensors, in state order.
        metric_missed: the final metric is not within the tolerance.
        sufficient_bits: the fewest fraction bits that would be.
    """
    bits = step.fixed.fraction_bits
    found: list[Finding] = []
    if fixed.error is not None:
        message = f"step {fixed.steps + 1} overflows: {fixed.error}"
        found.append(Finding(kind="overflow", message=message, hint=fixed.error.hint or ""))
    if floats.error is not None:
        hint = floats.error.hint or ""
        found.append(Finding(kind="divergence", message=str(floats.error), hint=hint))
    if metric_missed:
        enough = "more fraction bits" if sufficient_bits is None else f"{sufficient_bits}"
        message = f"{bits} fraction bits do not follow float closely enough"
        hint = f"[circuit] fraction_bits = {enough}" if sufficient_bits else f"try {enough}"
        found.append(Finding(kind="metric", message=message, hint=hint))
    found += _constants(step.graph, step.fixed)
    found += _scalars(step.layout, fixed, initial_slots)
    found += _updates(unmoved, bits)
    found += _lost(lost, step.fixed)
    found += _headroom(peaks)
    return tuple(found)


def _constants(graph: fx.GraphModule, fixed: FixedPoint) -> Iterator[Finding]:
    """Constants of the graph (a learning rate, 2/N) whose mantissa is too short for them."""
    for node in graph.graph.nodes:
        for value in node.args:
            if not isinstance(value, float) or not isfinite(value) or value == 0:
                continue
            exact = Fraction(value)
            mantissa, shift = dyadic(exact, fixed.constant_bits)
            used = mantissa / Fraction(2) ** shift
            error = float(abs(used / exact - 1))
            if error > CONSTANT_ERROR:
                yield Finding(
                    kind="constant",
                    message=f"the constant {value:g} of {node.name} becomes {float(used):g}, "
                    f"{error:.1%} off",
                    hint="choose a value with fewer binary digits, such as a power of two, or "
                    "more constant bits",
                )


def _scalars(
    layout: StateLayout, fixed: FixedRun, initial_slots: Sequence[FloatArray]
) -> Iterator[Finding]:
    """Scalars of the state: their first value, and the learning rate wherever it goes."""
    start = layout.parameter_size
    slots = slice(layout.parameters, None)
    tables = (layout.names[slots], layout.sizes[slots], layout.scales[slots], initial_slots)
    for name, size, scale, initial in zip(*tables, strict=True):
        values, unit = fixed.states[:, start], 0.5**scale
        start += size
        exact = float(initial.reshape(-1)[0])
        if size != 1 or exact == 0:
            continue
        first = abs(values[0] / exact - 1)
        # A rounding is half a unit at most; of a smaller value that is more than it may be.
        small = np.flatnonzero(np.abs(values) < unit / (2 * CONSTANT_ERROR))
        if first > CONSTANT_ERROR:
            message = f"{name} begins as {values[0]:g} instead of {exact:g}"
        elif name.startswith("rate.") and small.size and values[0] not in (0.0, unit):
            after = int(small[0])
            message = f"{name} is {values[after]:g} after step {after}, few units of {unit:g}"
        else:
            continue
        hint = "raise the learning rate's floor, or [circuit] fraction_bits"
        yield Finding(kind="scalar", message=message, hint=hint)


def _updates(unmoved: Sequence[float], bits: int) -> Iterator[Finding]:
    share = float(np.mean(unmoved)) if unmoved else 0.0
    if share > UNMOVED_SHARE:
        yield Finding(
            kind="update",
            message=f"in a mean step {share:.0%} of the parameters that float moves stay in place: "
            f"updates below 2^-{bits + 1} round to zero",
            hint="raise [circuit] fraction_bits or the learning rate; near the end of training "
            "it may not matter",
        )


def _lost(lost: Sequence[LostShare], fixed: FixedPoint) -> Iterator[Finding]:
    for entry in lost:
        if entry.kind == "saturated" and entry.share > SATURATED_SHARE:
            yield Finding(
                kind="saturated",
                message=f"{entry.share:.1%} of the arguments of {entry.value} lie beyond the "
                f"table's ends, {-fixed.table_bound} and {fixed.table_bound}",
                hint="lower the learning rate, or standardise the data",
            )
        elif entry.kind == "vanished" and entry.share > VANISHED_SHARE:
            yield Finding(
                kind="vanished",
                message=f"{entry.share:.0%} of what is not zero in {entry.value} rounds to zero",
                hint="raise [circuit] fraction_bits, or scale the loss up",
            )


def _headroom(peaks: Sequence[Peak]) -> Iterator[Finding]:
    for peak in peaks:
        if peak.bits_left is not None and peak.bits_left < HEADROOM_BITS:
            yield Finding(
                kind="headroom",
                message=f"{peak.value} ({peak.use}) reaches {peak.peak} at step {peak.step}, "
                f"{peak.bits_left:.1f} bits below its limit 2^{peak.capacity_bits}",
                hint="lower the learning rate, or standardise the data"
                + ("" if peak.use == "comparison" else ", or raise [circuit] headroom_bits"),
            )
