"""Every gadget at the ends of what it takes: ties, zero, the last number inside, the first outside.

Results are what exact fractions say, not what the executor computes. Outside, all hints are as well
made as they can be, so that a range check alone tells.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor, isqrt

import pytest

from zkdescent.circuits.barretenberg.circuits import emit
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.inputs import CONTEXT, STATE
from zkdescent.circuits.program import Builder, Op

from .checker import RANGE, READ, ZERO, Checker, R
from .dishonest import Prover
from .samples import NARROW, Sample, context, integers

WIDE = 30  # bits of the inputs
C = 6  # of what the gadgets take or give
TOP = 1 << C
LIMIT = NARROW.table_limit

Result = Callable[[int, int], int]


def nearest(x: int, y: int) -> int:
    """x / y to the nearest, a half upwards."""
    return floor(Fraction(x, y) + Fraction(1, 2))


def rescaled(x: int, _: int) -> int:
    return nearest(x, 8)


def root(x: int, _: int) -> int:
    return isqrt(x) if x >= 0 else 0


CASES: dict[str, tuple[Callable[[Builder, int, int], int], Result, list[int], list[int]]] = {
    # what is built, its result, arguments inside, arguments outside
    "rescale": (
        lambda b, x, y: b.rescale(x, 3, C),
        rescaled,
        [0, 3, 4, 5, -3, -4, -5, -12, 8 * TOP - 5, -8 * TOP - 4],
        [8 * TOP - 4, -8 * TOP - 5, 1 << 29, -(1 << 29)],
    ),
    "range check": (
        lambda b, x, y: b.range_check(x, C),
        lambda x, _: x,
        [0, -1, TOP - 1, -TOP],
        [TOP, -TOP - 1, 1 << 29],
    ),
    "comparison": (
        lambda b, x, y: b.is_positive(x, C),
        lambda x, _: int(x > 0),
        [0, 1, -1, TOP, 1 - TOP],
        [TOP + 1, -TOP, 1 << 29, -(1 << 29)],
    ),
    "root": (
        lambda b, x, y: b.sqrt(x, C),
        root,
        [0, 1, 2, 3, 4, 8, 9, TOP * TOP - 1],
        [-1, TOP * TOP, -(1 << 29)],
    ),
    "quotient": (
        lambda b, x, y: b.divide(x, y, C, 4),
        lambda x, _: nearest(x, 2),
        [0, 1, -1, 2, 3, -3, 2 * TOP - 2, -2 * TOP - 1],
        [2 * TOP - 1, -2 * TOP - 2, 1 << 29],
    ),
}


def sample(name: str, x: int, y: int = 2) -> Sample:
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, 2, WIDE)
    made = CASES[name][0](b, b.slice(state, 0, 1), b.slice(state, 1, 2))
    inputs = {CONTEXT: context(), STATE: integers([x, y])}
    return Sample(b.finish(made), inputs, public_output=True)


def values_of(made: Sample, result: int) -> list[IntegerArray]:
    """Values of all nodes, whether the executor would have them or not."""
    values: list[IntegerArray] = []
    for node in made.program.nodes:
        if node.op is Op.INPUT:
            values.append(made.inputs[node.name])
        elif node.op is Op.SLICE:
            values.append(values[node.inputs[0]][slice(*node.attributes)])
        else:
            values.append(integers([result]))
    return values


def tells(made: Sample, result: int) -> set[str]:
    """Kinds of the opcodes that a result violates, with hints made for it."""
    circuit = emit(made.program, NARROW, public_output=True)
    witness = circuit.system.solve([1], values_of(made, result), 7)
    assert witness[2] == result % R
    return Checker(circuit.program_file()).kinds(witness)


@pytest.mark.parametrize("name", CASES)
def test_the_last_arguments_inside_have_their_result_and_no_other(name: str) -> None:
    _, result, inside, _ = CASES[name]
    for x in inside:
        made, expected = sample(name, x), result(x, 2)
        assert tells(made, expected) == set(), x
        for other in {expected - 1, expected + 1, -expected, 1 - expected} - {expected}:
            told = tells(made, other)
            assert told == ({ZERO} if name == "range check" else {RANGE}) or RANGE in told, x


@pytest.mark.parametrize("name", CASES)
def test_the_first_arguments_outside_have_no_witness(name: str) -> None:
    _, result, _, outside = CASES[name]
    for x in outside:
        assert tells(sample(name, x), result(x, 2)) == {RANGE}, x


def test_divisors_are_from_one_to_their_capacity() -> None:
    for y, is_allowed in ((1, True), (2, True), (16, True), (17, False), (0, False), (-1, False)):
        told = tells(sample("quotient", 5, y), nearest(5, y) if y else 0)
        assert told == (set() if is_allowed else {RANGE}), y


@pytest.mark.parametrize("op", [Op.SIGMOID, Op.TANH, Op.EXP])
@pytest.mark.parametrize("x", [LIMIT + 1, -LIMIT - 1, 1 << 20])
def test_tables_end(op: Op, x: int) -> None:
    """The nearest interval is named, with its distances; or a place that the table has not."""
    b = Builder()
    b.input(CONTEXT, 1)
    made = b.table(op, b.input(STATE, 1, WIDE), NARROW.table_bits)
    inside = {CONTEXT: context(), STATE: integers([max(-LIMIT, min(LIMIT, x))])}
    prover = Prover(Sample(b.finish(made), inputs=inside, public_output=True))
    assert prover.checker(prover.honest) is None
    values = [prover.values[0], integers([x]), prover.values[2]]
    ((place, entry),) = [(b, c) for kind, _, b, c in prover.checker.opcodes if kind == READ]
    named = {w: prover.honest[w] for w in (place, entry)}
    assert RANGE in prover.checker.kinds(prover.solve(values, witnesses=named))
    size = len(next(b for kind, _, b, _ in prover.checker.opcodes if kind == "MemoryInit"))
    for beyond in (-1, size, R // 2):
        told = prover.checker.kinds(prover.solve(values, witnesses={**named, place: beyond}))
        assert READ in told
