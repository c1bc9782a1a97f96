"""Columns that share a power of the challenge, and terms that rows share: what they rely on."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE
from zkdescent.circuits.barretenberg.commitment import PACKED_BITS
from zkdescent.circuits.barretenberg.pins import pinned_products
from zkdescent.circuits.program import Builder, Program

from . import lies
from .checker import ZERO, R
from .dishonest import Prover, integers_of
from .samples import CAPACITY, Sample, context, integers, products

N = 10
BITS = 12


def scaled(*factors: int) -> Program:
    """A product of small matrices times a constant for each column, rounded."""
    b = Builder()
    b.input(CONTEXT, 1)
    x, y = (
        b.reshape(b.rescale(b.input(name, N * N, CAPACITY), 6, 6), (N, N))
        for name in (STATE, BATCH)
    )
    product = b.matmul(x, y, "product")
    multiple = b.mul(product, b.constant(*factors, shape=(N,)))
    return b.finish(b.reshape(b.rescale(multiple, BITS, CAPACITY, "rounded"), (N * N,)))


def prover_of(program: Program) -> Prover:
    draw = np.random.default_rng(10)
    state = draw.integers(-900, 900, program.nodes[program.inputs[STATE]].size)
    batch = draw.integers(-900, 900, N * N)
    return Prover(
        Sample(program, {CONTEXT: context(), STATE: integers(state), BATCH: integers(batch)})
    )


def test_errors_that_differing_factors_hide_are_told() -> None:
    """Behind factors 1 and 64 an error of 2^w / 64 cancels one of 1/64 in the next column.

    Each is a true rounding of a wrong product: every hint is in its range.
    """
    ((_, even),) = pinned_products(scaled(*[64] * N)).items()
    ((index, uneven),) = pinned_products(scaled(*[1, 64] * (N // 2))).items()
    assert even.columns(N) > 1
    prover = prover_of(scaled(*[1, 64] * (N // 2)))
    assert prover.checker(prover.honest) is None
    hints = prover.walk.hints[uneven.rounding]
    (remainders,) = hints.rest
    argument = prover.sample.program.nodes[uneven.rounding].inputs[0]
    sums, product = integers_of(prover.values[argument]), integers_of(prover.values[index])
    changes = {}
    for place, factor, error in ((0, 1, -(1 << even.width) // 64), (1, 64, 1)):
        quotient, remainder = divmod(sums[place] + error + (1 << BITS - 1), 1 << BITS)
        assert -(1 << CAPACITY) <= quotient < 1 << CAPACITY
        changes[hints.result.witness(place)] = quotient + (1 << CAPACITY)
        changes[remainders.witness(place)] = remainder
        ((_, witness),) = prover.walk.elements[index][place].linear
        changes[witness] = (product[place] + error * pow(factor, -1, R)) % R
    lie = prover.solve(witnesses=changes)
    assert lie[3] != prover.honest[3]  # it would be another state
    assert prover.checker.kinds(lie) == {ZERO}
    assert (uneven.width, uneven.alone) == (PACKED_BITS, False)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_bias_counts_as_often_as_it_is_added(times: int) -> None:
    """Rows share it, and their common terms are weighed once: with all their coefficients."""
    b = Builder()
    b.input(CONTEXT, 1)
    state = b.input(STATE, N * N + N, CAPACITY)
    x = b.reshape(b.slice(state, 0, N * N), (N, N))
    bias = b.slice(state, N * N, N * N + N)
    y = b.reshape(b.input(BATCH, N * N, CAPACITY), (N, N))
    total = b.matmul(x, y, "product")
    for _ in range(times):
        total = b.add(total, bias)
    rounded = b.rescale(total, BITS, CAPACITY, "rounded")
    prover = prover_of(b.finish(b.reshape(rounded, (N * N,))))
    (pin,) = prover.walk.freivalds.pins.values()
    assert pin.alone
    assert prover.checker(prover.honest) is None
    (remainders,) = prover.walk.hints[pin.rounding].rest
    lies = {w: prover.honest[w] ^ 1 for w in remainders.witnesses()[::7]}
    for witness, value in lies.items():
        assert prover.checker.kinds(prover.solve(witnesses={witness: value})) == {ZERO}


@pytest.mark.parametrize("name", [STATE, BATCH])
def test_a_product_with_a_zero_matrix_is_zero(name: str) -> None:
    """Nothing is left of the other factor in the check; any product but zero is told."""
    made = products()
    zero = integers([0] * len(made.inputs[name]))
    prover = Prover(replace(made, inputs={**made.inputs, name: zero}))
    assert prover.checker(prover.honest) is None
    tally = prover.judge(islice(lies.about_products(prover, 4), 20))
    assert (tally.failures, tally.rejected) == ([], 20)
