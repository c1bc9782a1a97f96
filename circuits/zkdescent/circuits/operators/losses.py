"""Losses that torch keeps as one operator, and their derivatives.

The value of a loss is in the program only if something depends on it, such as the root in a root
mean square; the update itself needs derivatives only.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from torch import fx

from zkdescent.circuits.operators.activations import softplus
from zkdescent.circuits.operators.algebra import Algebra
from zkdescent.circuits.operators.registry import Value, argument_shape, aten, handles
from zkdescent.circuits.program import Op

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

MEAN, SUM = 1, 2  # torch's codes of reductions; 0 is none

Term = Callable[[Algebra, Value, Value], Value]


def _reduced(algebra: Algebra, terms: Value, reduction: int) -> Value:
    shape = argument_shape(algebra.node, 0)
    if reduction == MEAN:
        return algebra.mean(terms, shape, (), keep=False)
    return algebra.total(terms, shape, (), keep=False) if reduction == SUM else terms


def _pulled(algebra: Algebra, grad: Value, slope: Value, reduction: int) -> Value:
    """The gradient of the prediction: slope g, over N for the mean."""
    count = prod(argument_shape(algebra.node, 1)) if reduction == MEAN else 1
    return algebra.mul(algebra.mul(slope, Fraction(1, count)), grad)


def _clamped(algebra: Algebra, x: Value, bound: Fraction) -> Value:
    """x between -bound and bound."""
    lower = algebra.relu(algebra.sub(-bound, x))
    return algebra.sub(algebra.add(x, lower), algebra.relu(algebra.sub(x, bound)))


@handles(aten.mse_loss.default)
def _mse(low: Lowering, node: fx.Node, p: Value, t: Value, reduction: int = MEAN) -> Value:
    algebra = Algebra(low, node)
    residual = algebra.sub(p, t)
    return _reduced(algebra, algebra.mul(residual, residual), reduction)


@handles(aten.mse_loss_backward.default)
def _mse_backward(
    low: Lowering, node: fx.Node, grad: Value, p: Value, t: Value, reduction: int
) -> Value:
    """2 (p - t)."""
    algebra = Algebra(low, node)
    return _pulled(algebra, grad, algebra.mul(algebra.sub(p, t), 2), reduction)


def _huber_terms(algebra: Algebra, residual: Value, delta: Fraction) -> Value:
    """c (r - c / 2) with c = r clamped to delta: r^2 / 2 inside, delta (|r| - delta / 2) beyond."""
    clamped = _clamped(algebra, residual, delta)
    return algebra.mul(clamped, algebra.sub(residual, algebra.mul(clamped, Fraction(1, 2))))


@handles(aten.huber_loss.default)
def _huber(
    low: Lowering, node: fx.Node, p: Value, t: Value, reduction: int = MEAN, delta: float = 1
) -> Value:
    algebra = Algebra(low, node)
    terms = _huber_terms(algebra, algebra.sub(p, t), Fraction(str(delta)))
    return _reduced(algebra, terms, reduction)


@handles(aten.huber_loss_backward.default)
def _huber_backward(
    low: Lowering, node: fx.Node, grad: Value, p: Value, t: Value, reduction: int, delta: float
) -> Value:
    """p - t, clamped to delta (Huber 1964)."""
    algebra = Algebra(low, node)
    slope = _clamped(algebra, algebra.sub(p, t), Fraction(str(delta)))
    return _pulled(algebra, grad, slope, reduction)


@handles(aten.smooth_l1_loss.default)
def _smooth_l1(
    low: Lowering, node: fx.Node, p: Value, t: Value, reduction: int = MEAN, beta: float = 1
) -> Value:
    """Huber's loss over beta."""
    algebra = Algebra(low, node)
    residual = algebra.sub(p, t)
    if beta == 0:
        return _reduced(algebra, algebra.absolute(residual), reduction)
    terms = algebra.divide(_huber_terms(algebra, residual, Fraction(str(beta))), beta)
    return _reduced(algebra, terms, reduction)


@handles(aten.smooth_l1_loss_backward.default)
def _smooth_l1_backward(
    low: Lowering, node: fx.Node, grad: Value, p: Value, t: Value, reduction: int, beta: float
) -> Value:
    """(p - t) / beta, clamped to 1."""
    algebra = Algebra(low, node)
    residual = algebra.sub(p, t)
    if beta == 0:
        return _pulled(algebra, grad, algebra.sign(residual), reduction)
    slope = algebra.divide(_clamped(algebra, residual, Fraction(str(beta))), beta)
    return _pulled(algebra, grad, slope, reduction)


@handles(aten.soft_margin_loss.default)
def _soft_margin(low: Lowering, node: fx.Node, p: Value, t: Value, reduction: int = MEAN) -> Value:
    """log(1 + exp(-t p))."""
    algebra = Algebra(low, node)
    return _reduced(algebra, softplus(algebra, algebra.neg(algebra.mul(t, p))), reduction)


@handles(aten.soft_margin_loss_backward.default)
def _soft_margin_backward(
    low: Lowering, node: fx.Node, grad: Value, p: Value, t: Value, reduction: int
) -> Value:
    """-t sigmoid(-t p)."""
    algebra = Algebra(low, node)
    gate = algebra.table(Op.SIGMOID, algebra.neg(algebra.mul(t, p)))
    return _pulled(algebra, grad, algebra.neg(algebra.mul(t, gate)), reduction)
