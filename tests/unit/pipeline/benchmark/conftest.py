"""Measurements as if one system had been measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zkdescent.pipeline.benchmark import GrowthPoint, HonkPoint, Measurement
from zkdescent.pipeline.benchmark.results import OURS

STEP = Measurement(
    case="c",
    system=OURS,
    seconds_per_step=0.5,
    cpu_seconds_per_step=0.8,
    gas_per_step=100_000.0,
    key_mb=160.0,
    peak_memory_mb=400.0,
    proof_bytes=3_000,
    rows_per_step=300.0,
    rows_per_parameter=300 / 9,
    cells_per_parameter=600 / 9,
    parameters=9,
    samples_per_second_x_parameters=32 / 0.5 * 9,
    setup_seconds=5.0,
    steps_per_proof=10,
    logrows=15,
    verify_seconds=0.1,
    worst_error=1e-4,
    gas_per_step_dedicated=80_000.0,
    gas_per_step_gateway=110_000.0,
)
RANGE = replace(
    STEP,
    seconds_per_step=20.0,
    cpu_seconds_per_step=30.0,
    gas_per_step=1_000_000.0,
    gas_per_step_dedicated=None,
    rows_per_step=5_000.0,
    peak_memory_mb=800.0,
    steps_per_proof=1,
)
POINT = GrowthPoint(
    family="steps per proof: linear 8-1",
    x=9,
    parameters=9,
    batch_size=32,
    logrows=12,
    blocks=1,
    steps_per_proof=9,
    rows_per_step=400.0,
    measured=True,
    seconds_per_step=3.0,
    gas_per_step=110.0,
    model_seconds_per_step=1.5,
    model_gas_per_step=100.0,
    key_mb=10.0,
    peak_memory_mb=200.0,
)
HONK_POINT = HonkPoint(
    family="parameters: with Freivalds' check",
    x=100,
    parameters=100,
    batch_size=32,
    freivalds=True,
    level=14,
    gates=12_000.0,
    measured=True,
    seconds_per_step=0.5,
    model_seconds_per_step=0.5,
    peak_memory_mb=60.0,
    emission_seconds=0.2,
)


@pytest.fixture
def step() -> Measurement:
    """A configuration of ours, ten steps per proof, without range proofs."""
    return STEP


@pytest.fixture
def range_proof() -> Measurement:
    """Its range proof, as if it were a step."""
    return RANGE


@pytest.fixture
def point() -> GrowthPoint:
    """A proven circuit that took twice what the model says."""
    return POINT


@pytest.fixture
def honk() -> Measurement:
    """The same steps on Barretenberg: no keys, no range proofs."""
    return replace(
        STEP,
        system=f"{OURS} on barretenberg",
        seconds_per_step=0.05,
        cpu_seconds_per_step=0.08,
        gas_per_step=7_000.0,
        key_mb=0.0,
        steps_per_proof=141,
        logrows=18,
        backend="barretenberg",
        checks_ranges=True,
        circuit_seconds=2.0,
    )


@pytest.fixture
def honk_point() -> HonkPoint:
    """A proven circuit of Barretenberg."""
    return HONK_POINT
