"""The three circuits of a project as integer programs.

| circuit | committed inputs, in order | output |
|---|---|---|
| step | context (1), state, batch block | new state, committed |
| range | state, batch block | sum of magnitudes, committed, ignored |
| inference | context (1), state, x | x then y, public |

`context` enters no constraint. Its commitment stands in the proof's transcript, so a proof is
valid for the context it was made for and for no other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.placement import Cost, place_rescales
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.symbolic import Symbolic
from zkdescent.circuits.trace import StateLayout

CONTEXT, STATE, BATCH, ROW = "context", "state", "batch", "x"


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Geometry of one mini-batch: features first, row by row, then targets, row by row."""

    batch_size: int
    features: int
    targets: int

    @property
    def size(self) -> int:
        """Elements of one flat mini-batch."""
        return self.batch_size * (self.features + self.targets)


def _split_state(builder: Builder, state: int, layout: StateLayout, scale: int) -> list[Symbolic]:
    tensors, start = [], 0
    for name, shape, size in zip(layout.names, layout.shapes, layout.sizes, strict=True):
        part = builder.slice(state, start, start + size, name)
        tensors.append(Symbolic(builder.reshape(part, shape), scale))
        start += size
    return tensors


def _flat(builder: Builder, tensors: list[Symbolic]) -> int:
    parts = [builder.reshape(t.node, (builder.node(t.node).size,)) for t in tensors]
    return builder.concat(parts)


def step_program(
    graph: fx.GraphModule,
    layout: StateLayout,
    batch: BatchShape,
    *,
    steps: int,
    fixed: FixedPoint,
    rescaled: frozenset[str],
) -> Program:
    """Lower `steps` update steps in a row: state and one batch block in, state out.

    Args:
        graph: from `trace.trace_step`.
        rescaled: from `placement.place_rescales`; the same for every step.
    """
    builder = Builder()
    builder.input(CONTEXT, 1)
    state = builder.input(STATE, layout.size)
    block = builder.input(BATCH, steps * batch.size)
    f = fixed.fraction_bits
    features = batch.batch_size * batch.features
    for k in range(steps):
        start = k * batch.size
        x = builder.slice(block, start, start + features, "features")
        y = builder.slice(block, start + features, start + batch.size, "targets")
        arguments = [
            *_split_state(builder, state, layout, f),
            Symbolic(builder.reshape(x, (batch.batch_size, batch.features)), f),
            Symbolic(builder.reshape(y, (batch.batch_size, batch.targets)), f),
        ]
        state = _flat(builder, Lowering(builder, fixed, rescaled).run(graph, arguments))
    return builder.finish(state)


def inference_program(
    graph: fx.GraphModule,
    layout: StateLayout,
    *,
    features: int,
    fixed: FixedPoint,
    rescaled: frozenset[str],
) -> Program:
    """Lower the model on one row; the output repeats x, so that a contract sees what was asked."""
    builder = Builder()
    builder.input(CONTEXT, 1)
    state = builder.input(STATE, layout.size)
    row = builder.input(ROW, features)
    f = fixed.fraction_bits
    parameters = _split_state(builder, state, layout, f)[: layout.parameters]
    x = Symbolic(builder.reshape(row, (1, features)), f)
    outputs = Lowering(builder, fixed, rescaled).run(graph, [*parameters, x])
    return builder.finish(builder.concat([row, _flat(builder, outputs)]))


def range_program(layout: StateLayout, batch: BatchShape, *, steps: int) -> Program:
    """Bound every element of a genesis state and of a batch block.

    Committed inputs are field elements that nothing restricts; taking a magnitude decomposes each
    of them, and that is the range check the rest of the chain relies on.
    """
    builder = Builder()
    state = builder.input(STATE, layout.size)
    block = builder.input(BATCH, steps * batch.size)
    total = builder.add(
        builder.sum(builder.unary(Op.ABS, state, (), "genesis state"), (0,)),
        builder.sum(builder.unary(Op.ABS, block, (), "batch block"), (0,)),
    )
    return builder.finish(total)


def place_step_rescales(
    graph: fx.GraphModule, layout: StateLayout, batch: BatchShape, fixed: FixedPoint, cost: Cost
) -> frozenset[str]:
    """Cheapest rescales of one update step under the backend's cost model."""
    return place_rescales(
        graph,
        lambda chosen: step_program(graph, layout, batch, steps=1, fixed=fixed, rescaled=chosen),
        cost,
    )


def place_inference_rescales(
    graph: fx.GraphModule, layout: StateLayout, features: int, fixed: FixedPoint, cost: Cost
) -> frozenset[str]:
    """Cheapest rescales of one inference under the backend's cost model."""
    return place_rescales(
        graph,
        lambda chosen: inference_program(
            graph, layout, features=features, fixed=fixed, rescaled=chosen
        ),
        cost,
    )
