"""Which products are checked with a challenge, and that the challenge depends on all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zkdescent.circuits.assemble import BATCH, CONTEXT, STATE
from zkdescent.circuits.barretenberg.commitment import PACKED_BITS
from zkdescent.circuits.barretenberg.pins import deciding, pinned_products, worthwhile
from zkdescent.circuits.program import Builder, Op, Program
from zkdescent.core.errors import RangeOverflow

from . import lies
from .checker import RANGE, ZERO
from .dishonest import Lie, Prover, integers_of
from .samples import CAPACITY, Sample, context, integers, layers, products

N = 10
Make = Callable[[Builder, int, int, int], int]


def program(make: Make) -> Program:
    """Of a matrix of the state, one of the batch, and their product."""
    b = Builder()
    b.input(CONTEXT, 1)
    x = b.reshape(b.input(STATE, N * N, CAPACITY), (N, N))
    y = b.reshape(b.input(BATCH, N * N, CAPACITY), (N, N))
    return b.finish(b.reshape(make(b, x, y, b.matmul(x, y, "xy")), (N * N,)))


PINNED: dict[str, Make] = {
    "rounded": lambda b, x, y, c: b.rescale(c, 12, 16),
    "moved": lambda b, x, y, c: b.rescale(b.neg(b.transpose(c)), 12, 16),
    "plus an input": lambda b, x, y, c: b.rescale(b.add(c, x), 12, 16),
    "scaled": lambda b, x, y, c: b.rescale(b.mul(c, b.constant(3)), 12, 16),
    "compared": lambda b, x, y, c: b.is_positive(c, 40),
}
WRITTEN_OUT: dict[str, Make] = {
    "not rounded": lambda b, x, y, c: b.range_check(c, 40),
    "summed": lambda b, x, y, c: b.mul(
        b.rescale(b.sum(c, (1,)), 12, 20), b.constant(*[1] * N, shape=(1, N))
    ),
    "times nothing": lambda b, x, y, c: b.rescale(b.mul(c, b.constant(0)), 12, 16),
    "times an input": lambda b, x, y, c: b.rescale(b.mul(c, x), 12, 30),
    "itself twice": lambda b, x, y, c: b.rescale(b.sub(c, b.transpose(c)), 12, 16),
}


@pytest.mark.parametrize("name", PINNED)
def test_products_that_a_rounding_decides_are_checked(name: str) -> None:
    made = program(PINNED[name])
    (pin,) = pinned_products(made).values()
    assert made.nodes[pin.rounding].op in (Op.RESCALE, Op.IS_POSITIVE)


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_products_that_nothing_decides_are_written_out(name: str) -> None:
    assert pinned_products(program(WRITTEN_OUT[name])) == {}


def test_small_products_are_written_out() -> None:
    assert worthwhile(8, 10, 10)
    assert not worthwhile(2, 10, 10)
    assert not worthwhile(8, 10, 1)


def both(b: Builder, x: int, y: int, c: int) -> int:
    """Two products that only their sum decides."""
    return b.rescale(b.add(c, b.matmul(y, x, "yx")), 12, 20)


def test_two_products_do_not_decide_each_other() -> None:
    """What one gains the other loses: quotient and remainder stay, so that one is written out."""
    made = program(both)
    pins = pinned_products(made)
    assert len(pins) == 1
    ((checked, pin),) = pins.items()
    (written,) = [i for i, n in enumerate(made.nodes) if n.op is Op.MATMUL and i != checked]
    assert pin.others == (written,)
    assert deciding(made, pins, (checked,)) == {(pin.rounding, False), (pin.rounding, True)}
    some = integers([(7 * i) % 901 - 450 for i in range(N * N)])
    sample = Sample(made, {CONTEXT: context(), STATE: some, BATCH: some[::-1]})
    prover = Prover(sample)
    assert prover.checker(prover.honest) is None
    (remainders,) = prover.walk.hints[pin.rounding].rest
    told = []
    for place in range(N * N):  # a product is what its rounding says: another remainder, another
        witness = remainders.witness(place)
        lied = prover.solve(witnesses={witness: prover.honest[witness] ^ 1})
        told.append(Lie(f"{place}", lied, frozenset({ZERO})))
    tally = prover.judge(told)
    assert (tally.failures, tally.rejected) == ([], N * N)


def test_errors_that_cancel_in_a_packed_group_are_out_of_range() -> None:
    """2^w too much in one column and 1 too little in the next: the group does not show it."""
    prover = Prover(products())
    nodes = prover.sample.program.nodes
    index = prover.node("second")
    pin = prover.walk.freivalds.pins[index]
    rows, columns = nodes[index].shape
    assert pin.columns(columns) > 1
    bits, _ = nodes[pin.rounding].attributes
    hints = prover.walk.hints[pin.rounding]
    (remainders,) = hints.rest
    hidden = shown = 0
    for row in range(rows):
        place, other = row, rows + row  # columns 0 and 1; the product is rounded transposed
        quotient, remainder = hints.result.witness(place), remainders.witness(other)
        less = prover.honest[remainder] - 1
        if less < 0:
            continue
        more = prover.honest[quotient] + (1 << pin.width - bits)
        both = prover.solve(witnesses={quotient: more, remainder: less})
        assert prover.checker.kinds(both) == {RANGE}
        hidden += 1
        for one in ({quotient: more}, {remainder: less}):
            assert ZERO in prover.checker.kinds(prover.solve(witnesses=one))
            shown += 1
    assert hidden > rows // 2
    assert shown == 2 * hidden


def test_a_layer_is_checked_without_witnesses_of_its_products() -> None:
    """A ReLU's product, bias and result follow from its comparison's hints: one gate an element."""
    prover = Prover(layers())
    pins = prover.walk.freivalds.pins
    into, out = prover.node("into"), prover.node("out of")
    assert (pins[into].alone, pins[into].turned) == (True, False)
    assert (pins[out].alone, pins[out].turned) == (True, True)
    hints = prover.walk.hints[prover.node("positive")]
    (rests,) = hints.rest
    true = integers_of(prover.values[prover.node("after")])
    assert any(true)
    for i, value in enumerate(true):
        p, t = (prover.honest[block.witness(i)] for block in (hints.result, rests))
        assert p * t + p == value


def test_the_hints_of_a_comparison_are_all_in_the_challenge() -> None:
    """Another rest makes another product and another ReLU; only the challenge's check tells."""
    prover = Prover(layers())
    rho, _, _ = lies.challenge(prover)
    (rests,) = prover.walk.hints[prover.node("positive")].rest
    seen = {prover.honest[rho]}
    for i in range(0, rests.size, 7):
        lied = prover.solve(witnesses={rests.witness(i): prover.honest[rests.witness(i)] ^ 1})
        assert prover.checker.kinds(lied) == {ZERO}
        seen.add(lied[rho])
    assert len(seen) == 1 + len(range(0, rests.size, 7))


def test_what_is_bounded_by_later_products_alone_is_not_packed() -> None:
    """A sum with a later product bounds the error only if that one is right."""

    def later(b: Builder, x: int, y: int, c: int) -> int:
        ones = b.constant(*[1] * N, shape=(1, N))
        return b.rescale(b.add(c, b.matmul(b.sum(y, (1,)), ones)), 12, 20)

    ((_, pin),) = pinned_products(program(later)).items()
    assert (pin.width, pin.columns(N)) == (PACKED_BITS, 1)
    ((_, pin),) = pinned_products(program(PINNED["rounded"])).items()
    assert pin.columns(N) > 1


def test_the_challenge_changes_with_every_element() -> None:
    """Whatever is changed in a factor or a product, with all hints following, changes rho."""
    prover = Prover(products())
    rho, words, before = lies.challenge(prover)
    assert len(words) == len(before) > len(prover.walk.inputs) + 1
    found = {prover.honest[rho]}
    count = 1
    nodes = prover.sample.program.nodes
    origins = {i for i, n in enumerate(nodes) if n.op in (Op.INPUT, Op.RESCALE, Op.MATMUL)}
    for index in sorted(origins):
        if nodes[index].name == CONTEXT:
            continue
        values = integers_of(prover.values[index])
        for place in range(0, len(values), 3):
            try:
                changed = prover.consequences(index, place, values[place] + 1)
            except RangeOverflow:
                continue
            found.add(prover.solve(changed)[rho])
            count += 1
    assert count > 200
    assert len(found) == count
