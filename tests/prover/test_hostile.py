"""Lies of a dishonest prover about each operation that it has a hand in; none holds.

Every kind of change to every kind of operation by default, over a thousand lies in the slow tier.

The constraints are checked by ezkl's mock prover on the very circuits that are proven: a real
prover does not come back from a witness outside a table, and a proof of one would not verify.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Builder, Op, Program

from .hostile import CHANGES, Tally, attack, build, hint_mutations, input_mutations

pytestmark = pytest.mark.prover

LOGROWS = 11  # digits of 10 bits
SMALL = FixedPoint(table_bits=7)
SLACK = 32  # values of the table beyond `Digits.count`, at most
INPUT_BOUND = 1 << 20  # what range proofs would keep inputs below

Gadget = Callable[[Builder, int, int], int]


def _integers(*values: int) -> IntegerArray:
    return np.array(values, dtype=object)


# name -> (program of x and y, x, y, units that its rounding may be off)
CASES: dict[str, tuple[Gadget, IntegerArray, IntegerArray, int]] = {
    "rescale by less than a digit": (
        lambda b, x, y: b.rescale(x, 4, 9),
        _integers(1000, -1001, 7, 0),
        _integers(1),
        1,
    ),
    "rescale by a digit": (
        lambda b, x, y: b.rescale(b.mul(x, x), 10, 9),
        _integers(600, -500, 31, 1),
        _integers(1),
        1,
    ),
    "rescale by two digits": (
        lambda b, x, y: b.rescale(b.mul(b.mul(x, x), x), 17, 18),
        _integers(2000, -1777, 400, 3),
        _integers(1),
        1,
    ),
    "rescale of a shifted negative": (
        lambda b, x, y: b.rescale(b.neg(b.shift_left(x, 3)), 9, 12),
        _integers(70001, -70003, 5, 0),
        _integers(1),
        1,
    ),
    "range check in one digit": (
        lambda b, x, y: b.range_check(x, 9),
        _integers(500, -500, 0, 1),
        _integers(1),
        0,
    ),
    "range check in two digits": (
        lambda b, x, y: b.range_check(x, 18),
        _integers(200_000, -200_000, 0, 1),
        _integers(1),
        0,
    ),
    "comparison of a digit": (
        lambda b, x, y: b.is_positive(x, 9),
        _integers(1, 0, -1, 300),
        _integers(1),
        0,
    ),
    "comparison of two digits": (
        lambda b, x, y: b.is_positive(x, 20),
        _integers(40, 0, -1, -500_000),
        _integers(1),
        0,
    ),
    "quotient": (
        lambda b, x, y: b.divide(x, y, 9, 8),
        _integers(1000, -1000, 99, 0),
        _integers(200),
        0,
    ),
    "quotient of wide numbers": (
        lambda b, x, y: b.divide(b.shift_left(x, 8), y, 18, 19),
        _integers(400_000, -400_001, 5, 0),
        _integers(300_001),
        0,
    ),
    "square root": (
        lambda b, x, y: b.sqrt(x, 8),
        _integers(0, 1, 30_000, 255),
        _integers(1),
        0,
    ),
    "square root of a wide number": (
        lambda b, x, y: b.sqrt(b.mul(x, x), 18),
        _integers(100_000, -99_999, 3, 0),
        _integers(1),
        0,
    ),
    "sigmoid": (
        lambda b, x, y: b.rescale(b.table(Op.SIGMOID, x, 7), 1, 9),
        _integers(200, -200, 0, 900),
        _integers(1),
        1,
    ),
    "tanh": (
        lambda b, x, y: b.rescale(b.table(Op.TANH, x, 7), 1, 9),
        _integers(200, -200, 0, 900),
        _integers(1),
        1,
    ),
    "exp": (
        lambda b, x, y: b.rescale(b.table(Op.EXP, x, 7), 1, 18),
        _integers(200, -200, 0, -900),
        _integers(1),
        1,
    ),
    "matrix product of rearranged tensors": (
        lambda b, x, y: b.reshape(
            b.rescale(
                b.matmul(b.take(x, [3, 1, 0, -1], (2, 2)), b.transpose(b.reshape(x, (2, 2)))),
                8,
                18,
            ),
            (4,),
        ),
        _integers(300, -200, 0, 900),
        _integers(1),
        1,
    ),
}


def _program(gadget: Gadget, x: IntegerArray, y: IntegerArray) -> Program:
    builder = Builder()
    builder.input(CONTEXT, 1)
    state, batch = builder.input(STATE, len(x)), builder.input(BATCH, len(y))
    return builder.finish(gadget(builder, state, batch))


# One of each kind of operation, and none that only has more or fewer digits.
KINDS_OF_OPERATION = (
    "rescale by two digits",
    "range check in two digits",
    "comparison of two digits",
    "quotient",
    "square root",
    "sigmoid",
    "exp",
    "matrix product of rearranged tensors",
)


@dataclass(frozen=True, slots=True)
class Effort:
    """Cases, mutations of the hints and of the inputs of each, and lies rejected in all."""

    cases: tuple[str, ...]
    hints: int
    inputs: int
    lies: int

    def attack(self, name: str, directory: Path) -> Tally:
        """Attack a case through its hints and through its inputs."""
        gadget, x, y, tolerance = CASES[name]
        seed = list(CASES).index(name)
        target = build(
            _program(gadget, x, y),
            [_integers(0), x, y],
            directory,
            logrows=LOGROWS,
            tolerance=tolerance,
            slack=SLACK if name == "comparison of two digits" else 0,
            fixed=SMALL,
        )
        bound = None if "range check" in name else INPUT_BOUND
        mutations = [
            *hint_mutations(target, seed, self.hints),
            *input_mutations(target, seed, self.inputs, names=(STATE, BATCH), bound=bound),
        ]
        return attack(target, mutations)


EVERY_CHANGE = Effort(KINDS_OF_OPERATION, hints=len(CHANGES), inputs=len(CHANGES), lies=150)
MANY = Effort(tuple(CASES), hints=96, inputs=24, lies=1000)
Tallies = Callable[[Effort, str], Tally]


@pytest.fixture(scope="module")
def tally_of(tmp_path_factory: pytest.TempPathFactory) -> Tallies:
    """What became of the mutations of a case, attacked once."""

    @cache
    def attacked(effort: Effort, name: str) -> Tally:
        return effort.attack(name, tmp_path_factory.mktemp("circuit"))

    return attacked


@pytest.mark.parametrize(
    ("effort", "name"),
    [
        *(pytest.param(EVERY_CHANGE, name, id=name) for name in EVERY_CHANGE.cases),
        *(
            pytest.param(MANY, name, id=f"{name}, many lies", marks=pytest.mark.slow)
            for name in MANY.cases
        ),
    ],
)
def test_no_lie_about_one_operation_holds(tally_of: Tallies, effort: Effort, name: str) -> None:
    tally = tally_of(effort, name)
    assert tally.accepted_lies == []
    assert tally.rejected


@pytest.mark.parametrize(
    "effort",
    [
        pytest.param(EVERY_CHANGE, id="hundreds"),
        pytest.param(MANY, id="a thousand", marks=pytest.mark.slow),
    ],
)
def test_there_were_as_many_lies_as_said(tally_of: Tallies, effort: Effort) -> None:
    tallies = {name: tally_of(effort, name) for name in effort.cases}
    rejected = sum(tally.rejected for tally in tallies.values())
    assert rejected >= effort.lies, {n: (t.rejected, t.harmless) for n, t in tallies.items()}
