"""The three circuits of a project as integer programs.

| circuit | committed inputs, in order | output |
|---|---|---|
| step | context (1), state, batch block | new state, committed |
| range | state, batch block | their sum, committed, ignored |
| inference | context (1), state, x | x then y, public |

`context` enters no constraint. Its commitment stands in the proof's transcript, so a proof is
valid for the context it was made for and for no other.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.inputs import BATCH as BATCH
from zkdescent.circuits.inputs import CONTEXT as CONTEXT
from zkdescent.circuits.inputs import ROW as ROW
from zkdescent.circuits.inputs import STATE as STATE
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.placement import Cost, Explain, place_rescales
from zkdescent.circuits.program import Builder, Program
from zkdescent.circuits.symbolic import Arithmetic, Symbolic
from zkdescent.circuits.trace import StateLayout


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


def _split_state(builder: Builder, state: int, layout: StateLayout) -> list[Symbolic]:
    tensors, start = [], 0
    tables = (layout.names, layout.shapes, layout.sizes, layout.scales)
    for name, shape, size, scale in zip(*tables, strict=True):
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
    arithmetic: type[Arithmetic] = Arithmetic,
) -> Program:
    """Lower `steps` update steps in a row: state and one batch block in, state out.

    Args:
        graph: from `trace.trace_step`.
        rescaled: from `placement.place_rescales`; the same for every step.
        arithmetic: see `Lowering`.
    """
    builder = Builder()
    builder.input(CONTEXT, 1)
    state = builder.input(STATE, layout.size, state_capacity(layout, fixed))
    block = builder.input(BATCH, steps * batch.size, fixed.data_capacity)
    f = fixed.fraction_bits
    features = batch.batch_size * batch.features
    for k in range(steps):
        start = k * batch.size
        x = builder.slice(block, start, start + features, "features")
        y = builder.slice(block, start + features, start + batch.size, "targets")
        arguments = [
            *_split_state(builder, state, layout),
            Symbolic(builder.reshape(x, (batch.batch_size, batch.features)), f),
            Symbolic(builder.reshape(y, (batch.batch_size, batch.targets)), f),
        ]
        lowering = Lowering(builder, fixed, rescaled, arithmetic)
        state = _flat(builder, lowering.run(graph, arguments, layout.scales))
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
    state = builder.input(STATE, layout.size, state_capacity(layout, fixed))
    row = builder.input(ROW, features)
    f = fixed.fraction_bits
    parameters = _split_state(builder, state, layout)[: layout.parameters]
    # Nobody has range-checked a row that somebody asks about.
    row = builder.range_check(row, fixed.data_capacity, "x")
    x = Symbolic(builder.reshape(row, (1, features)), f)
    outputs = Lowering(builder, fixed, rescaled).run(graph, [*parameters, x])
    return builder.finish(builder.concat([row, _flat(builder, outputs)]))


def range_program(
    layout: StateLayout, batch: BatchShape, *, steps: int, fixed: FixedPoint
) -> Program:
    """Bound every element of a genesis state and of a batch block.

    Committed inputs are field elements that nothing restricts; here their digits are checked, and
    that is what the rest of the chain relies on. The output, a sum, serves only to be there.
    """
    builder = Builder()
    state = builder.input(STATE, layout.size)
    block = builder.input(BATCH, steps * batch.size)
    checked = [
        builder.range_check(state, state_capacity(layout, fixed), "genesis state"),
        builder.range_check(block, fixed.data_capacity, "batch block"),
    ]
    first, second = (builder.sum(part, (0,)) for part in checked)
    return builder.finish(builder.add(first, second))


def state_capacity(layout: StateLayout, fixed: FixedPoint) -> int:
    """Bits below which the magnitude of every element of the state stays."""
    return max(layout.scales) + fixed.headroom_bits


def place_step_rescales(
    graph: fx.GraphModule,
    layout: StateLayout,
    batch: BatchShape,
    fixed: FixedPoint,
    cost: Cost,
    explain: Explain | None = None,
) -> frozenset[str]:
    """Cheapest rescales of one update step under the backend's cost model."""
    return place_rescales(
        graph,
        lambda chosen: step_program(graph, layout, batch, steps=1, fixed=fixed, rescaled=chosen),
        cost,
        explain,
    )


def place_inference_rescales(
    graph: fx.GraphModule,
    layout: StateLayout,
    features: int,
    fixed: FixedPoint,
    cost: Cost,
    explain: Explain | None = None,
) -> frozenset[str]:
    """Cheapest rescales of one inference under the backend's cost model."""
    return place_rescales(
        graph,
        lambda chosen: inference_program(
            graph, layout, features=features, fixed=fixed, rescaled=chosen
        ),
        cost,
        explain,
    )
