"""The table of handlers, and what their modules share.

A handler `(lowering, fx_node, *arguments)` says what one ATen operator means in fixed-point
arithmetic. Arguments are values, or plain Python where the graph has plain Python. Constants stay
exact as long as they are uniform; nothing is rounded in a handler but where a gadget needs it.

A value may be *narrower* than the tensor it stands for: its node's shape need only broadcast to
the shape that torch reports. Scalars have the shape (1,). Whoever needs all elements (a matrix
product, a reshape) asks `full` for them; materialising is free in circuits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from zkdescent.circuits.symbolic import Symbolic, Uniform
from zkdescent.core.errors import UnsupportedOperator

if TYPE_CHECKING:
    from zkdescent.circuits.lowering import Lowering

Shape = tuple[int, ...]
Value = Symbolic | Uniform
Operand = Value | float | Fraction
Handler = Callable[..., Any]

aten = torch.ops.aten
HANDLERS: dict[Any, Handler] = {}

SHAPE_ONLY = frozenset(
    {
        aten.ones_like.default,
        aten.zeros_like.default,
        aten.full_like.default,
        aten.new_zeros.default,
        aten.new_ones.default,
        aten.new_full.default,
        aten.empty_like.default,
        aten.new_empty.default,
    }
)
"""Only the shape of their argument counts: the loss itself needs no circuit, its gradient does."""


def needed_for(results: Iterable[fx.Node]) -> set[fx.Node]:
    """Nodes whose values the results depend on, the results among them."""
    needed: set[fx.Node] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            if node.target not in SHAPE_ONLY:
                stack.extend(node.all_input_nodes)
    return needed


def handles(*targets: Any) -> Callable[[Handler], Handler]:
    """Register a handler for ATen overloads."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return register


def supported_operators() -> list[str]:
    """Names of the ATen operators that can be proven, sorted."""
    return sorted({str(target) for target in HANDLERS})


def described(node: fx.Node) -> str:
    """A graph node as error messages show it."""
    return f"{node.name} = {node.format_node()}"


def output_shape(node: fx.Node) -> Shape:
    """Shape of the tensor that torch computes at a node; () for a scalar."""
    return tuple(int(n) for n in node.meta["val"].shape)


def argument_shape(node: fx.Node, index: int) -> Shape:
    """Shape of the tensor that torch passes as an argument."""
    argument = node.args[index]
    return output_shape(argument) if isinstance(argument, fx.Node) else ()


def axes_of(dims: Sequence[int] | int | None, rank: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted; all of them if none is given."""
    axes = (dims,) if isinstance(dims, int) else tuple(dims or ())
    return tuple(sorted(a % rank for a in (axes or range(rank))))


def constant_value(x: Operand) -> Fraction | None:
    """The value of a uniform constant, None for a tensor.

    A decimal such as 0.05 means that decimal, not the double nearest to it.
    """
    if isinstance(x, Uniform):
        return x.value
    return None if isinstance(x, Symbolic) else _decimal(x)


def as_value(x: Operand) -> Value:
    """A plain number as a constant that broadcasts."""
    return x if isinstance(x, Symbolic | Uniform) else Uniform(_decimal(x), ())


def _decimal(x: float | Fraction) -> Fraction:
    if isinstance(x, Fraction):
        return x
    if isinstance(x, bool):
        return Fraction(int(x))
    try:
        return Fraction(str(x))
    except ValueError:
        raise UnsupportedOperator(
            "a constant of the model is not a finite number",
            got=x,
            hint="to mask by -inf before a softmax, add a finite number such as -30",
        ) from None


def tensor(low: Lowering, x: Operand) -> Symbolic:
    """A value as a tensor of the program; constants become one element that broadcasts."""
    value = as_value(x)
    return value if isinstance(value, Symbolic) else low.arithmetic.constant(value.value)


def full(low: Lowering, x: Operand, shape: Shape) -> Symbolic:
    """A value as a tensor of the program with exactly this shape; () becomes (1,).

    The elements of what is narrower are repeated by a rearrangement, which costs no arithmetic.
    """
    value, wanted = tensor(low, x), shape or (1,)
    have = low.builder.shape(value.node)
    if have == wanted:
        return value
    size = low.builder.node(value.node).size
    indices = np.broadcast_to(np.arange(size).reshape(have), wanted).reshape(-1)
    node = low.builder.take(value.node, indices.tolist(), wanted)
    return Symbolic(node, value.scale, value.coefficient)
