"""Over a thousand lies of a dishonest prover, for each operation that it has a hand in; none holds.

The constraints are checked by ezkl's mock prover on the very circuits that are proven: a real
prover does not come back from a witness outside a table, and a proof of one would not verify.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Builder, Op, Program

from .hostile import Tally, attack, build, hint_mutations, input_mutations

pytestmark = pytest.mark.prover

LOGROWS = 11  # digits of 10 bits
SMALL = FixedPoint(table_bits=7)
MUTATIONS = 96
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


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tally]:
    """Every case attacked through its hints and through its inputs."""
    found = {}
    for seed, (name, (gadget, x, y, tolerance)) in enumerate(CASES.items()):
        target = build(
            _program(gadget, x, y),
            [_integers(0), x, y],
            tmp_path_factory.mktemp("circuit"),
            logrows=LOGROWS,
            tolerance=tolerance,
            slack=SLACK if name == "comparison of two digits" else 0,
            fixed=SMALL,
        )
        mutations = [
            *hint_mutations(target, seed, MUTATIONS),
            *input_mutations(
                target,
                seed,
                MUTATIONS // 4,
                names=(STATE, BATCH),
                bound=None if "range check" in name else INPUT_BOUND,
            ),
        ]
        found[name] = attack(target, mutations)
    return found


@pytest.mark.parametrize("name", CASES)
def test_no_lie_about_one_operation_holds(tallies: dict[str, Tally], name: str) -> None:
    tally = tallies[name]
    assert tally.accepted_lies == []
    assert tally.rejected


def test_there_were_a_thousand_lies(tallies: dict[str, Tally]) -> None:
    rejected = sum(tally.rejected for tally in tallies.values())
    assert rejected >= 1000, {name: (t.rejected, t.harmless) for name, t in tallies.items()}
