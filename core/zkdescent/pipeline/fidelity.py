"""How faithfully fixed point follows float, measured before anything is proven.

See docs/fidelity.md for what each figure means and what to do about a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from zkdescent.circuits.program import Op, Program
from zkdescent.core.errors import RangeOverflow, ZkDescentError
from zkdescent.pipeline.blueprint import Blueprint
from zkdescent.pipeline.fidelity_findings import Finding, find
from zkdescent.pipeline.fidelity_report import FidelityReport, StepFidelity, Trial, WorstElement
from zkdescent.pipeline.fidelity_runs import (
    FixedRun,
    FloatArray,
    FloatRun,
    OneStep,
    StepSource,
    run_fixed,
    run_float,
)
from zkdescent.pipeline.fidelity_watch import Watch
from zkdescent.pipeline.reporting import Reporter
from zkdescent.train.metrics import HEADLINE, Metrics, evaluate
from zkdescent.train.model import with_parameters

MOST_STEPS = 200
"""Steps that a report examines at most."""

TRIAL_BITS = range(8, 17)
"""Fraction bits that are tried."""

TOLERANCE = 0.003
"""Accepted difference of the final metric: 0.3 points of accuracy or R2, 0.3 % of a loss."""

_WORK = 2_000_000_000  # tensor elements that all executor runs together may touch; some seconds
_FEWEST_STEPS = 5

__all__ = [
    "MOST_STEPS",
    "TOLERANCE",
    "TRIAL_BITS",
    "FidelityReport",
    "Trial",
    "is_within",
    "measure_fidelity",
    "sufficient_bits",
]


def measure_fidelity(
    blueprint: Blueprint, report: Reporter, *, most_steps: int = MOST_STEPS
) -> FidelityReport:
    """Run the first steps in float and in fixed point, and at other fraction bits.

    An overflow or a divergence is a finding of the report, not an error.
    """
    source = StepSource(blueprint)
    fraction_bits = blueprint.fixed.fraction_bits
    declared = source.at(fraction_bits)
    total = blueprint.project.config.train.steps
    steps = min(total, most_steps, _affordable_steps(declared.program))
    report.start("fidelity", 2 + len(TRIAL_BITS))
    floats = run_float(blueprint, steps)
    report.advance("fidelity", 1, "float")
    watch = Watch(declared)
    fixed = run_fixed(blueprint, declared, steps, watch)
    report.advance("fidelity", 2, f"{fraction_bits} bits")
    judge = _Judge(blueprint)
    target = judge.headline(floats.parameters[-1]) if floats.error is None else None
    trials = []
    for count, bits in enumerate(TRIAL_BITS, start=3):
        known = fixed if bits == fraction_bits else None
        trials.append(_trial(source, judge, bits, steps, target, known))
        report.advance("fidelity", count, f"{bits} bits")
    trajectory, worst = _compare(blueprint, judge, floats, fixed)
    sufficient = sufficient_bits(trials)
    return FidelityReport(
        fraction_bits=fraction_bits,
        steps=steps,
        total_steps=total,
        headline=judge.name,
        part=judge.part,
        float_metric=target,
        tolerance=allowed(target, judge.name),
        trajectory=trajectory,
        worst=worst,
        peaks=watch.peaks(),
        lost=watch.losses(),
        trials=tuple(trials),
        sufficient_bits=sufficient,
        findings=_findings(blueprint, declared, floats, fixed, watch, trajectory, trials),
    )


def sufficient_bits(trials: Sequence[Trial]) -> int | None:
    """The fewest bits from which on no completed trial misses the tolerance."""
    best = None
    for trial in sorted(trials, key=lambda t: -t.fraction_bits):
        if trial.within:
            best = trial.fraction_bits
        elif trial.error is None:
            break
    return best


def is_within(metric: float | None, target: float | None, headline: str) -> bool:
    """Whether a final metric is as close to float as `TOLERANCE` asks."""
    if metric is None or target is None:
        return False
    return abs(metric - target) <= allowed(target, headline)


def allowed(target: float | None, headline: str) -> float:
    """The tolerance as a difference of the metric: relative for a loss."""
    return TOLERANCE * abs(target) if headline == "loss" and target is not None else TOLERANCE


class _Judge:
    """Measures parameter vectors on the project's data."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self.name = HEADLINE[blueprint.loss.task]
        self.part = "validation" if len(blueprint.data.validation) else "training"

    def both(self, parameters: FloatArray) -> tuple[float | None, float | None]:
        """Training loss and headline metric."""
        data, loss = self._blueprint.data, self._blueprint.loss
        module = with_parameters(self._blueprint.module, parameters)
        found = evaluate(module, loss, data.train, data.validation, step=0)
        judged: Metrics = found.validation or found.train
        return _finite(found.train.loss), _finite(judged.get(self.name))

    def headline(self, parameters: FloatArray) -> float | None:
        """The headline metric."""
        return self.both(parameters)[1]


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _affordable_steps(program: Program) -> int:
    touched = sum(
        node.size * (program.nodes[node.inputs[0]].shape[1] if node.op is Op.MATMUL else 1)
        for node in program.nodes
    )
    return max(_FEWEST_STEPS, _WORK // (touched * len(TRIAL_BITS)))


def _trial(
    source: StepSource,
    judge: _Judge,
    fraction_bits: int,
    steps: int,
    target: float | None,
    known: FixedRun | None,
) -> Trial:
    """Run at some number of fraction bits; what fails is a result."""
    cost = metric = None
    try:
        step = source.at(fraction_bits)
        price = source.cost(step.program)
        cost = price if isfinite(price) else None
        run = known or run_fixed(source.blueprint, step, steps)
        error: ZkDescentError | None = run.error
        if error is None:
            count = step.layout.parameter_size
            metric = judge.headline(run.states[-1][:count])
    except RangeOverflow as overflow:
        error = overflow
    return Trial(
        fraction_bits=fraction_bits,
        metric=metric,
        within=is_within(metric, target, judge.name),
        cost=cost,
        error=None if error is None else str(error),
    )


def _compare(
    blueprint: Blueprint, judge: _Judge, floats: FloatRun, fixed: FixedRun
) -> tuple[tuple[StepFidelity, ...], WorstElement]:
    count = blueprint.layout.parameter_size
    length = min(len(floats.parameters), len(fixed.states))
    ours, theirs = fixed.states[:length, :count], floats.parameters[:length]
    differences = np.abs(ours - theirs)
    entries = []
    for step in range(length):
        float_loss, float_metric = judge.both(theirs[step])
        fixed_loss, fixed_metric = judge.both(ours[step])
        entries.append(
            StepFidelity(
                step=step,
                max_difference=float(differences[step].max()),
                mean_difference=float(differences[step].mean()),
                float_loss=float_loss,
                fixed_loss=fixed_loss,
                float_metric=float_metric,
                fixed_metric=fixed_metric,
                unmoved=_unmoved(ours, theirs, step),
            )
        )
    farthest, element = np.unravel_index(int(differences.argmax()), differences.shape)
    name, index = _element(blueprint, int(element))
    worst = WorstElement(
        parameter=name,
        index=index,
        step=int(farthest),
        float_value=float(theirs[farthest, element]),
        fixed_value=float(ours[farthest, element]),
    )
    return tuple(entries), worst


def _unmoved(ours: FloatArray, theirs: FloatArray, step: int) -> float:
    """Of the parameters that float moves in a step, the share that fixed point leaves in place."""
    if step == 0:
        return 0.0
    moving = theirs[step] != theirs[step - 1]
    return float((moving & (ours[step] == ours[step - 1])).sum() / max(1, moving.sum()))


def _element(blueprint: Blueprint, position: int) -> tuple[str, tuple[int, ...]]:
    layout = blueprint.layout
    for name, shape, size in zip(layout.names, layout.shapes, layout.sizes, strict=True):
        if position < size:
            return name, tuple(int(i) for i in np.unravel_index(position, shape))
        position -= size
    raise AssertionError("a position beyond the state")


def _findings(
    blueprint: Blueprint,
    declared: OneStep,
    floats: FloatRun,
    fixed: FixedRun,
    watch: Watch,
    trajectory: tuple[StepFidelity, ...],
    trials: Sequence[Trial],
) -> tuple[Finding, ...]:
    missed = [
        t
        for t in trials
        if t.fraction_bits == blueprint.fixed.fraction_bits and t.error is None and not t.within
    ]
    return find(
        step=declared,
        floats=floats,
        fixed=fixed,
        peaks=watch.peaks(),
        lost=watch.losses(),
        unmoved=[entry.unmoved for entry in trajectory[1:]],
        initial_slots=[t.detach().double().numpy() for t in blueprint.slots.initial],
        metric_missed=bool(missed) and floats.error is None,
        sufficient_bits=sufficient_bits(trials),
    )
