"""The integers that the circom circuit must compute: gradient descent in signed fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zkdescent.core.errors import RangeOverflow

FIELD_MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of BN254's groups (EIP-196): the field of circom's default curve."""


@dataclass(frozen=True, slots=True)
class LinearTraining:
    """Shape and arithmetic of one circuit: the arguments of its template `Steps`, in order.

    Attributes:
        rate_bits: learning rate * 2 / batch size = 2**-rate_bits.
        parameter_bits: an updated parameter is in [-2**(parameter_bits-1), 2**(parameter_bits-1)).
    """

    steps: int
    features: int
    batch_size: int
    fraction_bits: int
    rate_bits: int
    parameter_bits: int

    @property
    def weight_shift(self) -> int:
        """A weight's gradient is divided by 2**weight_shift."""
        return 2 * self.fraction_bits + self.rate_bits

    @property
    def bias_shift(self) -> int:
        """The bias's gradient is divided by 2**bias_shift."""
        return self.fraction_bits + self.rate_bits

    def main(self) -> str:
        """The main component's source, beside `linear_step.circom`."""
        arguments = (
            self.steps,
            self.features,
            self.batch_size,
            self.fraction_bits,
            self.rate_bits,
            self.parameter_bits,
        )
        return (
            "pragma circom 2.1.6;\n"
            'include "linear_step.circom";\n'
            "component main {public [parameters_in]} = "
            f"Steps({', '.join(map(str, arguments))});\n"
        )


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """Integers in units of 2**-fraction_bits.

    Attributes:
        x: features, (steps, batch, features).
        y: targets, (steps, batch).
        parameters: weights, then the bias, (features + 1,).
    """

    x: Sequence[Sequence[Sequence[int]]]
    y: Sequence[Sequence[int]]
    parameters: Sequence[int]

    def to_json(self) -> dict[str, Any]:
        """The circuit's input signals, as decimal field elements."""
        return {
            "x": [[[field(v) for v in row] for row in batch] for batch in self.x],
            "y": [[field(v) for v in batch] for batch in self.y],
            "parameters_in": [field(v) for v in self.parameters],
        }


def field(value: int) -> str:
    """A signed integer as a decimal field element; a negative one counts from the modulus."""
    return str(value % FIELD_MODULUS)


def signed(element: str) -> int:
    """Inverse of `field` for magnitudes below half the modulus."""
    value = int(element)
    return value - FIELD_MODULUS if value > FIELD_MODULUS // 2 else value


def train_integers(training: LinearTraining, inputs: TrainingInputs) -> list[int]:
    """Return the parameters after all steps of SGD on mean squared error, (features + 1,).

    Quotients are rounded to the nearest integer, halves up, as the circuit constrains them.

    Raises:
        RangeOverflow: an updated parameter leaves the range that the circuit checks.
    """
    parameters = list(inputs.parameters)
    for x, y in zip(inputs.x, inputs.y, strict=True):
        *weights, bias = parameters
        errors = [
            sum(v * w for v, w in zip(row, weights, strict=True))
            + ((bias - target) << training.fraction_bits)
            for row, target in zip(x, y, strict=True)
        ]
        gradient = [
            sum(e * row[j] for e, row in zip(errors, x, strict=True))
            for j in range(training.features)
        ]
        parameters = [
            _divided((w << training.weight_shift) - g, training.weight_shift)
            for w, g in zip(weights, gradient, strict=True)
        ]
        moved = (bias << training.bias_shift) - sum(errors)
        parameters.append(_divided(moved, training.bias_shift))
        _check_range(parameters, training.parameter_bits)
    return parameters


def _divided(value: int, shift: int) -> int:
    """value / 2**shift, rounded to the nearest integer, halves up."""
    return (value + (1 << (shift - 1))) >> shift


def _check_range(parameters: Sequence[int], bits: int) -> None:
    bound = 1 << (bits - 1)
    outside = [v for v in parameters if not -bound <= v < bound]
    if outside:
        raise RangeOverflow(
            "an updated parameter leaves the circuit's range",
            expected=f"-{bound} to {bound - 1}",
            got=outside[0],
            hint="train with a smaller learning rate or standardised data",
        )
