"""Circuit and reference executor agree on every element of the state after every step.

The circuits' output is the states after all of their steps, end to end. Witnesses are judged by
ezkl's mock prover: every constraint and every look-up holds, and nothing is proven.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE, BatchShape, step_program
from zkdescent.circuits.executor import evaluate, execute
from zkdescent.circuits.ezkl_backend import gadgets
from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray, quantize
from zkdescent.circuits.lowering import Lowering
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.proof_system import CircuitRequest
from zkdescent.circuits.symbolic import Symbolic
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import RangeOverflow
from zkdescent.train.losses import declared_loss

from .hostile import Target, build

pytestmark = pytest.mark.prover

FIXED = FixedPoint()
RUNS = 4  # random runs of each random circuit
RATE = 0.1


def _sgd(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
    return [p - RATE * g for p, g in zip(params, gradients, strict=True)], slots


def _momentum(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
    velocity = [0.9 * v + g for v, g in zip(slots, gradients, strict=True)]
    return [p - RATE * v for p, v in zip(params, velocity, strict=True)], velocity


@dataclass(frozen=True)
class Shape:
    """A small model and how it is trained; `hidden` is 0 for a linear one."""

    features: int
    hidden: int
    targets: int
    batch_size: int
    steps: int
    momentum: bool
    loss: str
    rounds_products: bool

    def module(self) -> nn.Module:
        """The model; its parameters play no part."""
        if not self.hidden:
            return nn.Linear(self.features, self.targets)
        layers = nn.Linear(self.features, self.hidden), nn.Linear(self.hidden, self.targets)
        return nn.Sequential(layers[0], nn.ReLU(), layers[1])

    @property
    def batch(self) -> BatchShape:
        """Geometry of one mini-batch."""
        return BatchShape(self.batch_size, self.features, self.targets)


SHAPE = st.builds(
    Shape,
    features=st.integers(1, 4),
    hidden=st.sampled_from([0, 0, 1, 3]),
    targets=st.integers(1, 2),
    batch_size=st.integers(1, 4),
    steps=st.integers(1, 3),
    momentum=st.booleans(),
    loss=st.sampled_from(["mse", "bce"]),
    rounds_products=st.booleans(),
)


class Unrolled:
    """The programs of a shape: the states after every step, and what the pipeline proves."""

    def __init__(self, shape: Shape) -> None:
        module = shape.module()
        names = [name for name, _ in module.named_parameters()]
        params = [p.detach() for _, p in module.named_parameters()]
        slots = [torch.zeros_like(p) for p in params] if shape.momentum else []
        self.layout = StateLayout.uniform(
            tuple(names + [f"velocity.{name}" for name in names[: len(slots)]]),
            tuple(tuple(t.shape) for t in [*params, *slots]),
            len(names),
            FIXED.fraction_bits,
        )
        self.shape = shape
        self.graph = trace_step(
            module,
            declared_loss(shape.loss).function,
            _momentum if shape.momentum else _sgd,
            slots,
            batch_size=shape.batch_size,
            features=shape.features,
            targets=shape.targets,
        )
        every = frozenset(n.name for n in self.graph.graph.nodes if n.op == "call_function")
        # Unrounded arguments of a ReLU are too wide to be compared in the smallest circuits.
        rounds = shape.rounds_products or shape.hidden
        self.rescaled = every if rounds else frozenset[str]()

    def step(self) -> Program:
        """What the pipeline proves."""
        return step_program(
            self.graph,
            self.layout,
            self.shape.batch,
            steps=self.shape.steps,
            fixed=FIXED,
            rescaled=self.rescaled,
        )

    def states(self) -> Program:
        """The same steps; the output is the state after each of them."""
        b, batch = Builder(), self.shape.batch
        b.input(CONTEXT, 1)
        state = b.input(STATE, self.layout.size)
        block = b.input(BATCH, self.shape.steps * batch.size)
        after: list[int] = []
        for k in range(self.shape.steps):
            arguments = [
                *self._parts(b, state, self.layout.shapes),
                *self._parts(
                    b,
                    b.slice(block, k * batch.size, (k + 1) * batch.size),
                    ((batch.batch_size, batch.features), (batch.batch_size, batch.targets)),
                ),
            ]
            lowering = Lowering(b, FIXED, self.rescaled)
            results = lowering.run(self.graph, arguments, self.layout.scales)
            state = b.concat([b.reshape(r.node, (b.node(r.node).size,)) for r in results])
            after.append(state)
        return b.finish(b.concat(after))

    def _parts(self, b: Builder, flat: int, shapes: tuple[tuple[int, ...], ...]) -> list[Symbolic]:
        parts, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            part = b.reshape(b.slice(flat, start, start + size), shape)
            parts.append(Symbolic(part, FIXED.fraction_bits))
            start += size
        return parts

    def inputs(self, seed: int) -> list[IntegerArray]:
        """A random context, state and batch block; targets are 0 or 1."""
        draw, batch = np.random.default_rng(seed), self.shape.batch
        state = draw.normal(0, 0.7, self.layout.size)
        x = np.clip(draw.normal(size=(self.shape.steps, batch.batch_size * batch.features)), -3, 3)
        y = draw.integers(0, 2, (self.shape.steps, batch.batch_size * batch.targets))
        block = np.concatenate([x, y], axis=1).reshape(-1)
        bits = FIXED.fraction_bits
        context = np.array([int.from_bytes(draw.bytes(31), "big")], dtype=object)
        return [context, quantize(state, bits, what="state"), quantize(block, bits, what="batch")]


def smallest_size(program: Program) -> int:
    """logrows of the smallest circuit that holds a program."""
    backend, request = EzklBackend(), CircuitRequest("step", program, FIXED)
    return next(
        s for s in backend.sizes() if backend.cost(program, s) < inf and backend.fits(request, s)
    )


def witness(target: Target, inputs: list[IntegerArray]) -> tuple[list[IntegerArray], list[int]]:
    """An honest witness, and the output by the executor."""
    named = dict(zip(target.program.inputs, inputs, strict=True))
    values = evaluate(target.program, named, target.fixed)
    hints = gadgets.honest_hints(target.program, values, target.digits)
    return [*inputs, hints], values[target.program.output].reshape(-1).tolist()


REPRODUCIBLE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=RUNS, max_size=RUNS, unique=True)


@pytest.mark.parametrize(
    "shapes", [3, pytest.param(10, marks=pytest.mark.slow)], ids="{} shapes".format
)
def test_every_state_of_random_runs_of_random_models(shapes: int) -> None:
    settings(REPRODUCIBLE, max_examples=shapes)(given(SHAPE, SEEDS)(every_state_agrees))()


def every_state_agrees(shape: Shape, seeds: list[int]) -> None:
    unrolled = Unrolled(shape)
    program = unrolled.states()
    runs = [unrolled.inputs(seed) for seed in seeds]
    with tempfile.TemporaryDirectory() as folder:
        target = build(program, runs[0], Path(folder), logrows=smallest_size(program))
        honest = [witness(target, inputs) for inputs in runs]
        assert {len(expected) for _, expected in honest} == {shape.steps * unrolled.layout.size}
        # A twin for each: one hint, or one number of the state, is another.
        wrong = [spoilt(witness) for witness, _ in honest]
        outputs = EzklBackend().check_witnesses(
            target.record, target.locate, [*(w for w, _ in honest), *wrong]
        )
    for inputs, (_, expected), output in zip(runs, honest, outputs, strict=False):
        assert output is not None
        assert output.tolist() == expected
        last = execute(
            unrolled.step(), dict(zip(target.program.inputs, inputs, strict=True)), FIXED
        )
        assert expected[-unrolled.layout.size :] == last.tolist()
    assert outputs[RUNS:] == [None] * RUNS


def spoilt(honest: list[IntegerArray]) -> list[IntegerArray]:
    """The highest digit of the first rounding is beyond what the remainder makes up for."""
    *inputs, hints = (tensor.copy() for tensor in honest)
    hints[0] += 2
    return [*inputs, hints]


LOGROWS = 11
NARROW = FixedPoint(table_bits=7)
DIGITS = Digits(LOGROWS)
Gadget = Callable[[Builder, int, int], int]


def integers(*values: int) -> IntegerArray:
    return np.array(values, dtype=object)


def ends(capacity: int) -> list[int]:
    """The extremes of a capacity, and what lies around zero."""
    largest = (1 << capacity) - 1
    return [largest, -largest, largest - 1, 1 - largest, 1, 0, -1]


WIDEST = DIGITS.comparison_capacity
BITS = DIGITS.bits
HALF = 1 << 6

# name -> (gadget, x, y): arguments whose results are at the borders of the capacity, or whose
# remainders are at those of the rounding.
BORDERS: dict[str, tuple[Gadget, list[int], list[int]]] = {
    **{
        f"rescale to {capacity} bits": (
            lambda b, x, y, capacity=capacity: b.rescale(x, 7, capacity),  # type: ignore[misc]
            [(q << 7) + r for q in ends(capacity) for r in (-HALF, HALF - 1)],
            [1],
        )
        for capacity in (BITS - 1, BITS, 2 * BITS - 1, 2 * BITS)
    },
    **{
        f"rescale by {bits} bits": (
            lambda b, x, y, bits=bits: b.rescale(x, bits, 12),  # type: ignore[misc]
            [
                (q << bits) + r
                for q in ends(12)
                for r in (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
            ],
            [1],
        )
        for bits in (1, BITS, BITS + 1, 2 * BITS, 2 * BITS + 1)
    },
    **{
        f"range check of {capacity} bits": (
            lambda b, x, y, capacity=capacity: b.range_check(x, capacity),  # type: ignore[misc]
            ends(capacity),
            [1],
        )
        for capacity in (BITS - 1, BITS, 2 * BITS - 1, 2 * BITS)
    },
    **{
        f"comparison of {capacity} bits": (
            lambda b, x, y, capacity=capacity: b.is_positive(x, capacity),  # type: ignore[misc]
            ends(capacity),
            [1],
        )
        for capacity in (BITS - 1, BITS, WIDEST - 1)
    },
    "widest comparison": (
        lambda b, x, y: b.is_positive(x, WIDEST),
        [DIGITS.comparison_limit, -DIGITS.comparison_limit, 1, 0, -1],
        [1],
    ),
    **{
        f"quotient, divisor of {divisor} bits": (
            lambda b, x, y, divisor=divisor: b.divide(x, y, 12, divisor),  # type: ignore[misc]
            [
                q * ((1 << divisor) - 1) + r
                for q in ends(12)
                for r in (-((1 << divisor) - 1) // 2 + 1, ((1 << divisor) - 2) // 2)
            ],
            [(1 << divisor) - 1],
        )
        for divisor in (BITS - 2, BITS - 1, WIDEST - 1)
    },
    "quotient by one": (lambda b, x, y: b.divide(x, y, 12, 3), ends(12), [1]),
    **{
        f"root of {capacity} bits": (
            lambda b, x, y, capacity=capacity: b.sqrt(x, capacity),  # type: ignore[misc]
            [s * s + r for s in (0, 1, (1 << capacity) - 1) for r in (0, 2 * s)],
            [1],
        )
        for capacity in (BITS - 3, BITS - 2, WIDEST - 2)
    },
    **{
        op.value: (
            lambda b, x, y, op=op: b.table(op, x, NARROW.table_bits),  # type: ignore[misc]
            [NARROW.table_limit, -NARROW.table_limit, NARROW.table_limit - 1, 0],
            [1],
        )
        for op in (Op.SIGMOID, Op.TANH, Op.EXP)
    },
}


def test_every_gadget_at_the_borders_of_its_capacity(tmp_path: Path) -> None:
    """One circuit of all of them."""
    b = Builder()
    xs = [v for _, x, _ in BORDERS.values() for v in x]
    ys = [v for _, _, y in BORDERS.values() for v in y]
    state, batch = b.input(STATE, len(xs)), b.input(BATCH, len(ys))
    parts, start = [], 0
    for index, (gadget, x, _) in enumerate(BORDERS.values()):
        argument = b.slice(state, start, start + len(x))
        parts.append(gadget(b, argument, b.slice(batch, index, index + 1)))
        start += len(x)
    program = b.finish(b.concat(parts))
    inputs = [integers(*xs), integers(*ys)]
    target = build(program, inputs, tmp_path, logrows=LOGROWS, fixed=NARROW)
    honest, expected = witness(target, inputs)
    (output,) = EzklBackend().check_witnesses(target.record, target.locate, [honest])
    assert output is not None
    assert output.tolist() == expected


CAPACITIES = [n for n in BORDERS if n.startswith(("rescale to", "range", "comparison", "root"))]


@pytest.mark.parametrize("name", CAPACITIES)
def test_beyond_the_borders_the_executor_refuses(name: str) -> None:
    gadget, x, _ = BORDERS[name]
    b = Builder()
    program = b.finish(gadget(b, b.input("x", 1), b.input("y", 1)))
    one = integers(1)
    execute(program, {"x": integers(max(x)), "y": one}, NARROW)
    with pytest.raises(RangeOverflow):
        execute(program, {"x": integers(max(x) + 2), "y": one}, NARROW)


def test_beyond_the_digits_the_circuit_refuses(tmp_path: Path) -> None:
    """Saturated digits: the last number that they hold passes, the next one does not."""
    b = Builder()
    program = b.finish(b.range_check(b.input(STATE, 1), 12))
    target = build(program, [integers(5)], tmp_path, logrows=LOGROWS)
    lowest = 1 - DIGITS.bound(12)  # both digits at the table's lower end, which is exact
    hints = integers(DIGITS.low)
    witnesses = [[integers(v), hints] for v in (lowest, lowest - 1)]
    inside, outside = EzklBackend().check_witnesses(target.record, target.locate, witnesses)
    assert inside is not None
    assert inside.tolist() == [lowest]
    assert outside is None
