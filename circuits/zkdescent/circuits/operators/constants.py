"""Tensors known while lowering: factories, buffers, literals of the user's code."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, fx

from zkdescent.circuits.fixed_point import quantize
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import Value, aten, handles, output_shape
from zkdescent.circuits.symbolic import Symbolic, Uniform

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

FACTORIES = frozenset(
    {
        aten.zeros.default,
        aten.ones.default,
        aten.full.default,
        aten.scalar_tensor.default,
        aten.arange.default,
        aten.arange.start,
        aten.arange.start_step,
        aten.eye.default,
        aten.eye.m,
        aten.linspace.default,
    }
)
"""Operators without tensors among their arguments: they are evaluated while lowering."""


@handles(aten.ones_like.default, aten.new_ones.default)
def _ones(low: Lowering, node: fx.Node, *_: object, **__: object) -> Value:
    return Uniform(Fraction(1), output_shape(node))


@handles(
    aten.zeros_like.default,
    aten.new_zeros.default,
    aten.empty.memory_format,
    aten.empty_like.default,
    aten.new_empty.default,
)
def _zeros(low: Lowering, node: fx.Node, *_: object, **__: object) -> Value:
    # What torch leaves undefined is zero here; it is always written before it is read.
    return Uniform(Fraction(0), output_shape(node))


@handles(aten.full_like.default, aten.fill.Scalar)
def _filled(low: Lowering, node: fx.Node, x: object, value: float, **_: object) -> Value:
    return Uniform(Fraction(str(value)), output_shape(node))


@handles(aten.new_full.default)
def _new_full(
    low: Lowering, node: fx.Node, x: object, shape: object, value: float, **_: object
) -> Value:
    return Uniform(Fraction(str(value)), output_shape(node))


def literal(low: Lowering, node: fx.Node, value: Tensor) -> Value:
    """A tensor of the user's code as a value of the program.

    One number everywhere is exact. Otherwise elements are rounded to 2**-fraction_bits and become
    part of the circuit, hence of its verifying key.

    Raises:
        UnsupportedOperator: every element rounds to zero, though not all are zero; or one is not
            finite.
    """
    array = np.asarray(value.detach())
    if not np.isfinite(array).all():
        raise refused(
            node,
            "a constant tensor holds NaN or infinity",
            hint="to mask by -inf before a softmax, add a finite number such as -30",
        )
    if array.size and (array == array.reshape(-1)[0]).all():
        # float32 0.1 means the decimal 0.1, not the number nearest to it.
        return Uniform(_decimal(array.reshape(-1)[0]), tuple(array.shape))
    bits = low.fixed.fraction_bits
    integers = quantize(array.astype(np.float64), bits, what=node.name).reshape(-1).tolist()
    if not any(integers):
        raise refused(
            node,
            "a constant tensor quantises to zero",
            expected=f"an element of at least 2^-{bits + 1}",
            hint="scale it up and the result down, or raise [circuit] fraction_bits",
        )
    while bits > 0 and not any(v % 2 for v in integers):  # a mask needs no fraction bits at all
        integers, bits = [v // 2 for v in integers], bits - 1
    return Symbolic(low.builder.constant(*integers, shape=tuple(array.shape)), bits)


def _decimal(number: np.generic) -> Fraction:
    return Fraction(int(number)) if number.dtype.kind in "biu" else Fraction(str(number))
