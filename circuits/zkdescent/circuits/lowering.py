"""Lower a traced graph of ATen operators to an integer program.

One handler per operator, in `operators`; an operator without a handler is refused by name. Where
products are rescaled is not decided here: `Lowering.rescaled` names the graph nodes whose results
go back to the project's scale, and `placement` searches for the cheapest set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter, getitem
from typing import Any

import torch
from torch import Tensor, fx

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.operators import (
    FACTORIES,
    HANDLERS,
    Value,
    literal,
    needed_for,
    supported_operators,
    unsupported,
)
from zkdescent.circuits.program import Builder, Op
from zkdescent.circuits.symbolic import Arithmetic, Symbolic, Uniform, ceil_log2
from zkdescent.core.errors import UnsupportedOperator

__all__ = ["Lowering", "supported_operators"]


class Lowering:
    """Lowers one graph into a `Builder`.

    Args:
        builder: where nodes are appended.
        fixed: the declared arithmetic.
        rescaled: names of graph nodes whose results are rounded back to `fraction_bits`.
        arithmetic: how values are combined; another class serves to show what this one saves.
    """

    def __init__(
        self,
        builder: Builder,
        fixed: FixedPoint,
        rescaled: frozenset[str] = frozenset(),
        arithmetic: type[Arithmetic] = Arithmetic,
    ) -> None:
        self.builder = builder
        self.fixed = fixed
        self.rescaled = rescaled
        self.arithmetic = arithmetic(builder, fixed)
        # What a gradient reuses of the forward pass, by the node of its result: the comparison of a
        # ReLU, the softmax behind its logarithm.
        self.derived: dict[int, Symbolic] = {}
        self.finest_scale = fixed.fraction_bits  # of all outputs
        self._outputs: dict[str, int] = {}
        self._finest: dict[fx.Node, int] = {}

    def run(
        self,
        graph: fx.GraphModule,
        arguments: Sequence[Symbolic],
        scales: Sequence[int] | None = None,
    ) -> list[Symbolic]:
        """Lower `graph` with its placeholders bound to `arguments`.

        Args:
            scales: fraction bits of each output; `fraction_bits` for all if not given.

        Returns:
            The outputs, each at its scale with coefficient 1.

        Raises:
            UnsupportedOperator: an operator has no proven fixed-point meaning.
            RangeOverflow: the bit budget does not fit.
        """
        placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
        values: dict[fx.Node, Any] = dict(zip(placeholders, arguments, strict=True))
        (output,) = [n for n in graph.graph.nodes if n.op == "output"]
        results = [n for n in output.args[0] if isinstance(n, fx.Node)]
        scales = scales or [self.fixed.fraction_bits] * len(results)
        self.finest_scale = max(self.fixed.fraction_bits, *scales)
        self._outputs = dict(zip((n.name for n in results), scales, strict=True))
        needed = needed_for(results)
        self._finest = self._finest_readers(graph)
        _refuse_noise(graph.graph.nodes, needed)
        for node in graph.graph.nodes:
            if node.op != "placeholder" and node in needed:
                values[node] = self._lower(graph, node, values)
        return [
            self._finished(self._as_value(n, values[n]), scale, n.name)
            for n, scale in zip(results, scales, strict=True)
        ]

    def _lower(self, graph: fx.GraphModule, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """The value of one node: a tensor, a uniform constant, a known torch tensor, or several."""
        if node.op == "get_attr":
            return attrgetter(str(node.target))(graph)
        arguments: Any = fx.map_arg(tuple(node.args), values.get)
        if node.target is getitem:
            return self._placed(node, arguments[0][arguments[1]])
        known = [isinstance(values.get(n), Tensor) for n in node.all_input_nodes]
        if node.target in FACTORIES or (known and all(known)):
            evaluate: Any = node.target
            return evaluate(*arguments, **node.kwargs)
        handler = HANDLERS.get(node.target)
        if handler is None:
            raise unsupported(node, supported_operators())
        arguments = fx.map_arg(tuple(node.args), lambda n: self._argument(node, n, values.get(n)))
        return self._placed(node, handler(self, node, *arguments))

    def _as_value(self, node: fx.Node, value: Any) -> Any:
        return literal(self, node, value) if isinstance(value, Tensor) else value

    def _argument(self, node: fx.Node, argument: fx.Node, value: Any) -> Any:
        """An argument of a handler: a value, but for indices, which stay torch tensors."""
        is_index = isinstance(value, Tensor) and not value.is_floating_point()
        return (
            value if is_index and node.target in _TAKES_INDICES else self._as_value(argument, value)
        )

    def _placed(self, node: fx.Node, value: Any) -> Any:
        """The value, rounded if this is a place for it."""
        if not isinstance(value, Symbolic):
            return value
        # Optimizer slots are outputs and are read again: round them once, where they arise.
        if node.name in self._outputs:
            rounded = self._finished(value, self._outputs[node.name], node.name)
        elif node.name in self.rescaled:
            # A coefficient above one would magnify the rounding.
            is_scalar = self.builder.node(value.node).size == 1
            finest = self._finest[node] if is_scalar else self.fixed.fraction_bits
            scale = finest + max(0, ceil_log2(abs(value.coefficient)))
            if value.scale <= scale:
                return value
            rounded = self.arithmetic.rescale(value, scale, node.name)
        else:
            return value
        if value.node in self.derived:
            self.derived[rounded.node] = self.derived[value.node]
        return rounded

    def _finest_readers(self, graph: fx.GraphModule) -> dict[fx.Node, int]:
        """Fraction bits to which a scalar may be rounded: those of the finest output it flows into.

        Schedules and bias corrections live in few scalars with many bits. An output is rounded
        itself, so what flows through it counts no further. Tensors are rounded to `fraction_bits`.
        """
        finest: dict[fx.Node, int] = {}
        for node in reversed(graph.graph.nodes):
            readers = [self._outputs.get(u.name, finest[u]) for u in node.users]
            finest[node] = max(self.fixed.fraction_bits, *readers, 0)
        return finest

    def _finished(self, value: Value, scale: int, name: str) -> Symbolic:
        if isinstance(value, Uniform):
            raise UnsupportedOperator(
                "an output of the step is a constant", got=name, hint="is a parameter unused?"
            )
        result = self.arithmetic.rounded(value, scale, name)
        if self._is_bounded(result.node):
            return result
        # Nothing was rounded, so nothing bounds it yet; the next proof starts from a bounded state.
        capacity = scale + self.fixed.headroom_bits
        return Symbolic(self.builder.range_check(result.node, capacity, name), scale)

    def _is_bounded(self, index: int) -> bool:
        """Whether digits, checked here or when the input was admitted, hold the value."""
        node = self.builder.node(index)
        while node.op in _MOVES:
            node = self.builder.node(node.inputs[0])
        return node.op in _BOUNDED


_TAKES_INDICES = frozenset(
    {
        torch.ops.aten.index.Tensor,
        torch.ops.aten.index_put.default,
        torch.ops.aten.index_select.default,
    }
)
_MOVES = frozenset({Op.SLICE, Op.TAKE, Op.RESHAPE, Op.TRANSPOSE})
_BOUNDED = frozenset({Op.INPUT, Op.RESCALE, Op.DIVIDE, Op.SQRT, Op.RANGE_CHECK})


def _refuse_noise(nodes: Iterable[fx.Node], needed: set[fx.Node]) -> None:
    """Noise first: dropout traces to several operators, and only one of them says what it is."""
    for node in nodes:
        is_noise = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        if is_noise and node in needed:
            raise unsupported(node, supported_operators())
