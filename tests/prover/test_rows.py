"""Estimated rows are the circuits' rows: what is estimated to fit fits, and hardly anything else.

Programs are grown until a single block of columns is full by estimate; setup accepts them. Grown
by a tenth beyond, setup refuses them: the estimate is less than a tenth above the need. Steps are
grown to the share of a block that the pipeline fills.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from zkdescent.circuits.assemble import BatchShape, step_program
from zkdescent.circuits.ezkl_backend import settings, srs, worker
from zkdescent.circuits.ezkl_backend.backend import EzklBackend
from zkdescent.circuits.ezkl_backend.codegen import emit_onnx
from zkdescent.circuits.ezkl_backend.cost import rows
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.circuits.trace import StateLayout, trace_step
from zkdescent.core.errors import ProverError

pytestmark = pytest.mark.prover

LOGROWS = 11
DIGITS = Digits(LOGROWS)
BLOCK = (1 << LOGROWS) - settings.RESERVED_ROWS
FIXED = FixedPoint(headroom_bits=7)  # comparisons of 20 bits: what two digits hold
REPETITIONS = 8

Gadget = Callable[[Builder, int], int]
Grow = Callable[[int], Program]

GADGETS: dict[str, Gadget] = {
    "add": lambda b, x: b.add(x, b.neg(b.shift_left(x, 1))),
    "mul": lambda b, x: b.mul(x, x),
    "shift left": lambda b, x: b.shift_left(b.mul(x, x), 5),
    "rescale by less than a digit": lambda b, x: b.rescale(x, 4, 9),
    "rescale by a digit": lambda b, x: b.rescale(x, 10, 20),
    "rescale by three digits": lambda b, x: b.rescale(x, 25, 20),
    "range check in one digit": lambda b, x: b.range_check(x, 9),
    "range check in two digits": lambda b, x: b.range_check(x, 12),
    "range check in three digits": lambda b, x: b.range_check(x, 20),
    "comparison of a digit": lambda b, x: b.is_positive(x, 9),
    "comparison of two digits": lambda b, x: b.is_positive(x, 17),
    "quotient": lambda b, x: b.divide(b.shift_left(x, 3), x, 9, 8),
    "quotient of wide numbers": lambda b, x: b.divide(b.shift_left(x, 8), x, 18, 17),
    "root": lambda b, x: b.sqrt(x, 7),
    "root of a wide number": lambda b, x: b.sqrt(x, 16),
    "sigmoid": lambda b, x: b.table(Op.SIGMOID, x, 7),
    "tanh and exp": lambda b, x: b.add(b.table(Op.TANH, x, 7), b.table(Op.EXP, x, 7)),
}


def repeated(gadget: Gadget, elements: int) -> Program:
    """A gadget on different vectors, summed."""
    b = Builder()
    x = b.input("x", elements)
    total = x
    for i in range(REPETITIONS):
        total = b.add(total, gadget(b, b.add(x, b.constant(3 + i))))
    return b.finish(total)


def products(elements: int) -> Program:
    """Dot products of seven terms, and sums of as many."""
    b = Builder()
    x = b.reshape(b.input("x", 7 * elements), (elements, 7))
    weights = [b.constant(*range(i, i + 7), shape=(7, 1)) for i in range(REPETITIONS)]
    total = b.sum(x, (1,))
    for w in weights:
        total = b.add(total, b.matmul(x, w))
    return b.finish(b.reshape(total, (elements,)))


def steps_of(module: nn.Module, *, rounded: bool) -> Grow:
    """Steps of gradient descent on mini-batches of four."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [tuple(p.shape) for p in module.parameters()]

    def update(params: list[Tensor], gradients: list[Tensor], slots: list[Tensor]) -> Any:
        return [p - 0.1 * g for p, g in zip(params, gradients, strict=True)], slots

    graph = trace_step(
        module,
        functional.mse_loss,
        update,
        [],
        batch_size=4,
        features=3,
        targets=1,
    )
    every = frozenset(n.name for n in graph.graph.nodes if n.op == "call_function")
    layout = StateLayout.uniform(tuple(names), tuple(shapes), len(names), FIXED.fraction_bits)
    return lambda steps: step_program(
        graph,
        layout,
        BatchShape(4, 3, 1),
        steps=steps,
        fixed=FIXED,
        rescaled=every if rounded else frozenset(),
    )


def _gadget(gadget: Gadget) -> Grow:
    return lambda elements: repeated(gadget, elements)


torch.manual_seed(0)
STEPS: dict[str, Grow] = {
    "linear steps": steps_of(nn.Linear(3, 1), rounded=False),
    "steps of a hidden layer": steps_of(
        nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), rounded=True
    ),
}
PROGRAMS: dict[str, Grow] = {
    **{name: _gadget(gadget) for name, gadget in GADGETS.items()},
    "matrix product": products,
    **STEPS,
}


def largest(grow: Grow, most: float) -> Program:
    """The largest program of a family with at most so many rows by estimate."""
    size = 1
    while rows(grow(2 * size), DIGITS) <= most:
        size *= 2
    step = size
    while step:
        if rows(grow(size + step), DIGITS) <= most:
            size += step
        step //= 2
    return grow(size)


def fits_one_block(program: Program, directory: Path) -> bool:
    """Whether setup accepts one block of columns for it."""
    directory.mkdir()
    files = {n: str(directory / n) for n in ("onnx", "settings", "compiled", "vk", "pk")}
    Path(files["onnx"]).write_bytes(emit_onnx(program, DIGITS))
    worker.call(
        "compile_circuit",
        **{name: files[name] for name in ("onnx", "settings", "compiled")},
        logrows=LOGROWS,
        public_output=False,
        assignments=settings.capacity(LOGROWS, 1),
    )
    try:
        names = ("settings", "compiled", "vk", "pk")
        worker.call(
            "setup", srs=str(srs.unsafe_srs(LOGROWS)), **{name: files[name] for name in names}
        )
    except ProverError:
        return False
    return True


@pytest.mark.parametrize("name", PROGRAMS)
def test_rows_are_as_estimated(tmp_path: Path, name: str) -> None:
    most = EzklBackend().capacity(LOGROWS) if name in STEPS else BLOCK
    full = largest(PROGRAMS[name], most)
    assert rows(full, DIGITS) > 0.85 * BLOCK, "the test is about nearly full blocks"
    assert fits_one_block(full, tmp_path / "full")
    overfull = largest(PROGRAMS[name], 1.1 * BLOCK + _one_more(PROGRAMS[name]))
    assert rows(overfull, DIGITS) > 1.1 * BLOCK
    assert not fits_one_block(overfull, tmp_path / "overfull")


def _one_more(grow: Grow) -> float:
    """Rows by which a program grows when its size grows by one."""
    return rows(grow(5), DIGITS) - rows(grow(4), DIGITS)
