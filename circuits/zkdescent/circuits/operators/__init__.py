"""Handlers: what each ATen operator means in fixed-point arithmetic, one module per family.

Importing the package registers them all; a new operator is one function under `handles`.
"""

from zkdescent.circuits.operators import (
    activations,
    arithmetic,
    comparisons,
    constants,
    convolution,
    losses,
    matrices,
    normalization,
    reductions,
    shapes,
    softmax,
)
from zkdescent.circuits.operators.constants import FACTORIES, literal
from zkdescent.circuits.operators.refusals import unsupported
from zkdescent.circuits.operators.registry import (
    HANDLERS,
    SHAPE_ONLY,
    Value,
    needed_for,
    supported_operators,
)

__all__ = [
    "FACTORIES",
    "HANDLERS",
    "SHAPE_ONLY",
    "Value",
    "activations",
    "arithmetic",
    "comparisons",
    "constants",
    "convolution",
    "literal",
    "losses",
    "matrices",
    "needed_for",
    "normalization",
    "reductions",
    "shapes",
    "softmax",
    "supported_operators",
    "unsupported",
]
