"""Layer normalisation (Ba, Kiros and Hinton 2016, eq. 3 and 4) and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.refusals import refused
from zkdescent.circuits.operators.registry import Shape, Value, argument_shape, aten, handles

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

_GUARD_BITS = 4  # fraction bits of the deviation beyond the project's


class Normalized:
    """x centred and scaled over its last axes; forward and backward build the same nodes.

    Attributes:
        axes: the normalised axes.
        rstd: 1 / sqrt(variance + eps), the axes kept with length 1.
        values: (x - mean) rstd, rounded to fraction_bits.
    """

    def __init__(
        self, algebra: Algebra, x: Value, shape: Shape, dims: Sequence[int], eps: Fraction
    ) -> None:
        fixed = algebra.low.fixed
        self.axes = tuple(range(len(shape) - len(dims), len(shape)))
        self.mean = algebra.mean(x, shape, self.axes, keep=True)
        centred = algebra.sub(x, self.mean)
        variance = algebra.mean(algebra.mul(centred, centred), shape, self.axes, keep=True)
        fine = fixed.fraction_bits + _GUARD_BITS
        # Rounded before it is added: eps need not be a multiple of the variance's unit.
        unit = Fraction(1, 1 << 2 * fine)
        if round(eps / unit) == 0:
            raise refused(
                algebra.node,
                f"eps = {float(eps):.3g} of a LayerNorm quantises to zero",
                expected=f"at least 2^-{2 * fine + 1}",
                hint="raise eps, or [circuit] fraction_bits",
            )
        guarded = algebra.add(algebra.rounded(variance, 2 * fine), round(eps / unit) * unit)
        self.rstd = algebra.divide(1, algebra.sqrt(guarded, scale=fine), scale=fine)
        self.values = algebra.rounded(algebra.mul(centred, self.rstd), fixed.fraction_bits)


def _normalized(low: Lowering, node: fx.Node, x: Value, argument: int, dims: object) -> Normalized:
    forward = node if node.target is aten.native_layer_norm.default else _forward_of(node)
    eps = Fraction(str(forward.args[4]))
    return Normalized(Algebra(low, node), x, argument_shape(node, argument), dims, eps)  # type: ignore[arg-type]


def _forward_of(node: fx.Node) -> fx.Node:
    """The forward node whose mean (a getitem, maybe behind aliases) the backward pass is given."""
    found = node.args[3]
    while isinstance(found, fx.Node) and found.target is not aten.native_layer_norm.default:
        found = found.args[0]
    if not isinstance(found, fx.Node):
        raise refused(node, "the gradient of a LayerNorm without its forward pass can't be proven")
    return found


@handles(aten.native_layer_norm.default)
def _layer_norm(
    low: Lowering,
    node: fx.Node,
    x: Value,
    dims: Sequence[int],
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> tuple[Value, Value, Value]:
    """(x - mean) rstd w + b, with mean and rstd."""
    algebra = Algebra(low, node)
    norm = _normalized(low, node, x, 0, dims)
    result = norm.values if weight is None else algebra.mul(norm.values, weight)
    return result if bias is None else algebra.add(result, bias), norm.mean, norm.rstd


@handles(aten.native_layer_norm_backward.default)
def _layer_norm_backward(
    low: Lowering,
    node: fx.Node,
    grad: Value,
    x: Value,
    dims: Sequence[int],
    mean: Value,
    rstd: Value,
    weight: Value | None,
    bias: Value | None,
    mask: Sequence[bool],
) -> tuple[Value | None, ...]:
    """dx = rstd (h - mean(h) - n mean(h n)) with h = g w; dw = sum(g n); db = sum(g)."""
    algebra, shape = Algebra(low, node), argument_shape(node, 1)
    norm = _normalized(low, node, x, 1, dims)
    batch = tuple(range(len(shape) - len(dims)))
    h = grad if weight is None else algebra.mul(grad, weight)
    along = algebra.mean(algebra.mul(h, norm.values), shape, norm.axes, keep=True)
    level = algebra.mean(h, shape, norm.axes, keep=True)
    inner = algebra.sub(algebra.sub(h, level), algebra.mul(norm.values, along))
    return (
        algebra.mul(norm.rstd, inner) if mask[0] else None,
        algebra.total(algebra.mul(grad, norm.values), shape, batch, keep=False)
        if mask[1]
        else None,
        algebra.total(grad, shape, batch, keep=False) if mask[2] else None,
    )
