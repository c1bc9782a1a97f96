"""The fidelity report: figures that are right, and findings where and only where there is cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.core.config import load_project
from zkdescent.pipeline.artefacts import FIDELITY, FIDELITY_PICTURE
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.fidelity import (
    FidelityReport,
    Trial,
    is_within,
    measure_fidelity,
    sufficient_bits,
)
from zkdescent.pipeline.fidelity_runs import StepSource, run_fixed, run_float
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.training import store_fidelity
from zkdescent.train.loop import train_float

Write = Callable[..., Path]
ULP = 2.0**-12

BIASED = (
    "from torch import nn\n\n\ndef build(n=3):\n    m = nn.Linear(n, 1)\n"
    "    nn.init.constant_(m.bias, {bias})\n    return m\n"
)


def blueprint_of(
    directory: Path, write: Write, *, steps: int = 4, logrows: int = 12, **project: object
) -> Blueprint:
    write(directory, **project)
    file = directory / "zkdescent.toml"
    text = file.read_text().replace("steps = 4\n", f"steps = {steps}\n")
    file.write_text(text.replace("logrows = 12\n", f"logrows = {logrows}\n"))
    return make_blueprint(load_project(directory))


def kinds(report: FidelityReport) -> set[str]:
    return {finding.kind for finding in report.findings}


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory: pytest.TempPathFactory, write_project: Write) -> Blueprint:
    return blueprint_of(tmp_path_factory.mktemp("tiny"), write_project, steps=12)


@pytest.fixture(scope="module")
def measured(blueprint: Blueprint) -> FidelityReport:
    return measure_fidelity(blueprint, Reporter())


def test_single_steps_compose_to_the_blocks_that_are_proven(blueprint: Blueprint) -> None:
    step = StepSource(blueprint).at(12)
    assert step.genesis.tolist() == blueprint.genesis.tolist()
    blocks = [i % len(blueprint.fixed_blocks) for i in range(3)]
    state = blueprint.genesis
    for block in blocks:
        state = blueprint.advance(state, block)
    run = run_fixed(blueprint, step, 3 * blueprint.steps_per_proof)
    assert run.error is None
    assert run.states[-1].tolist() == (state.astype(float) * ULP).tolist()
    assert run.states[-2].tolist() != run.states[-1].tolist()


def test_float_is_the_training_loop(blueprint: Blueprint) -> None:
    count = len(blueprint.blocks)
    expected = train_float(
        blueprint.module,
        blueprint.loss,
        blueprint.data,
        blocks=blueprint.blocks,
        order=[i % count for i in range(12 // blueprint.steps_per_proof)],
        settings=blueprint.project.config.train,
    )
    run = run_float(blueprint, 12)
    assert run.error is None
    assert run.parameters.shape == (13, blueprint.layout.parameter_size)
    assert run.parameters[-1].tolist() == expected.final.vector.tolist()
    moved = np.abs(np.diff(run.parameters, axis=0)).max(axis=1)
    assert (moved > 0).all()


def test_figures_of_every_step(blueprint: Blueprint, measured: FidelityReport) -> None:
    floats = run_float(blueprint, 12).parameters
    fixed = run_fixed(blueprint, StepSource(blueprint).at(12), 12).states[:, :4]
    assert [entry.step for entry in measured.trajectory] == list(range(13))
    for entry, ours, theirs in zip(measured.trajectory, fixed, floats, strict=True):
        assert entry.max_difference == np.abs(ours - theirs).max()
        assert entry.mean_difference == np.abs(ours - theirs).mean()
    losses = [(entry.float_loss, entry.fixed_loss) for entry in measured.trajectory]
    assert losses[0] != losses[-1]
    assert all(a is not None and b == pytest.approx(a, abs=0.01) for a, b in losses)
    assert measured.fixed_metric == measured.trajectory[-1].fixed_metric
    worst = measured.worst
    assert abs(worst.fixed_value - worst.float_value) == np.abs(fixed - floats).max()
    name = blueprint.layout.names.index(worst.parameter)
    start = sum(blueprint.layout.sizes[:name])
    place = start + int(np.ravel_multi_index(worst.index, blueprint.layout.shapes[name]))
    assert fixed[worst.step, place] == worst.fixed_value
    assert floats[worst.step, place] == worst.float_value


def test_a_faithful_run_has_no_findings(measured: FidelityReport) -> None:
    assert measured.findings == ()
    assert measured.sufficient_bits is not None
    assert [t.fraction_bits for t in measured.trials] == list(range(8, 17))
    gaps = [measured.gap(t.metric) for t in measured.trials]
    assert gaps[0] is not None
    assert gaps[-1] is not None
    assert gaps[0] > gaps[-1]


def test_fewer_bits_stray_further_than_more(blueprint: Blueprint) -> None:
    source, floats = StepSource(blueprint), run_float(blueprint, 12).parameters
    gaps = [
        np.abs(run_fixed(blueprint, source.at(bits), 12).states[:, :4] - floats).max()
        for bits in (8, 12, 16)
    ]
    assert gaps[0] > 4 * gaps[1] > 16 * gaps[2]


def test_peaks_are_what_the_executor_checks(measured: FidelityReport, blueprint: Blueprint) -> None:
    """A capacity below the peak overflows; a capacity of the peak does not."""
    used = {peak.use for peak in measured.peaks}
    assert {"rounding", "range check"} <= used
    lefts = [peak.bits_left for peak in measured.peaks if peak.bits_left is not None]
    assert lefts == sorted(lefts)
    rounding = max(p.peak for p in measured.peaks if p.use == "rounding")
    enough = rounding.bit_length() - 12
    for headroom, overflows in ((enough, False), (enough - 1, True)):
        tight = replace(blueprint, fixed=replace(blueprint.fixed, headroom_bits=headroom))
        run = run_fixed(tight, StepSource(tight).at(12), 12)
        assert (run.error is not None) is overflows


def test_little_headroom_is_found(tmp_path: Path, write_project: Write) -> None:
    model = BIASED.format(bias=200.0)
    report = measure_fidelity(
        blueprint_of(tmp_path, write_project, model=model, learning_rate=0.001), Reporter()
    )
    assert "headroom" in kinds(report)
    assert report.peaks[0].bits_left == pytest.approx(8 - np.log2(200.0), abs=0.02)


def test_an_overflow_is_a_finding(tmp_path: Path, write_project: Write) -> None:
    made = blueprint_of(tmp_path, write_project, model=BIASED.format(bias=255.5), steps=12)
    assert run_fixed(made, StepSource(made).at(12), 12).error is None
    rising = blueprint_of(
        tmp_path / "rising", write_project, model=BIASED.format(bias=255.5), learning_rate=1.1,
        steps=12,
    )  # fmt: skip
    report = measure_fidelity(rising, Reporter())
    assert "overflow" in kinds(report)
    assert report.fixed_metric is None
    assert report.sufficient_bits is None
    assert all(trial.error is not None for trial in report.trials)
    assert report.trajectory[-1].step < 12
    assert dict(report.summary())["r2, training: 12 bits"] == "-"


def test_a_divergence_is_a_finding(tmp_path: Path, write_project: Write) -> None:
    made = blueprint_of(tmp_path, write_project, learning_rate=1e20, steps=12)
    report = measure_fidelity(made, Reporter())
    assert "divergence" in kinds(report)
    assert report.float_metric is None
    store_fidelity(made, Reporter())  # no NaN reaches the store


@pytest.mark.parametrize(("learning_rate", "lost"), [(0.0005, True), (0.25, False)])
def test_updates_that_round_to_zero_are_found(
    tmp_path: Path, write_project: Write, learning_rate: float, lost: bool
) -> None:
    """Gradients are about 0.1: the small rate moves parameters by less than 2^-13."""
    rows = "a,b,c,y\n" + "".join(f"{i % 3},{i % 5},{i % 7},{i % 2 / 20}\n" for i in range(16))
    model = (
        "from torch import nn\n\n\ndef build(n=3):\n    m = nn.Linear(n, 1)\n"
        "    nn.init.zeros_(m.weight)\n    nn.init.zeros_(m.bias)\n    return m\n"
    )
    made = blueprint_of(
        tmp_path, write_project, model=model, rows=rows, learning_rate=learning_rate
    )
    report = measure_fidelity(made, Reporter())
    assert ("update" in kinds(report)) is lost
    assert (np.mean([entry.unmoved for entry in report.trajectory[1:]]) > 0.2) is np.bool_(lost)


@pytest.mark.parametrize(("gamma", "found"), [(0.06, True), (0.5, False)])
def test_a_learning_rate_that_fades_in_the_state_is_found(
    tmp_path: Path, write_project: Write, gamma: float, found: bool
) -> None:
    """Its factor has 16 bits: 0.06^3 is 14 units, of which a rounding is 4 %."""
    directory = write_project(tmp_path)
    file = directory / "zkdescent.toml"
    declared = f'learning_rate = 0.6\nschedule = {{ kind = "exponential", gamma = {gamma} }}'
    file.write_text(file.read_text().replace("learning_rate = 0.1", declared))
    report = measure_fidelity(make_blueprint(load_project(directory)), Reporter())
    assert ("scalar" in kinds(report)) is found


def test_a_short_mantissa_is_found(blueprint: Blueprint) -> None:
    """0.1 in two bits is 3/32, 6.25 % off; in twelve it is 0.01 % off."""
    short = replace(blueprint, fixed=replace(blueprint.fixed, constant_bits=2))
    found = [f for f in measure_fidelity(short, Reporter()).findings if f.kind == "constant"]
    assert any("0.1 of" in f.message and "6.3% off" in f.message for f in found)


@pytest.mark.parametrize(("bias", "saturated"), [(12.0, True), (0.0, False)])
def test_saturated_tables_are_found(
    tmp_path: Path, write_project: Write, bias: float, saturated: bool
) -> None:
    rows = "a,b,c,y\n" + "".join(f"{i % 3},{i % 5},1,{i % 2}\n" for i in range(16))
    made = blueprint_of(
        tmp_path,
        write_project,
        logrows=14,
        model=BIASED.format(bias=bias),
        rows=rows,
        loss="bce",
        learning_rate=0.01,
    )
    assert ("saturated" in kinds(measure_fidelity(made, Reporter()))) is saturated


def test_steps_are_bounded(blueprint: Blueprint) -> None:
    report = measure_fidelity(blueprint, Reporter(), most_steps=3)
    assert (report.steps, report.total_steps, len(report.trajectory)) == (3, 12, 4)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({8: True, 9: True, 10: True}, 8),
        ({8: True, 9: False, 10: True}, 10),  # 8 was luck
        ({8: False, 9: True, 10: None}, 9),  # 10 did not run through
        ({8: True, 9: True, 10: False}, None),
        ({8: None, 9: None, 10: None}, None),
    ],
)
def test_sufficient_bits(outcomes: dict[int, bool | None], expected: int | None) -> None:
    trials = [
        Trial(
            fraction_bits=bits,
            metric=None,
            within=bool(within),
            cost=None,
            error="overflow" if within is None else None,
        )
        for bits, within in outcomes.items()
    ]
    assert sufficient_bits(trials) == expected


@pytest.mark.parametrize(
    ("metric", "target", "headline", "within"),
    [
        (0.9329, 0.93, "accuracy", True),
        (0.9331, 0.93, "accuracy", False),
        (10.02, 10.0, "loss", True),
        (10.04, 10.0, "loss", False),
        (0.00104, 0.001, "loss", False),
        (None, 0.5, "r2", False),
        (0.5, None, "r2", False),
    ],
)
def test_the_tolerance(
    metric: float | None, target: float | None, headline: str, within: bool
) -> None:
    assert is_within(metric, target, headline) is within


def test_the_report_is_stored_and_read_back(blueprint: Blueprint) -> None:
    report = store_fidelity(blueprint, Reporter())
    store = blueprint.project.open_store()
    assert FidelityReport.from_json(store.read_json(FIDELITY)) == report
    assert store.read_bytes(FIDELITY_PICTURE).startswith(b"\x89PNG")


def test_train_prints_the_report(
    cli: Callable[..., Any], tmp_path: Path, write_project: Write
) -> None:
    directory = write_project(tmp_path)
    answer = cli("train", "-C", directory, "--json")
    assert answer.json["fidelity"]["findings"] == []
    words = cli("train", "-C", directory)
    assert "fraction bits that suffice" in words.out
