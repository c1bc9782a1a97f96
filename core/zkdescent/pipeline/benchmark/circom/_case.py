"""The benchmark's linear case as integers of the circom circuit; needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from zkdescent.circuits.fixed_point import FixedPoint, dequantize, power_of_two_exponent, quantize
from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.benchmark._cases import (
    BATCH_SIZE,
    CASES,
    FEATURES,
    LEARNING_RATE,
    TARGETS,
)
from zkdescent.pipeline.benchmark._float import train_float
from zkdescent.pipeline.benchmark.circom._reference import LinearTraining, TrainingInputs

ARITHMETIC = FixedPoint()
"""What a project declares by default, and zkdescent's side of the benchmark too."""

CASE = CASES[0]


def benchmark_training(steps: int) -> LinearTraining:
    """The benchmark's linear case with so many steps per proof.

    Raises:
        ConfigError: no steps.
    """
    if steps < 1:
        raise ConfigError("a proof needs at least one step", expected="1 or more", got=steps)
    rate = power_of_two_exponent(Fraction(LEARNING_RATE) * 2 / (BATCH_SIZE * TARGETS))
    if rate is None:
        raise ConfigError(
            "the circom circuit divides by powers of two only",
            expected="learning rate * 2 / batch size = 2**-n",
            got=LEARNING_RATE,
        )
    bits = ARITHMETIC.fraction_bits
    parameter_bits = bits + ARITHMETIC.headroom_bits + 1
    return LinearTraining(steps, FEATURES, BATCH_SIZE, bits, -rate, parameter_bits)


def benchmark_inputs(steps: int) -> TrainingInputs:
    """The integers that zkdescent proves too: the case's first batches and initial parameters."""
    batches = CASE.batches(steps)

    def integers(values: Any, what: str) -> Any:
        real = values.detach().numpy().astype(float)
        return quantize(real, ARITHMETIC.fraction_bits, what=what).tolist()

    parameters = [integers(p.reshape(-1), "the parameters") for p in CASE.module().parameters()]
    return TrainingInputs(
        x=[integers(x, "the features") for x, _ in batches],
        y=[integers(y.reshape(-1), "the targets") for _, y in batches],
        parameters=[value for tensor in parameters for value in tensor],
    )


def worst_error(trained: Sequence[int], steps: int) -> float:
    """Largest difference of a trained parameter from the float computation's, real units."""
    proven = dequantize(np.array(trained, dtype=object), ARITHMETIC.fraction_bits)
    expected = train_float(CASE.module(), CASE.batches(steps))
    return float(np.abs(proven - expected).max())
