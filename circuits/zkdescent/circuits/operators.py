"""Handlers: what each ATen operator means in fixed-point arithmetic.

A handler takes the lowering, the graph node and its arguments (values, or plain Python numbers)
and returns a value. Constants stay exact as long as they are uniform; nothing is rounded here but
where a gadget needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from zkdescent.circuits.program import Op
from zkdescent.circuits.symbolic import Symbolic, Uniform
from zkdescent.core.errors import UnsupportedOperator

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

Value = Symbolic | Uniform
Handler = Callable[..., Value]

aten = torch.ops.aten
HANDLERS: dict[Any, Handler] = {}

SHAPE_ONLY = frozenset({aten.ones_like.default, aten.zeros_like.default, aten.full_like.default})
"""Only the shape of their argument counts: the loss itself needs no circuit, its gradient does."""


def handles(*targets: Any) -> Callable[[Handler], Handler]:
    """Register a handler `(lowering, fx_node, *arguments)` for ATen overloads."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return register


def supported_operators() -> list[str]:
    """Names of the ATen operators that can be proven, sorted."""
    return sorted({str(target) for target in HANDLERS})


def _where(node: fx.Node) -> str:
    return f"{node.name} = {node.format_node()}"


def _axes(dims: Sequence[int] | int, rank: int) -> tuple[int, ...]:
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    return tuple(sorted(a % rank for a in (axes or range(rank))))


# --- shapes ---------------------------------------------------------------------------------


@handles(aten.t.default, aten.numpy_T.default)
def _transpose(low: Lowering, node: fx.Node, x: Value) -> Value:
    if isinstance(x, Uniform):
        return Uniform(x.value, tuple(reversed(x.shape)))
    if len(low.builder.shape(x.node)) < 2:
        return x
    return Symbolic(low.builder.transpose(x.node), x.scale, x.coefficient)


@handles(aten.transpose.int)
def _transpose_int(low: Lowering, node: fx.Node, x: Value, a: int, b: int) -> Value:
    rank = len(low.arithmetic.shape(x))
    if rank != 2 and a % rank != b % rank:
        raise UnsupportedOperator(
            "transposing more than two axes can't be proven yet", got=_where(node)
        )
    return x if a % rank == b % rank else _transpose(low, node, x)


@handles(
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.squeeze.default,
    aten.unsqueeze.default,
)
def _reshape(low: Lowering, node: fx.Node, x: Value, *_: object) -> Value:
    shape = tuple(int(n) for n in node.meta["val"].shape)
    if isinstance(x, Uniform):
        return Uniform(x.value, shape)
    if prod(shape) != low.builder.node(x.node).size:
        raise UnsupportedOperator(
            "reshaping a broadcast tensor can't be proven yet", got=_where(node)
        )
    return Symbolic(low.builder.reshape(x.node, shape), x.scale, x.coefficient)


@handles(aten.expand.default)
def _expand(low: Lowering, node: fx.Node, x: Value, shape: Sequence[int], **_: object) -> Value:
    if isinstance(x, Uniform):
        return Uniform(x.value, tuple(int(n) for n in node.meta["val"].shape))
    return x  # operations broadcast


@handles(
    aten.clone.default,
    aten.detach.default,
    aten.alias.default,
    aten.contiguous.default,
    aten.lift_fresh_copy.default,
    aten._to_copy.default,
)
def _same(low: Lowering, node: fx.Node, x: Value, *_: object) -> Value:
    return x


# --- constants ------------------------------------------------------------------------------


@handles(aten.ones_like.default)
def _ones_like(low: Lowering, node: fx.Node, x: object) -> Value:
    return Uniform(Fraction(1), tuple(node.meta["val"].shape))


@handles(aten.zeros_like.default)
def _zeros_like(low: Lowering, node: fx.Node, x: object) -> Value:
    return Uniform(Fraction(0), tuple(node.meta["val"].shape))


@handles(aten.full.default)
def _full(low: Lowering, node: fx.Node, shape: Sequence[int], value: float) -> Value:
    return Uniform(Fraction(value), tuple(shape))


@handles(aten.full_like.default)
def _full_like(low: Lowering, node: fx.Node, x: object, value: float) -> Value:
    return Uniform(Fraction(value), tuple(node.meta["val"].shape))


@handles(aten.scalar_tensor.default)
def _scalar(low: Lowering, node: fx.Node, value: float) -> Value:
    return Uniform(Fraction(value), ())


# --- sums and products ----------------------------------------------------------------------


def _constant_value(x: Value | float) -> Fraction | None:
    if isinstance(x, Uniform):
        return x.value
    # A decimal such as 0.05 means that decimal, not the double nearest to it.
    return None if isinstance(x, Symbolic) else Fraction(str(x))


@handles(aten.add.Tensor, aten.add.Scalar, aten.sub.Tensor, aten.sub.Scalar, aten.rsub.Scalar)
def _add(low: Lowering, node: fx.Node, a: Value, b: Value | float, alpha: float = 1) -> Value:
    subtract = node.target in (aten.sub.Tensor, aten.sub.Scalar)
    alpha_value = Fraction(str(node.kwargs.get("alpha", alpha)))
    sign = Fraction(-1 if subtract else 1) * alpha_value
    if node.target is aten.rsub.Scalar:
        # rsub(a, b) = b - alpha * a
        a, b, sign = _as_value(b), a, -alpha_value
    ca, cb = _constant_value(a), _constant_value(b)
    shape = tuple(node.meta["val"].shape)
    if ca is not None and cb is not None:
        return Uniform(ca + sign * cb, shape)
    if cb == 0 or (ca == 0 and isinstance(b, Symbolic)):
        return a if cb == 0 else low.arithmetic.scaled(_tensor(b), sign)
    left = _tensor(a) if ca is None else _constant_tensor(low, ca)
    right = _tensor(b) if cb is None else _constant_tensor(low, cb)
    return low.arithmetic.add(
        left,
        low.arithmetic.scaled(right, abs(sign)),
        subtract=sign < 0,
        target=low.target_scale(node),
        name=node.name,
    )


def _as_value(x: Value | float) -> Value:
    return x if isinstance(x, Symbolic | Uniform) else Uniform(Fraction(str(x)), ())


def _tensor(x: Value | float) -> Symbolic:
    assert isinstance(x, Symbolic)
    return x


def _constant_tensor(low: Lowering, value: Fraction) -> Symbolic:
    sign = -1 if value < 0 else 1
    return Symbolic(low.builder.constant(sign), 0, abs(value))


@handles(aten.mul.Tensor, aten.mul.Scalar)
def _mul(low: Lowering, node: fx.Node, a: Value, b: Value | float) -> Value:
    ca, cb = _constant_value(a), _constant_value(b)
    if ca is not None and cb is not None:
        return Uniform(ca * cb, tuple(node.meta["val"].shape))
    if ca is None and cb is None:
        return low.arithmetic.product(_tensor(a), _tensor(b), matrix=False, name=node.name)
    factor, tensor = (cb, a) if cb is not None else (ca, b)
    assert factor is not None
    if factor == 0:
        return Uniform(Fraction(0), tuple(node.meta["val"].shape))
    return low.arithmetic.scaled(_tensor(tensor), factor)


@handles(aten.div.Tensor, aten.div.Scalar)
def _div(low: Lowering, node: fx.Node, a: Value, b: Value | float) -> Value:
    divisor = _constant_value(b)
    if divisor is None:
        raise UnsupportedOperator("division by a tensor can't be proven yet", got=_where(node))
    if divisor == 0:
        raise UnsupportedOperator("division by zero can't be proven", got=_where(node))
    if isinstance(a, Uniform):
        return Uniform(a.value / divisor, tuple(node.meta["val"].shape))
    return low.arithmetic.scaled(a, 1 / divisor)


@handles(aten.neg.default)
def _neg(low: Lowering, node: fx.Node, x: Value) -> Value:
    return _mul(low, node, x, -1.0)


@handles(aten.pow.Tensor_Scalar)
def _pow(low: Lowering, node: fx.Node, x: Value, exponent: float) -> Value:
    if isinstance(x, Uniform) and float(exponent).is_integer():
        return Uniform(x.value ** int(exponent), x.shape)
    if exponent == 1:
        return x
    if exponent == 2:
        return low.arithmetic.product(_tensor(x), _tensor(x), matrix=False, name=node.name)
    raise UnsupportedOperator(
        f"the power {exponent} can't be proven yet", expected="1 or 2", got=_where(node)
    )


@handles(aten.mm.default)
def _mm(low: Lowering, node: fx.Node, a: Value, b: Value) -> Value:
    return low.arithmetic.product(
        _broadcast(low, node, a, 0), _broadcast(low, node, b, 1), matrix=True, name=node.name
    )


def _broadcast(low: Lowering, node: fx.Node, x: Value, argument: int) -> Symbolic:
    """A matrix operand must be a tensor of its full shape."""
    shape = tuple(node.args[argument].meta["val"].shape)  # type: ignore[union-attr]
    if isinstance(x, Symbolic) and low.builder.shape(x.node) == shape:
        return x
    raise UnsupportedOperator(
        "a matrix product with a constant or broadcast operand can't be proven yet",
        got=_where(node),
    )


@handles(aten.addmm.default)
def _addmm(low: Lowering, node: fx.Node, bias: Value, a: Value, b: Value) -> Value:
    product = low.arithmetic.product(
        _broadcast(low, node, a, 1), _broadcast(low, node, b, 2), matrix=True, name=node.name
    )
    return low.arithmetic.add(product, _tensor(bias), name=node.name)


@handles(aten.sum.dim_IntList, aten.sum.default)
def _sum(
    low: Lowering,
    node: fx.Node,
    x: Value,
    dims: Sequence[int] = (),
    keep: bool = False,
    **_: object,
) -> Value:
    source = tuple(node.args[0].meta["val"].shape)  # type: ignore[union-attr]
    axes = _axes(dims, len(source))
    shape = tuple(node.meta["val"].shape)
    if isinstance(x, Uniform):
        return Uniform(x.value * prod(source[axis] for axis in axes), shape)
    if low.builder.shape(x.node) != source:
        raise UnsupportedOperator(
            "a sum over a broadcast axis can't be proven yet", got=_where(node)
        )
    summed = low.builder.sum(x.node, axes, node.name)
    return Symbolic(low.builder.reshape(summed, shape or (1,)), x.scale, x.coefficient)


@handles(aten.mean.default, aten.mean.dim)
def _mean(
    low: Lowering,
    node: fx.Node,
    x: Value,
    dims: Sequence[int] = (),
    keep: bool = False,
    **_: object,
) -> Value:
    source = tuple(node.args[0].meta["val"].shape)  # type: ignore[union-attr]
    count = prod(source[axis] for axis in _axes(dims, len(source)))
    total = _sum(low, node, x, dims, keep)
    if isinstance(total, Uniform):
        return Uniform(total.value / count, total.shape)
    return low.arithmetic.scaled(total, Fraction(1, count))


# --- losses ---------------------------------------------------------------------------------


@handles(aten.mse_loss_backward.default)
def _mse_backward(
    low: Lowering, node: fx.Node, grad: Value, prediction: Value, target: Value, reduction: int
) -> Value:
    """d/dp of mean or sum of (p - t)^2: 2 (p - t) g, over N for the mean (reduction 1)."""
    residual = low.arithmetic.add(
        _tensor(prediction), _tensor(target), subtract=True, name=node.name
    )
    count = node.meta["val"].numel() if reduction == 1 else 1
    return _mul(low, node, low.arithmetic.scaled(residual, Fraction(2, count)), grad)


# --- activations ----------------------------------------------------------------------------


@handles(aten.relu.default)
def _relu(low: Lowering, node: fx.Node, x: Value) -> Value:
    z = low.comparable(_tensor(x), node.name)
    if z.coefficient < 0:
        z = low.arithmetic.with_unit_coefficient(z)
    needs_gradient = any(u.target is aten.threshold_backward.default for u in node.users)
    if not needs_gradient:
        return Symbolic(low.builder.unary(Op.RELU, z.node, (), node.name), z.scale, z.coefficient)
    # One comparison serves both: relu(z) = [z > 0] z, and the gradient is masked by [z > 0].
    mask = Symbolic(low.builder.unary(Op.IS_POSITIVE, z.node, (), node.name), 0)
    result = low.arithmetic.product(mask, z, matrix=False, name=node.name)
    low.masks[result.node] = mask
    return result


@handles(aten.threshold_backward.default)
def _relu_backward(low: Lowering, node: fx.Node, grad: Value, x: Value, threshold: float) -> Value:
    if threshold != 0 or not isinstance(x, Symbolic) or x.node not in low.masks:
        raise UnsupportedOperator("only the gradient of ReLU can be proven here", got=_where(node))
    mask = low.masks[x.node]
    if isinstance(grad, Uniform):
        return low.arithmetic.scaled(mask, grad.value)
    return low.arithmetic.product(mask, grad, matrix=False, name=node.name)


@handles(aten.sigmoid.default)
def _sigmoid(low: Lowering, node: fx.Node, x: Value) -> Value:
    return low.sigmoid(_tensor(x), node.name)


@handles(aten.sigmoid_backward.default)
def _sigmoid_backward(low: Lowering, node: fx.Node, grad: Value, y: Value) -> Value:
    """g y (1 - y)."""
    one_minus = low.arithmetic.add(
        _constant_tensor(low, Fraction(1)), _tensor(y), subtract=True, name=node.name
    )
    slope = low.arithmetic.product(_tensor(y), one_minus, matrix=False, name=node.name)
    return _mul(low, node, slope, grad)


@handles(aten.softplus_backward.default)
def _softplus_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, beta: float, threshold: float
) -> Value:
    """g sigmoid(x), the derivative of log(1 + exp x); binary cross-entropy is made of it.

    Beyond `threshold` torch returns g itself; the table's clamp differs from that by e^-8.
    """
    if beta != 1:
        raise UnsupportedOperator("softplus can be proven for beta = 1 only", got=_where(node))
    return _mul(low, node, low.sigmoid(_tensor(x), node.name), grad)
