"""Gadgets: honest hints satisfy the constraints, and nothing else that satisfies them is a lie.

The constraints are written here a second time, in integers, from the table of docs/soundness.md.
That the circuit has just these is shown with real circuits in tests/prover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.executor import evaluate
from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.ezkl_backend.gadgets import honest_hints, plan, wants
from zkdescent.circuits.fixed_point import FixedPoint, IntegerArray
from zkdescent.circuits.program import Builder, Node, Op, Program
from zkdescent.core.errors import ProverError, RangeOverflow

FIXED = FixedPoint()
SIZES = st.integers(11, 16)
SLACK = 32  # above zero and below this, two exact digits leave a comparison open


class Unsatisfied(Exception):  # noqa: N818 - an outcome, not an error
    """A number is outside its table."""


@dataclass(frozen=True)
class Constraints:
    """The constraints of one element of one gadget.

    Attributes:
        last: the last value of the table: what every table is sure to hold, for honest hints; all
            that a column could hold, for lies.
    """

    digits: Digits
    last: int

    def look_up(self, *values: int) -> None:
        """Each value is in the table."""
        if not all(self.digits.low <= v <= self.last for v in values):
            raise Unsatisfied(values)

    def number(self, supplied: list[int]) -> int:
        """Signed digits, the highest first."""
        total = 0
        for digit in supplied:
            total = (total << self.digits.bits) + digit
        return total

    def not_negative(self, value: int, high: int | None) -> None:
        """One exact digit, or two of which the upper one is supplied."""
        low = self.digits.low
        if high is None:
            self.look_up(value + low)
        else:
            self.look_up(value - (high - low) * self.digits.count + low)

    def result(
        self, node: Node, arguments: list[int], supplied: list[int], signs: list[int]
    ) -> int:
        """The result that the constraints allow for these hints.

        Raises:
            Unsatisfied: they allow none.
        """
        self.look_up(*supplied, *signs)
        base = self.digits.bits
        v = arguments[0]
        match node.op:
            case Op.RESCALE:
                bits, capacity = node.attributes
                count = self.digits.signed_number(capacity)
                quotient = self.number(supplied[:count])
                rest, weight = v - (quotient << bits), bits
                for digit in supplied[count:]:
                    weight -= base
                    rest -= digit << weight
                single = len(supplied) == count
                self.look_up(rest << max(0, base - bits) if single else rest)
                return quotient
            case Op.RANGE_CHECK:
                self.look_up(v - (self.number(supplied) << base))
                return v
            case Op.IS_POSITIVE:
                if not signs:
                    self.look_up(v - 1)
                    return int(v - 1 >= 0)
                self.look_up(v - 1 - signs[0] * self.digits.count + self.digits.low)
                return int(signs[0] >= 0)
            case Op.DIVIDE:
                count = self.digits.signed_number(node.attributes[0])
                quotient, y = self.number(supplied[:count]), arguments[1]
                below = 2 * (v - quotient * y) + y
                self._within(below, 2 * y - 1, supplied[count:])
                return quotient
            case _:
                count = self.digits.signed_number(node.attributes[0])
                root = self.number(supplied[:count])
                self._within(v - root * root, 2 * root, supplied[count:])
                return root

    def _within(self, value: int, largest: int, highs: list[int]) -> None:
        below, above = highs if highs else (None, None)
        self.not_negative(value, below)
        self.not_negative(largest - value, above)


@dataclass(frozen=True)
class Case:
    """One gadget on one number, or two."""

    program: Program
    inputs: tuple[int, ...]
    digits: Digits

    @property
    def node(self) -> Node:
        """The gadget."""
        return self.program.nodes[self.program.output]

    def values(self) -> list[IntegerArray]:
        """Values of all nodes, by the executor."""
        named = {
            n: np.array([v], dtype=object)
            for n, v in zip(self.program.inputs, self.inputs, strict=True)
        }
        return evaluate(self.program, named, FIXED)

    def hints(self) -> list[int]:
        """Hints of an honest prover: first digits, then signs."""
        made = [int(h) for h in honest_hints(self.program, self.values(), self.digits)]
        size = plan(self.program, self.digits).size
        assert len(made) == size
        wanted = wants(self.node, self.digits)
        return made[: wanted.digits + wanted.signs]

    def honestly(self) -> int:
        """What the constraints give for the honest hints, with the shortest tables."""
        return self._result(self.hints(), self.digits.lookup_range[1])

    def with_hints(self, hints: list[int]) -> int:
        """The same for any hints, with the longest tables."""
        return self._result(hints, -self.digits.low - 1)

    def _result(self, hints: list[int], last: int) -> int:
        count = wants(self.node, self.digits).digits
        return Constraints(self.digits, last).result(
            self.node, list(self.inputs), hints[:count], hints[count:]
        )


def case(logrows: int, gadget: Callable[[Builder, int, int], int], *inputs: int) -> Case:
    """A program of one gadget; `inputs` are x, or x and y."""
    b = Builder()
    nodes = [b.input(name, 1) for name, _ in zip("xy", inputs, strict=False)]
    program = b.finish(gadget(b, nodes[0], nodes[-1]))
    return Case(program, inputs, Digits(logrows))


def magnitude(capacity: int, limit: int | None = None) -> st.SearchStrategy[int]:
    """Numbers below 2**capacity, up to the limit; often their extremes."""
    largest = min((1 << capacity) - 1, limit or 1 << capacity)
    edges = [e for e in (0, 1, -1, largest, -largest, 1 << (capacity - 1)) if abs(e) <= largest]
    return st.sampled_from(edges) | st.integers(-largest, largest)


@st.composite
def rescales(draw: st.DrawFn) -> tuple[Case, int]:
    bits, capacity = draw(st.integers(1, 45)), draw(st.integers(1, 45))
    quotient, half = draw(magnitude(capacity)), 1 << (bits - 1)
    rest = draw(st.sampled_from([-half, half - 1, 0]) | st.integers(-half, half - 1))
    x = (quotient << bits) + rest
    return case(draw(SIZES), lambda b, x, _: b.rescale(x, bits, capacity), x), quotient


@st.composite
def range_checks(draw: st.DrawFn) -> tuple[Case, int]:
    capacity = draw(st.integers(1, 60))
    x = draw(magnitude(capacity))
    return case(draw(SIZES), lambda b, x, _: b.range_check(x, capacity), x), x


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[Case, int]:
    logrows = draw(SIZES)
    widest = Digits(logrows).comparison_capacity
    capacity = draw(st.sampled_from([widest]) | st.integers(1, widest))
    x = draw(magnitude(capacity, Digits(logrows).comparison_limit))
    return case(logrows, lambda b, x, _: b.is_positive(x, capacity), x), int(x > 0)


@st.composite
def quotients(draw: st.DrawFn) -> tuple[Case, int]:
    logrows = draw(SIZES)
    divisor = draw(st.integers(1, Digits(logrows).comparison_capacity - 1))
    capacity = draw(st.integers(1, 45))
    largest = (1 << divisor) - 1
    y = draw(st.sampled_from([1, largest]) | st.integers(1, largest))
    quotient = draw(magnitude(capacity))
    least, most = -(y // 2), (y - 1) // 2
    x = quotient * y + draw(st.sampled_from([least, most]) | st.integers(least, most))
    return case(logrows, lambda b, x, y: b.divide(x, y, capacity, divisor), x, y), quotient


@st.composite
def roots(draw: st.DrawFn) -> tuple[Case, int]:
    logrows = draw(SIZES)
    capacity = draw(st.integers(1, Digits(logrows).comparison_capacity - 2))
    root = abs(draw(magnitude(capacity)))
    x = root * root + draw(st.sampled_from([0, 2 * root]) | st.integers(0, 2 * root))
    return case(logrows, lambda b, x, _: b.sqrt(x, capacity), x), root


GADGETS = {
    "rescale": rescales(),
    "range check": range_checks(),
    "comparison": comparisons(),
    "quotient": quotients(),
    "root": roots(),
}
ANY = st.one_of(*GADGETS.values())


@pytest.mark.parametrize("name", GADGETS)
@given(data=st.data())
def test_honest_hints_satisfy_the_constraints(name: str, data: st.DataObject) -> None:
    made, expected = data.draw(GADGETS[name])
    values = made.values()
    assert int(values[made.program.output][0]) == expected
    assert made.honestly() == expected


@given(ANY, st.data())
def test_other_hints_prove_nothing_else(pair: tuple[Case, int], data: st.DataObject) -> None:
    """What passes with changed hints is the same result, or what docs/soundness.md grants."""
    made, expected = pair
    hints = made.hints()
    d = made.digits
    steps = [1, 2, 1 << d.bits, d.count, d.count - 1]
    for index in range(len(hints)):
        changed = list(hints)
        changed[index] += data.draw(
            st.sampled_from([*steps, *(-s for s in steps)]) | st.integers(2 * d.low, -2 * d.low)
        )
        try:
            result = made.with_hints(changed)
        except Unsatisfied:
            continue
        if made.node.op is Op.RESCALE:
            bits = made.node.attributes[0]
            # The table's lower end is a whole unit below.
            assert abs((result << bits) - made.inputs[0]) <= 1 << bits
        elif made.node.op is Op.IS_POSITIVE and 0 < made.inputs[0] < SLACK:
            assert result in (0, 1)
        else:
            assert result == expected


@given(st.one_of(quotients(), roots()), st.integers(-3, 3).filter(bool))
def test_another_quotient_or_root_is_refused(pair: tuple[Case, int], error: int) -> None:
    """Even with the digits that suit it best."""
    made, honest = pair
    node, d, claimed = made.node, made.digits, honest + error
    x, y = made.inputs[0], made.inputs[-1]
    if node.op is Op.DIVIDE:
        below, largest = 2 * (x - claimed * y) + y, 2 * y - 1
    else:
        below, largest = x - claimed * claimed, 2 * claimed
    number = d.signed_number(node.attributes[0])
    parts = d.split_signed(np.array([claimed], dtype=object), number)
    hints = [int(p[0]) for p in parts]
    if len(made.hints()) > number:
        hints += [v // d.count + d.low for v in (below, largest - below)]
    with pytest.raises(Unsatisfied):
        made.with_hints(hints)


@given(rescales(), st.sampled_from([-2, 2]))
def test_a_rescale_two_units_off_is_refused(pair: tuple[Case, int], error: int) -> None:
    """Even with the remainder's digits that suit it best."""
    made, honest = pair
    (bits, capacity), d = made.node.attributes, made.digits
    claimed = honest + error
    parts = d.split_signed(np.array([claimed], dtype=object), d.signed_number(capacity))
    hints = [int(p[0]) for p in parts]
    rest, weight = made.inputs[0] - (claimed << bits), bits
    for _ in range(d.remainder_number(bits) - 1):
        weight -= d.bits
        digit = min(max(rest >> weight, d.low), -d.low - 1)
        hints.append(digit)
        rest -= digit << weight
    with pytest.raises(Unsatisfied):
        made.with_hints(hints)


@given(comparisons())
def test_a_number_that_is_not_positive_is_never_proven_to_be(pair: tuple[Case, int]) -> None:
    made, expected = pair
    d = made.digits
    if expected or not made.hints():
        return
    for high in (0, 1, d.low + d.count - 1):
        with pytest.raises(Unsatisfied):
            made.with_hints([high])


@pytest.mark.parametrize("logrows", range(11, 21))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_comparison_between_limit_and_capacity_is_refused(logrows: int, sign: int) -> None:
    """The executor takes it, two digits do not: better an error than a prover that hangs."""
    d = Digits(logrows)
    widest = d.comparison_capacity

    def compared(x: int) -> Case:
        return case(logrows, lambda b, x, _: b.is_positive(x, widest, "a gate"), x)

    assert compared(sign * d.comparison_limit).honestly() == int(sign > 0)
    with pytest.raises(RangeOverflow, match="a gate does not fit the circuit's digits"):
        compared(sign * ((1 << widest) - 1)).hints()


@pytest.mark.parametrize("logrows", range(11, 21))
def test_hints_lie_as_planned(logrows: int) -> None:
    """All digits in the order of the nodes, then all signs."""
    d = Digits(logrows)
    b = Builder()
    x = b.input("x", 3)
    first = b.range_check(x, d.bits)  # one digit is supplied
    sign = b.is_positive(first, d.comparison_capacity - 1)
    second = b.rescale(b.add(first, sign), 2, d.bits)  # two digits of the quotient
    program = b.finish(b.concat([sign, second]))
    layout = plan(program, d)
    assert (layout.digit_count, layout.sign_count, layout.size) == (9, 3, 12)
    index = {node.op: i for i, node in enumerate(program.nodes)}
    assert layout.digits[index[Op.RANGE_CHECK]] == 0
    assert layout.digits[index[Op.RESCALE]] == 3
    assert layout.signs[index[Op.IS_POSITIVE]] == 0
    given = np.array([1 << (d.bits - 1), 0, -(1 << d.bits) + 1], dtype=object)
    values = evaluate(program, {"x": given}, FIXED)
    hints = honest_hints(program, values, d).tolist()
    supplied = d.split_signed(given, 2)[0]
    assert hints[:3] == supplied.tolist()
    assert [int(h >= 0) for h in hints[9:]] == [1, 0, 0]


def test_a_program_without_gadgets_has_one_hint() -> None:
    b = Builder()
    program = b.finish(b.neg(b.input("x", 4)))
    values = evaluate(program, {"x": np.zeros(4, dtype=object)}, FIXED)
    assert plan(program, Digits(11)).size == 1
    assert honest_hints(program, values, Digits(11)).tolist() == [0]


@pytest.mark.parametrize("op", [Op.RESCALE, Op.RANGE_CHECK, Op.IS_POSITIVE, Op.DIVIDE, Op.SQRT])
def test_numbers_that_no_digits_hold_are_refused(op: Op) -> None:
    """ezkl would never return from such a witness."""
    gadgets: dict[Op, Callable[[Builder, int, int], int]] = {
        Op.RESCALE: lambda b, x, _: b.rescale(x, 4, 9, "a weight"),
        Op.RANGE_CHECK: lambda b, x, _: b.range_check(x, 9, "a weight"),
        Op.IS_POSITIVE: lambda b, x, _: b.is_positive(x, 9, "a weight"),
        Op.DIVIDE: lambda b, x, y: b.divide(x, y, 9, 8, "a weight"),
        Op.SQRT: lambda b, x, _: b.sqrt(x, 8, "a weight"),
    }
    made = case(11, gadgets[op], 1, 1)
    beyond = 1 << 12
    x = {Op.RESCALE: beyond << 4, Op.SQRT: beyond * beyond}.get(op, beyond)
    result = 1 if op is Op.IS_POSITIVE else beyond
    values = [np.array([v], dtype=object) for v in (x, 1, result)]
    with pytest.raises(RangeOverflow, match="a weight does not fit the circuit's digits"):
        honest_hints(made.program, values, made.digits)


@pytest.mark.parametrize(
    "gadget",
    [
        lambda b, x, _, over: b.is_positive(x, over, "a gate"),
        lambda b, x, y, over: b.divide(x, y, 9, over - 1, "a gate"),
        lambda b, x, _, over: b.sqrt(x, over - 2, "a gate"),
    ],
    ids=["comparison", "quotient", "root"],
)
def test_a_comparison_too_wide_for_the_size_is_named(
    gadget: Callable[[Builder, int, int, int], int],
) -> None:
    widest = Digits(11).comparison_capacity
    plan(case(11, lambda b, x, y: gadget(b, x, y, widest), 1, 1).program, Digits(11))
    wider = case(11, lambda b, x, y: gadget(b, x, y, widest + 1), 1, 1).program
    with pytest.raises(ProverError, match="a gate is too wide to be compared") as caught:
        plan(wider, Digits(11))
    assert (caught.value.expected, caught.value.got) == (f"at most {widest} bits", widest + 1)
    plan(wider, Digits(12))
