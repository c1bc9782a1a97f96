"""What a chain of rearrangements shows: which elements of which value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.circuits.passes.rewrite import MOVES
from zkdescent.circuits.program import Node, Op

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class View:
    """Elements of a value, flat; index -1 is a zero that stands in no value.

    Attributes:
        source: index of the node that is looked at; not a move.
        elements: for each element its flat index in the source.
        moves: operations between, from the reader to the source.
    """

    source: int
    elements: Indices
    moves: tuple[Op, ...]


def view(node_at: Callable[[int], Node], index: int) -> View:
    """Follow slices, takes, reshapes, transpositions and single parts of a CONCAT to their source.

    Args:
        node_at: index -> node, of a program or of a builder.
    """
    elements: Indices = np.arange(node_at(index).size)
    moves: list[Op] = []
    while True:
        node = node_at(index)
        if node.op in MOVES:
            step = moved_elements(node, node_at(node.inputs[0]))
            if step is not None:
                elements = step if not moves else compose(step, elements)
            moves.append(node.op)
            index = node.inputs[0]
            continue
        part = _part(node_at, node, elements) if node.op is Op.CONCAT else None
        if part is None:
            return View(index, elements, tuple(moves))
        index, start = part
        elements = np.where(elements < 0, -1, elements - start)
        moves.append(Op.CONCAT)


def moved_elements(node: Node, argument: Node) -> Indices | None:
    """Flat indices in the argument of a move's elements; None if they are all, in order."""
    match node.op:
        case Op.SLICE:
            return np.arange(*node.attributes)
        case Op.TAKE:
            return np.array(node.attributes, dtype=np.int64)
        case Op.TRANSPOSE:
            return np.arange(argument.size).reshape(argument.shape).T.reshape(-1)
        case _:
            assert node.op is Op.RESHAPE
            return None


def compose(inner: Indices, outer: Indices) -> Indices:
    """Elements of a rearrangement `outer` of a rearrangement `inner`."""
    padded = np.append(inner, [-1])  # index -1 stays -1
    composed: NDArray[Any] = padded[outer]
    return composed


def _part(node_at: Callable[[int], Node], node: Node, elements: Indices) -> tuple[int, int] | None:
    """The one part of a CONCAT that holds all elements, and where it starts; None if several do."""
    present = elements[elements >= 0]
    if not present.size:
        return None
    start = 0
    for part in node.inputs:
        stop = start + node_at(part).size
        if present.min() < stop:
            return (part, start) if present.max() < stop else None
        start = stop
    raise AssertionError("an index is beyond its CONCAT")
