"""Which nodes of a traced graph may be rounded, and how they hang together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import fx

from zkdescent.circuits.operators import SHAPE_ONLY, needed_for

_PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "matmul", "dot", "mv", "convolution"})

# Rearrangements and constants make no fraction bits; tables, roots and quotients have rounded
# already. ReLU's result stays as it is: its gradient finds the shared comparison through it.
# fmt: off
_NEVER = frozenset({
    "view", "_unsafe_view", "reshape", "t", "numpy_T", "transpose", "permute", "expand",
    "squeeze", "unsqueeze", "slice", "select", "slice_backward", "select_backward", "cat",
    "stack", "split", "split_with_sizes", "unbind", "chunk", "clone", "detach", "alias",
    "contiguous", "lift_fresh_copy", "_to_copy", "constant_pad_nd", "flip", "ones_like",
    "zeros_like", "full_like", "ones", "zeros", "full", "empty_like", "new_zeros",
    "new_ones", "new_full", "scalar_tensor", "relu", "sigmoid", "tanh", "exp", "sqrt",
    "rsqrt", "reciprocal", "sign", "sgn",
})
# fmt: on
_ONE_FACTOR = frozenset({"mul", "div", "neg"})
_PARTS = frozenset({"split", "split_with_sizes", "unbind", "chunk"})


@dataclass(frozen=True, slots=True)
class Candidates:
    """Graph nodes whose results may be rounded back to `fraction_bits`.

    Attributes:
        names: in the graph's order.
        rank: name -> place in the order of tensor sizes, the largest first.
        products: matrix products and convolutions.
        forward, gradient: before and after the gradient of the loss begins.
        classes: nodes of one operator and one shape; those of one node are left out.
        neighbours: name -> the nearest candidates before and after it.
    """

    names: tuple[str, ...]
    rank: dict[str, int]
    products: frozenset[str]
    forward: frozenset[str]
    gradient: frozenset[str]
    classes: tuple[frozenset[str], ...]
    neighbours: dict[str, frozenset[str]]


def candidates(graph: fx.GraphModule) -> frozenset[str]:
    """Names of all graph nodes that may be rounded: rounding there fits wherever anything does."""
    return frozenset(rescalable(graph).names)


def rescalable(graph: fx.GraphModule) -> Candidates:
    """Find them: results of arithmetic on real tensors that an output depends on.

    Left out are outputs (they are rounded in any case) and constant multiples of a candidate that
    nothing else reads: rounding those is rounding the candidate.
    """
    (output,) = [n for n in graph.graph.nodes if n.op == "output"]
    results = [n for n in output.args[0] if isinstance(n, fx.Node)]
    needed = needed_for(results)
    chosen: dict[fx.Node, None] = {}
    for node in graph.graph.nodes:
        if node in needed and node not in results and _rounds(node) and not _repeats(node, chosen):
            chosen[node] = None
    order = list(graph.graph.nodes)
    seed = next((i for i, n in enumerate(order) if n in needed and n.target in SHAPE_ONLY), None)
    late = set() if seed is None else set(order[seed:])
    names = tuple(n.name for n in chosen)
    by_size = sorted(chosen, key=lambda n: -prod(_shape(n)))
    classes: dict[Any, list[str]] = defaultdict(list)
    for node in chosen:
        classes[node.target, _shape(node)].append(node.name)
    return Candidates(
        names=names,
        rank={n.name: i for i, n in enumerate(by_size)},
        products=frozenset(n.name for n in chosen if _operator(n) in _PRODUCTS),
        forward=frozenset(n.name for n in chosen if n not in late),
        gradient=frozenset(n.name for n in chosen if n in late),
        classes=tuple(frozenset(group) for group in classes.values() if len(group) > 1),
        neighbours=_neighbours(chosen),
    )


def _operator(node: fx.Node) -> str:
    """Name of an ATen operator without its overload."""
    packet = getattr(node.target, "overloadpacket", None)
    return getattr(packet or node.target, "__name__", str(node.target))


def _shape(node: fx.Node) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _rounds(node: fx.Node) -> bool:
    """Whether a node computes real numbers by products or sums."""
    value = node.meta.get("val")
    if node.op != "call_function" or not isinstance(value, torch.Tensor):
        return False
    if not value.is_floating_point() or _operator(node) in _NEVER:
        return False
    source = node.all_input_nodes[0] if node.all_input_nodes else None
    # One of several results: of a gradient it is arithmetic, of a split it is a rearrangement.
    is_part = _operator(node) == "getitem" and source is not None and _operator(source) in _PARTS
    return source is not None and not is_part


def _repeats(node: fx.Node, chosen: Container[fx.Node]) -> bool:
    if _operator(node) not in _ONE_FACTOR or len(node.all_input_nodes) != 1:
        return False
    (source,) = node.all_input_nodes
    is_square = sum(argument is source for argument in node.args) > 1
    return source in chosen and len(source.users) == 1 and not is_square


def _neighbours(chosen: Iterable[fx.Node]) -> dict[str, frozenset[str]]:
    """Nearest candidates on every path backwards, and the same forwards."""
    members = set(chosen)
    near: dict[str, set[str]] = {n.name: set() for n in chosen}
    for node in chosen:
        stack, seen = list(node.all_input_nodes), set[fx.Node]()
        while stack:
            before = stack.pop()
            if before in seen:
                continue
            seen.add(before)
            if before in members:
                near[node.name].add(before.name)
                near[before.name].add(node.name)
            else:
                stack.extend(before.all_input_nodes)
    return {name: frozenset(names) for name, names in near.items()}
