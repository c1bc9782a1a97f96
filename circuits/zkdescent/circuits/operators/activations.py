"""Activations and their derivatives.

Sigmoid, tanh and exp are tables; what is not is made of them and of comparisons. With 10 bits, the
sigmoid's table is exactly 0 and 1 at its ends, so what lies beyond loses nothing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.logarithm import log_between
from zkdescent.circuits.operators.registry import Operand, Value, aten, handles
from zkdescent.circuits.program import Op
from zkdescent.circuits.symbolic import Symbolic

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering


# --- piecewise linear -----------------------------------------------------------------------


@handles(aten.relu.default)
def _relu(low: Lowering, node: fx.Node, x: Value) -> Value:
    # One comparison serves both: relu(z) = [z > 0] z, and the gradient is masked by [z > 0].
    algebra = Algebra(low, node)
    mask = algebra.above(x)
    result = algebra.mul(mask, x)
    if isinstance(result, Symbolic) and isinstance(mask, Symbolic):
        low.derived[result.node] = mask
    return result


@handles(aten.threshold_backward.default)
def _relu_backward(low: Lowering, node: fx.Node, grad: Value, x: Value, threshold: float) -> Value:
    """g [x > threshold]; torch passes the ReLU's result as `x`."""
    algebra = Algebra(low, node)
    shared = low.derived.get(x.node) if isinstance(x, Symbolic) and threshold == 0 else None
    return algebra.mul(shared or algebra.above(x, threshold), grad)


@handles(aten.leaky_relu.default)
def _leaky_relu(low: Lowering, node: fx.Node, x: Value, slope: float = 0.01) -> Value:
    """max(x, 0) + slope min(x, 0)."""
    algebra = Algebra(low, node)
    positive = algebra.relu(x)
    return algebra.add(positive, algebra.mul(algebra.sub(x, positive), slope))


@handles(aten.leaky_relu_backward.default)
def _leaky_relu_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, slope: float, is_result: bool
) -> Value:
    """g where x > 0, else slope g; a leaky ReLU's result has the sign of its argument."""
    algebra = Algebra(low, node)
    mask = algebra.above(x)
    return algebra.mul(algebra.add(mask, algebra.mul(algebra.negated(mask), slope)), grad)


@handles(aten._prelu_kernel.default)
def _prelu(low: Lowering, node: fx.Node, x: Value, weight: Value) -> Value:
    """w x + [x > 0] (1 - w) x, with a trained slope w."""
    algebra = Algebra(low, node)
    positive = algebra.relu(x)
    return algebra.add(positive, algebra.mul(weight, algebra.sub(x, positive)))


@handles(aten._prelu_kernel_backward.default)
def _prelu_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, weight: Value
) -> tuple[Value, Value]:
    """g where x > 0, else g w; and g min(x, 0) for the slope."""
    algebra = Algebra(low, node)
    mask = algebra.above(x)
    negative = algebra.sub(x, algebra.mul(mask, x))
    slope = algebra.add(mask, algebra.mul(algebra.negated(mask), weight))
    return algebra.mul(slope, grad), algebra.mul(negative, grad)


@handles(aten.hardtanh.default)
def _hardtanh(
    low: Lowering, node: fx.Node, x: Value, lowest: float = -1, highest: float = 1
) -> Value:
    """lowest + [x > lowest] (x - lowest) - [x >= highest] (x - highest)."""
    algebra = Algebra(low, node)
    raised = algebra.add(algebra.relu(algebra.sub(x, lowest)), lowest)
    below = algebra.above(highest, x)
    return algebra.sub(raised, algebra.mul(algebra.negated(below), algebra.sub(x, highest)))


@handles(aten.hardtanh_backward.default)
def _hardtanh_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, lowest: float, highest: float
) -> Value:
    """g [lowest < x < highest]."""
    algebra = Algebra(low, node)
    inside = algebra.mul(algebra.above(x, lowest), algebra.above(highest, x))
    return algebra.mul(inside, grad)


@handles(aten.elu.default)
def _elu(
    low: Lowering, node: fx.Node, x: Value, alpha: float = 1, scale: float = 1, inner: float = 1
) -> Value:
    """scale (max(x, 0) + alpha (exp(inner min(x, 0)) - 1))."""
    algebra = Algebra(low, node)
    positive = algebra.relu(x)
    exponential = algebra.table(Op.EXP, algebra.mul(algebra.sub(x, positive), inner), above=False)
    curved = algebra.mul(algebra.sub(exponential, 1), Fraction(str(alpha)))
    return algebra.mul(algebra.add(positive, curved), Fraction(str(scale)))


@handles(aten.elu_backward.default)
def _elu_backward(
    low: Lowering,
    node: fx.Node,
    grad: Value,
    alpha: float,
    scale: float,
    inner: float,
    is_result: bool,
    x: Value,
) -> Value:
    """g scale ([x > 0] + [x <= 0] alpha inner exp(inner min(x, 0)))."""
    algebra = Algebra(low, node)
    positive = algebra.relu(x)
    mask = algebra.above(x)
    curved = Fraction(str(alpha)) * Fraction(str(inner))
    if is_result:  # x is scale alpha (exp(...) - 1) where it is not positive
        exponential = algebra.add(algebra.divide(algebra.sub(x, positive), alpha * scale), 1)
    else:
        exponential = algebra.table(
            Op.EXP, algebra.mul(algebra.sub(x, positive), inner), above=False
        )
    # Where x is positive, the exponential is 1: the mask corrects its factor.
    slope = algebra.add(algebra.mul(exponential, curved), algebra.mul(mask, 1 - curved))
    return algebra.mul(algebra.mul(slope, Fraction(str(scale))), grad)


# --- tables ---------------------------------------------------------------------------------


@handles(aten.sigmoid.default)
def _sigmoid(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).table(Op.SIGMOID, x)


@handles(aten.sigmoid_backward.default)
def _sigmoid_backward(low: Lowering, node: fx.Node, grad: Value, y: Value) -> Value:
    """g y (1 - y)."""
    algebra = Algebra(low, node)
    return algebra.mul(algebra.mul(y, algebra.sub(1, y)), grad)


@handles(aten.tanh.default)
def _tanh(low: Lowering, node: fx.Node, x: Value) -> Value:
    return Algebra(low, node).table(Op.TANH, x)


@handles(aten.tanh_backward.default)
def _tanh_backward(low: Lowering, node: fx.Node, grad: Value, y: Value) -> Value:
    """g (1 - y^2)."""
    algebra = Algebra(low, node)
    return algebra.mul(algebra.sub(1, algebra.mul(y, y)), grad)


@handles(aten.silu.default)
def _silu(low: Lowering, node: fx.Node, x: Value) -> Value:
    """x sigmoid(x); its gradient traces to sigmoids and products."""
    algebra = Algebra(low, node)
    return algebra.mul(x, algebra.table(Op.SIGMOID, x))


@handles(aten.silu_backward.default)
def _silu_backward(low: Lowering, node: fx.Node, grad: Value, x: Value) -> Value:
    """g s (1 + x (1 - s)) with s = sigmoid(x)."""
    algebra = Algebra(low, node)
    s = algebra.table(Op.SIGMOID, x)
    bracket = algebra.add(algebra.mul(x, algebra.sub(1, s)), 1)
    return algebra.mul(algebra.mul(s, bracket), grad)


# --- softplus -------------------------------------------------------------------------------


def softplus(algebra: Algebra, x: Value) -> Value:
    """log(1 + exp x) = max(x, 0) + log(1 + exp(-|x|))."""
    exponential = algebra.table(Op.EXP, algebra.neg(algebra.absolute(x)), above=False)
    return algebra.add(algebra.relu(x), log_between(algebra, algebra.add(exponential, 1), 1, 2))


@handles(aten.softplus.default)
def _softplus(
    low: Lowering, node: fx.Node, x: Value, beta: float = 1, threshold: float = 20
) -> Value:
    """log(1 + exp(beta x)) / beta; the threshold guards floats only."""
    algebra = Algebra(low, node)
    return algebra.divide(softplus(algebra, algebra.mul(x, beta)), beta)


@handles(aten.softplus_backward.default)
def _softplus_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, beta: float, threshold: float
) -> Value:
    """g sigmoid(beta x); binary cross-entropy is made of it."""
    algebra = Algebra(low, node)
    return algebra.mul(algebra.table(Op.SIGMOID, algebra.mul(x, beta)), grad)


@handles(aten.log_sigmoid_forward.default)
def _log_sigmoid(low: Lowering, node: fx.Node, x: Value) -> tuple[Value, None]:
    """-softplus(-x), and a buffer that only torch needs."""
    algebra = Algebra(low, node)
    return algebra.neg(softplus(algebra, algebra.neg(x))), None


@handles(aten.log_sigmoid_backward.default)
def _log_sigmoid_backward(
    low: Lowering, node: fx.Node, grad: Value, x: Value, buffer: object
) -> Value:
    """g (1 - sigmoid(x))."""
    algebra = Algebra(low, node)
    return algebra.mul(algebra.sub(1, algebra.table(Op.SIGMOID, x)), grad)


# --- GELU -----------------------------------------------------------------------------------

# Hendrycks and Gimpel 2016, eq. 2: x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is their
# tanh form. Torch's exact GELU differs from it by up to 4.8e-4, its derivative by up to 8.7e-4.
_OUTER = Fraction("1.5957691216")
_CUBIC = Fraction("0.044715")
# The cubic reaches 7.88 here, inside the table; what the sigmoid lacks to 1 its rounding adds.
_GELU_BOUND = Fraction(53, 16)


def _gate(algebra: Algebra, x: Value) -> tuple[Value, Value]:
    """The sigmoid that GELU multiplies x by, and the square of the clamped x."""
    low = algebra.low
    x = algebra.rounded(x, low.fixed.fraction_bits)
    if isinstance(x, Symbolic):
        x = low.arithmetic.clamped(x, -_GELU_BOUND, _GELU_BOUND, algebra.name)
    square = algebra.mul(x, x)
    cubic = algebra.mul(x, algebra.add(algebra.mul(square, _CUBIC), 1))
    gate = algebra.table(Op.SIGMOID, algebra.mul(cubic, _OUTER), below=False, above=False)
    return gate, square


@handles(aten.gelu.default)
def _gelu(low: Lowering, node: fx.Node, x: Value) -> Value:
    """The tanh form, whichever form was asked for."""
    algebra = Algebra(low, node)
    return algebra.mul(x, _gate(algebra, x)[0])


@handles(aten.gelu_backward.default)
def _gelu_backward(low: Lowering, node: fx.Node, grad: Value, x: Operand) -> Value:
    """g (s + x s (1 - s) u') with u' = c (1 + 3 * 0.044715 x^2)."""
    algebra = Algebra(low, node)
    bits = low.fixed.fraction_bits
    gate, square = _gate(algebra, x)  # type: ignore[arg-type]
    slope = algebra.mul(algebra.add(algebra.mul(square, 3 * _CUBIC), 1), _OUTER)
    bump = algebra.mul(algebra.mul(gate, algebra.sub(1, gate)), algebra.rounded(x, bits))
    return algebra.mul(algebra.add(gate, algebra.mul(bump, slope)), grad)
