"""Each pass alone: equal results bit for bit, never more rows, where it bites and where not."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.circuits.executor import execute
from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.circuits.passes import (
    PASSES,
    Pass,
    fold_constants,
    fuse_multiply_add,
    gather_linear_sums,
    move_rearrangements,
    remove_dead,
    share_comparisons,
)
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.errors import RangeOverflow

WIDE = 200
"""A capacity that nothing here exceeds."""

_ROWS = {Op.RESCALE: 5.0, Op.RANGE_CHECK: 4.0, Op.IS_POSITIVE: 3.0, Op.DIVIDE: 11.0, Op.SQRT: 10.0}
_HALF = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.SHIFT_LEFT, Op.SIGMOID, Op.TANH, Op.EXP})


def rows(program: Program) -> float:
    """Rows of a prover with two columns, and no bound on digits."""
    total = 0.0
    for node in program.nodes:
        if node.op is Op.MATMUL:
            total += node.size * ceil(program.nodes[node.inputs[0]].shape[1] / 2)
        elif node.op is Op.SUM:
            total += program.nodes[node.inputs[0]].size / 2
        else:
            total += node.size * (0.5 if node.op in _HALF else _ROWS.get(node.op, 0.0))
    return total


def results(program: Program) -> list[list[int]]:
    """Outputs for a few random inputs, and for zeros."""
    fixed, draw = FixedPoint(), np.random.default_rng(0)
    outputs = []
    for bound in (0, 1, 3, 1 << 20):
        given = {
            name: draw.integers(-bound, bound + 1, program.nodes[i].size).astype(object)
            for name, i in program.inputs.items()
        }
        outputs.append([int(v) for v in execute(program, given, fixed)])
    return outputs


def assert_equal_and_not_dearer(before: Program, after: Program) -> None:
    assert results(after) == results(before)
    assert rows(after) <= rows(before)
    assert list(after.inputs) == list(before.inputs)


class Draft(Builder):
    """A builder with inputs x, y, z of six elements and words for what the tests need."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y, self.z = (self.input(name, 6) for name in "xyz")

    def times(self, x: int, factor: int) -> int:
        return self.mul(x, self.constant(factor))

    def plus(self, x: int, term: int) -> int:
        return self.add(x, self.constant(term))

    def flat(self, *parts: int) -> int:
        return self.concat([self.reshape(p, (self.node(p).size,)) for p in parts])

    def positive(self, x: int, capacity: int = WIDE) -> int:
        return self.is_positive(x, capacity)


Build = Callable[[Draft], int]

# name -> pass, program, operations of the result that cost something, in order
BITES: dict[str, tuple[Pass, Build, list[str]]] = {
    "x * 1": (fold_constants, lambda b: b.times(b.x, 1), []),
    "x + 0": (fold_constants, lambda b: b.plus(b.x, 0), []),
    "x * 0": (fold_constants, lambda b: b.times(b.x, 0), []),
    "constants": (
        fold_constants,
        lambda b: b.mul(b.x, b.plus(b.constant(2), 5)),
        ["mul"],
    ),
    "(x * 3) * 5": (fold_constants, lambda b: b.times(b.times(b.x, 3), 5), ["mul"]),
    "x * 8": (fold_constants, lambda b: b.times(b.x, 8), ["shift_left"]),
    "shifts": (
        fold_constants,
        lambda b: b.shift_left(b.shift_left(b.x, 2), 3),
        ["shift_left"],
    ),
    "-(x - y)": (fold_constants, lambda b: b.neg(b.sub(b.x, b.y)), ["sub"]),
    "rescale of a shorter shift": (
        fold_constants,
        lambda b: b.rescale(b.shift_left(b.x, 3), 8, WIDE),
        ["rescale"],
    ),
    "rescale of a longer shift": (
        fold_constants,
        lambda b: b.rescale(b.shift_left(b.x, 9), 4, WIDE),
        ["shift_left", "range_check"],
    ),
    "rescale of shifts in a sum": (
        fold_constants,
        lambda b: b.rescale(b.add(b.shift_left(b.x, 3), b.times(b.y, 24)), 8, WIDE),
        ["mul", "add", "rescale"],
    ),
    "a shift passes a product": (
        fold_constants,
        lambda b: b.rescale(b.mul(b.shift_left(b.x, 3), b.y), 8, WIDE),
        ["mul", "rescale"],
    ),
    "a check that cannot fail": (
        fold_constants,
        lambda b: b.range_check(b.rescale(b.x, 3, 30), 30),
        ["rescale"],
    ),
    "comparisons of multiples": (
        share_comparisons,
        lambda b: b.flat(
            b.positive(b.x), b.positive(b.shift_left(b.x, 4)), b.positive(b.times(b.x, 3))
        ),
        ["is_positive"],
    ),
    "comparisons of parts": (
        share_comparisons,
        lambda b: b.flat(
            b.positive(b.transpose(b.reshape(b.x, (2, 3)))),
            b.positive(b.take(b.x, [0, 0, -1, 4], (2, 2))),
        ),
        ["is_positive"],
    ),
    "comparisons of different digits": (
        share_comparisons,
        lambda b: b.flat(b.positive(b.x, 60), b.positive(b.slice(b.x, 1, 3), 40)),
        ["is_positive", "is_positive"],
    ),
    "3 x + 5 x": (
        gather_linear_sums,
        lambda b: b.add(b.times(b.x, 3), b.times(b.x, 5)),
        ["shift_left"],
    ),
    "3 x + 3 y": (
        gather_linear_sums,
        lambda b: b.add(b.times(b.x, 3), b.times(b.y, 3)),
        ["add", "mul"],
    ),
    "x - y + y": (gather_linear_sums, lambda b: b.add(b.sub(b.x, b.y), b.y), []),
    "x - x": (gather_linear_sums, lambda b: b.sub(b.x, b.x), []),
    "(x + 3) - (y - 4)": (
        gather_linear_sums,
        lambda b: b.sub(b.plus(b.x, 3), b.sub(b.y, b.constant(4))),
        ["sub", "add"],
    ),
    "dot product": (
        fuse_multiply_add,
        lambda b: b.reshape(b.sum(b.mul(b.x, b.y), (0,)), (1,)),
        ["matmul"],
    ),
    "sum over the batch": (
        fuse_multiply_add,
        lambda b: b.flat(
            b.sum(b.mul(b.reshape(b.x, (6, 1)), b.reshape(b.flat(b.y, b.z), (6, 2))), (0,))
        ),
        ["matmul"],
    ),
    "kept axes in reverse order": (
        fuse_multiply_add,
        lambda b: b.flat(b.sum(b.mul(b.reshape(b.x, (1, 3, 2)), b.reshape(b.y, (3, 1, 2))), (2,))),
        ["matmul"],
    ),
    "a factor that the sum does not touch": (
        fuse_multiply_add,
        lambda b: b.flat(
            b.sum(b.mul(b.reshape(b.x, (2, 3)), b.reshape(b.slice(b.y, 0, 2), (2, 1))), (1,))
        ),
        ["sum", "mul"],
    ),
    "outer product": (
        fuse_multiply_add,
        lambda b: b.flat(b.matmul(b.reshape(b.x, (6, 1)), b.reshape(b.y, (1, 6)))),
        ["mul"],
    ),
    "sum of matrix products": (
        fuse_multiply_add,
        lambda b: b.flat(
            b.add(
                b.add(
                    b.matmul(b.reshape(b.x, (2, 3)), b.reshape(b.y, (3, 2))),
                    b.constant(1, 2, 3, 4, shape=(2, 2)),
                ),
                b.matmul(b.reshape(b.z, (2, 3)), b.reshape(b.x, (3, 2))),
            )
        ),
        ["matmul", "add"],
    ),
    "rounding before repeating": (
        move_rearrangements,
        lambda b: b.rescale(b.take(b.x, [0, 1, 0, 1, -1, 0], (6,)), 4, WIDE),
        ["rescale"],
    ),
    "elements that nobody reads": (
        remove_dead,
        lambda b: b.take(b.rescale(b.mul(b.x, b.y), 4, WIDE), [5, 2, -1], (3,)),
        ["mul", "rescale"],
    ),
    "rows and columns that nobody reads": (
        remove_dead,
        lambda b: b.take(b.matmul(b.reshape(b.x, (3, 2)), b.reshape(b.y, (2, 3))), [4, 7, 7], (3,)),
        ["matmul"],
    ),
}
# name -> pass and a program that it must leave as it is
LEAVES: dict[str, tuple[Pass, Build]] = {
    "x * 3": (fold_constants, lambda b: b.times(b.x, 3)),
    "x * -8": (fold_constants, lambda b: b.times(b.x, -8)),
    "1 that broadcasts": (
        fold_constants,
        lambda b: b.mul(b.slice(b.x, 0, 1), b.constant(1, 1, 1, shape=(3,))),
    ),
    "two roundings": (fold_constants, lambda b: b.rescale(b.rescale(b.x, 4, WIDE), 3, WIDE)),
    "a shift in one term": (
        fold_constants,
        lambda b: b.rescale(b.add(b.shift_left(b.x, 3), b.y), 8, WIDE),
    ),
    "a shifted value that is read elsewhere": (
        fold_constants,
        lambda b: b.flat(
            b.rescale(b.shift_left(b.x, 3), 8, WIDE), b.mul(b.shift_left(b.x, 3), b.y)
        ),
    ),
    "a check with fewer digits": (
        fold_constants,
        lambda b: b.range_check(b.rescale(b.x, 3, 30), 29),
    ),
    "a check of an input": (fold_constants, lambda b: b.range_check(b.x, WIDE)),
    "the sign of -x": (
        share_comparisons,
        lambda b: b.flat(b.positive(b.x), b.positive(b.neg(b.x))),
    ),
    "the sign of -3 x": (
        share_comparisons,
        lambda b: b.flat(b.positive(b.x), b.positive(b.times(b.x, -3))),
    ),
    "parts that do not overlap": (
        share_comparisons,
        lambda b: b.flat(b.positive(b.slice(b.x, 0, 2)), b.positive(b.slice(b.x, 2, 6))),
    ),
    "3 x + 5 y": (gather_linear_sums, lambda b: b.add(b.times(b.x, 3), b.times(b.y, 5))),
    "sums that are read elsewhere": (
        gather_linear_sums,
        lambda b: b.flat(b.add(b.sub(b.x, b.y), b.z), b.sub(b.x, b.y)),
    ),
    "multiples that are read elsewhere": (
        gather_linear_sums,
        lambda b: b.flat(b.add(b.times(b.x, 3), b.times(b.x, 5)), b.times(b.x, 3), b.times(b.x, 5)),
    ),
    "a batch of dot products": (
        fuse_multiply_add,
        lambda b: b.flat(b.sum(b.mul(b.reshape(b.x, (2, 3)), b.reshape(b.y, (2, 3))), (1,))),
    ),
    "products that are read elsewhere": (
        fuse_multiply_add,
        lambda b: b.flat(b.sum(b.mul(b.x, b.y), (0,)), b.mul(b.x, b.y)),
    ),
    "one matrix product": (
        fuse_multiply_add,
        lambda b: b.flat(
            b.add(
                b.matmul(b.reshape(b.x, (2, 3)), b.reshape(b.y, (3, 2))),
                b.constant(1, 2, 3, 4, shape=(2, 2)),
            )
        ),
    ),
    "rounding what is not repeated": (
        move_rearrangements,
        lambda b: b.rescale(b.take(b.x, [5, 4, 3, 2, 1, 0], (6,)), 4, WIDE),
    ),
    "sigmoid of zeros from nowhere": (
        move_rearrangements,
        lambda b: b.table(Op.SIGMOID, b.take(b.positive(b.x), [0, -1, 0], (3,)), 10),
    ),
    "elements that are all read": (
        remove_dead,
        lambda b: b.take(b.rescale(b.x, 4, WIDE), [5, 4, 3, 2, 1, 0], (6,)),
    ),
}


def built(build: Build) -> Program:
    draft = Draft()
    return draft.finish(draft.flat(build(draft)))


def paid(program: Program) -> list[str]:
    return [n.op.value for n in program.nodes if n.op in _HALF | set(_ROWS) | {Op.MATMUL, Op.SUM}]


@pytest.mark.parametrize("name", BITES)
def test_pass_bites(name: str) -> None:
    apply, build, left = BITES[name]
    before = built(build)
    after = apply(before)
    while (again := apply(after)) != after:
        after = again
    assert_equal_and_not_dearer(before, after)
    assert paid(after) == left
    assert after != before


@pytest.mark.parametrize("name", LEAVES)
def test_pass_leaves_alone(name: str) -> None:
    apply, build = LEAVES[name]
    before = built(build)
    assert apply(before) == before


def test_a_chain_of_rearrangements_becomes_one() -> None:
    b = Draft()
    x = b.reshape(b.concat([b.x, b.y]), (4, 3))
    x = b.take(x, [9, 10, 11, 6, 7, 8], (2, 3))
    after = move_rearrangements(b.finish(b.reshape(b.transpose(x), (6,))))
    assert [n.op for n in after.nodes] == [Op.INPUT] * 3 + [Op.TAKE]
    assert after.nodes[-1].attributes == (3, 0, 4, 1, 5, 2)
    assert after.nodes[-1].inputs == (after.inputs["y"],)


def test_a_slice_of_the_last_state_is_the_tensor_that_was_put_there() -> None:
    b = Draft()
    state = b.concat([b.x, b.neg(b.y)])
    after = move_rearrangements(b.finish(b.mul(b.slice(state, 6, 12), b.z)))
    assert [n.op for n in after.nodes] == [Op.INPUT] * 3 + [Op.NEG, Op.MUL]


def test_a_shared_comparison_refuses_what_one_of_them_refused() -> None:
    b = Draft()
    build = b.concat([b.positive(b.shift_left(b.x, 4), 12), b.positive(b.x, 9)])
    program = b.finish(build)
    after = share_comparisons(program)
    assert [n.attributes for n in after.nodes if n.op is Op.IS_POSITIVE] == [(8,)]
    inputs = {name: np.zeros(6, dtype=object) for name in "xyz"}
    for apart in (program, after):
        execute(apart, inputs | {"x": np.full(6, 255, dtype=object)}, FixedPoint())
        with pytest.raises(RangeOverflow):
            execute(apart, inputs | {"x": np.full(6, 256, dtype=object)}, FixedPoint())


def test_a_comparison_of_a_multiple_accepts_what_it_accepted() -> None:
    b = Draft()
    program = b.finish(b.positive(b.times(b.x, 3), 10))
    inputs = {name: np.full(6, 341, dtype=object) for name in "xyz"}
    after = share_comparisons(program)
    assert paid(after) == ["is_positive"]
    assert (execute(after, inputs, FixedPoint()) == execute(program, inputs, FixedPoint())).all()


def _random_program(draw: np.random.Generator) -> Program:
    """A program of twenty operations on matrices of six elements, or flat ones."""
    b = Draft()
    values = [b.x, b.y, b.z]

    def some(shape: tuple[int, ...]) -> int:
        return b.reshape(values[draw.integers(len(values))], shape)

    unary: list[Callable[[int], int]] = [
        b.neg,
        lambda v: b.times(v, int(draw.integers(-4, 5))),
        lambda v: b.plus(v, int(draw.integers(-2, 3))),
        lambda v: b.shift_left(v, int(draw.integers(1, 4))),
        lambda v: b.rescale(v, int(draw.integers(1, 6)), 2000),
        lambda v: b.is_positive(v, 2000),
        lambda v: b.range_check(v, 2000),
        lambda v: b.take(v, [int(i) for i in draw.integers(-1, 6, 6)], (6,)),
        lambda v: b.reshape(b.transpose(b.reshape(v, (2, 3))), (6,)),
        lambda v: b.concat([b.slice(v, 2, 6), b.slice(v, 0, 2)]),
    ]
    binary: list[Callable[[], int]] = [
        lambda: b.add(some((6,)), some((6,))),
        lambda: b.sub(some((6,)), some((6,))),
        lambda: b.mul(some((6,)), some((6,))),
        lambda: b.flat(
            b.sum(b.mul(some((2, 3)), b.reshape(b.slice(some((6,)), 0, 3), (1, 3))), (1,)),
            b.slice(some((6,)), 0, 4),
        ),
        lambda: b.flat(b.matmul(some((3, 2)), b.reshape(b.slice(some((6,)), 0, 4), (2, 2)))),
    ]
    for _ in range(20):
        if draw.random() < 0.6:
            values.append(unary[draw.integers(len(unary))](some((6,))))
        else:
            values.append(binary[draw.integers(len(binary))]())
    return b.finish(b.concat(values[-2:]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_passes_change_no_result_of_random_programs(seed: int) -> None:
    program = _random_program(np.random.default_rng(seed))
    expected = results(program)
    for apply in PASSES:
        after: Any = apply(program)
        assert results(after) == expected, apply.__name__
        assert rows(after) <= rows(program), apply.__name__
