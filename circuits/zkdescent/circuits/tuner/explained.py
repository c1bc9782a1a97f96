"""One update step lowered with any arithmetic, to tell what each stage of compiling saves."""

from __future__ import annotations

from torch import fx

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE, BatchShape
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.passes.explain import LowerWith
from zkdescent.circuits.program import Builder, Program
from zkdescent.circuits.symbolic import Arithmetic, Symbolic
from zkdescent.circuits.trace import StateLayout


def lower_step_with(
    graph: fx.GraphModule, layout: StateLayout, batch: BatchShape, fixed: FixedPoint
) -> LowerWith:
    """A function that lowers one step with a given arithmetic, rounded at the given nodes.

    With `Arithmetic` itself the program is that of `assemble.step_program` with one step.
    """

    def lower(arithmetic: type[Arithmetic], rescaled: frozenset[str]) -> Program:
        builder = Builder()
        builder.input(CONTEXT, 1)
        state, block = builder.input(STATE, layout.size), builder.input(BATCH, batch.size)
        features = batch.batch_size * batch.features
        split = [(0, features, batch.features), (features, batch.size, batch.targets)]
        arguments, start = [], 0
        tables = (layout.names, layout.shapes, layout.sizes, layout.scales)
        for name, shape, size, scale in zip(*tables, strict=True):
            part = builder.slice(state, start, start + size, name)
            arguments.append(Symbolic(builder.reshape(part, shape), scale))
            start += size
        for (first, last, width), name in zip(split, ("features", "targets"), strict=True):
            part = builder.slice(block, first, last, name)
            node = builder.reshape(part, (batch.batch_size, width))
            arguments.append(Symbolic(node, fixed.fraction_bits))
        lowering = Lowering(builder, fixed, rescaled)
        lowering.arithmetic = arithmetic(builder, fixed)
        results = lowering.run(graph, arguments, layout.scales)
        flat = [builder.reshape(r.node, (builder.node(r.node).size,)) for r in results]
        return builder.finish(builder.concat(flat))

    return lower
