"""Lower a traced graph of ATen operators to an integer program.

One handler per operator, in `operators`; an operator without a handler is refused by name. Where
products are rescaled is not decided here: `Lowering.rescaled` names the graph nodes whose results
go back to the project's scale, and `placement` searches for the cheapest set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.operators import HANDLERS, SHAPE_ONLY, Value, supported_operators
from zkdescent.circuits.program import Builder, Op
from zkdescent.circuits.symbolic import Arithmetic, Symbolic, Uniform
from zkdescent.core.errors import UnsupportedOperator

__all__ = ["Lowering", "supported_operators"]


class Lowering:
    """Lowers one graph into a `Builder`.

    Args:
        builder: where nodes are appended.
        fixed: the declared arithmetic.
        rescaled: names of graph nodes whose results are rounded back to `fraction_bits`.
    """

    def __init__(
        self, builder: Builder, fixed: FixedPoint, rescaled: frozenset[str] = frozenset()
    ) -> None:
        self.builder = builder
        self.fixed = fixed
        self.rescaled = rescaled
        self.arithmetic = Arithmetic(builder, fixed)
        # ReLU and its gradient share one comparison: node of relu(z) -> node of [z > 0].
        self.masks: dict[int, Symbolic] = {}
        self._outputs: frozenset[str] = frozenset()

    def run(self, graph: fx.GraphModule, arguments: Sequence[Symbolic]) -> list[Symbolic]:
        """Lower `graph` with its placeholders bound to `arguments`.

        Returns:
            The outputs, each at `fraction_bits` with coefficient 1.

        Raises:
            UnsupportedOperator: an operator has no proven fixed-point meaning.
            RangeOverflow: the bit budget does not fit.
        """
        placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
        values: dict[fx.Node, Value] = dict(zip(placeholders, arguments, strict=True))
        (output,) = [n for n in graph.graph.nodes if n.op == "output"]
        results = [n for n in output.args[0] if isinstance(n, fx.Node)]
        self._outputs = frozenset(n.name for n in results)
        needed = _needed(results)
        for node in graph.graph.nodes:
            if node.op != "placeholder" and node in needed:
                values[node] = self._lower(node, values)
        return [self._finished(values[n], n.name) for n in results]

    def _lower(self, node: fx.Node, values: dict[fx.Node, Value]) -> Value:
        handler = HANDLERS.get(node.target)
        if handler is None:
            raise UnsupportedOperator(
                f"the operator {node.target} can't be proven",
                got=f"{node.name} = {node.format_node()}",
                hint="supported: " + ", ".join(supported_operators()),
            )
        arguments: Any = fx.map_arg(tuple(node.args), values.get)  # type: ignore[arg-type]
        value = handler(self, node, *arguments)
        if isinstance(value, Uniform):
            return value
        # Optimizer slots are outputs and are read again: round them once, where they arise.
        if node.name in self._outputs:
            return self._finished(value, node.name)
        if node.name in self.rescaled and value.scale > self.fixed.fraction_bits:
            return self.arithmetic.rescale(value, self.fixed.fraction_bits, node.name)
        return value

    def _finished(self, value: Value, name: str) -> Symbolic:
        if isinstance(value, Uniform):
            raise UnsupportedOperator(
                "an output of the step is a constant", got=name, hint="is a parameter unused?"
            )
        f = self.fixed.fraction_bits
        unit = self.arithmetic.with_unit_coefficient(value, target=f)
        result = self.arithmetic.rescale(unit, f, name)
        if self.builder.node(result.node).op is Op.RESCALE:
            return result
        # Nothing was rounded, so nothing bounds it yet; the next proof starts from a bounded state.
        return Symbolic(self.builder.unary(Op.RANGE_CHECK, result.node, (), name), f)

    def target_scale(self, node: fx.Node) -> int | None:
        """Scale to which the result of this node is going to be rounded right away, if it is."""
        at_once = node.name in self._outputs or node.name in self.rescaled
        return self.fixed.fraction_bits if at_once else None

    def comparable(self, value: Symbolic, name: str) -> Symbolic:
        """Round a value, if needed, so that a comparison's decomposition can hold it."""
        widest = self.fixed.decomposition_bits - self.fixed.headroom_bits
        if value.scale <= widest:
            return value
        return self.arithmetic.rescale(value, self.fixed.fraction_bits, name)

    def sigmoid(self, value: Symbolic, name: str) -> Symbolic:
        """Logistic function by a table over clamped arguments."""
        bits = self.fixed.sigmoid_bits
        x = self.arithmetic.with_unit_coefficient(value, target=bits)
        x = self.arithmetic.rescale(x, bits, name)
        clamped = self.builder.unary(Op.CLAMP, x.node, (self.fixed.clamp,), name)
        return Symbolic(self.builder.unary(Op.SIGMOID, clamped, (bits,), name), bits)


def _needed(results: Sequence[fx.Node]) -> set[fx.Node]:
    """Nodes whose values the results depend on."""
    needed: set[fx.Node] = set()
    stack = list(results)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            if node.target not in SHAPE_ONLY:
                stack.extend(node.all_input_nodes)
    return needed
