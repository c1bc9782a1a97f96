"""Gadgets: operations whose result the prover supplies as digits and the circuit checks.

ezkl's own division and comparison cost 24 to 100 rows an element. These cost 3 to 12, because the
digits come in as one committed tensor of *hints*, are looked up once, and are recombined with plain
arithmetic. For each operation this module says how many digits it wants (`plan`), what an honest
prover puts there (`honest_hints`), and `codegen` emits the constraints that bind them.

| operation | supplied | checked |
|---|---|---|
| RESCALE | q, upper digits of r | r = v - q 2^b within 2^b |
| RANGE_CHECK | upper digits of v | the last digit |
| IS_POSITIVE | upper digit h | v - h C in the table; the result is [h >= 0] |
| DIVIDE | q | 0 <= 2 (n - q d) + d < 2 d |
| SQRT | s | 0 <= v - s^2 <= 2 s |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkdescent.circuits.ezkl_backend.digits import Digits
from zkdescent.circuits.fixed_point import IntegerArray
from zkdescent.circuits.program import DECOMPOSING, TABLES, Node, Op, Program
from zkdescent.core.errors import ProverError


@dataclass(frozen=True, slots=True)
class Wants:
    """How many tensors of digits a node wants, each of the node's size.

    Attributes:
        digits: looked up for their range.
        signs: looked up for their sign, and by it for their range.
    """

    digits: int
    signs: int = 0


@dataclass(frozen=True, slots=True)
class HintPlan:
    """Where each node's digits lie in the flat tensor of hints: all digits, then all signs.

    Attributes:
        digits, signs: node index -> first element; tensors of a node follow each other.
        digit_count, sign_count: elements of both parts.
    """

    digits: dict[int, int]
    signs: dict[int, int]
    digit_count: int
    sign_count: int

    @property
    def size(self) -> int:
        """Elements of the hints tensor; at least one, so that every circuit has it."""
        return max(1, self.digit_count + self.sign_count)


def wants(node: Node, digits: Digits) -> Wants:
    """Digits that a node wants.

    Raises:
        ProverError: the node is wider than this number of rows can check.
    """
    match node.op:
        case Op.RESCALE:
            bits, capacity = node.attributes
            return Wants(digits.signed_number(capacity) + digits.remainder_number(bits) - 1)
        case Op.RANGE_CHECK:
            return Wants(digits.signed_number(node.attributes[0]) - 1)
        case Op.IS_POSITIVE:
            return Wants(0, exact_number(node, node.attributes[0], digits) - 1)
        case Op.DIVIDE:
            capacity, divisor = node.attributes
            checks = 2 * (exact_number(node, divisor + 1, digits) - 1)
            return Wants(digits.signed_number(capacity) + checks)
        case Op.SQRT:
            (capacity,) = node.attributes
            checks = 2 * (exact_number(node, capacity + 2, digits) - 1)
            return Wants(digits.signed_number(capacity) + checks)
        case _:
            return Wants(0)


def exact_number(node: Node, capacity: int, digits: Digits) -> int:
    """Exact digits of a comparison; raises as `wants`."""
    number = digits.exact_number(capacity)
    if number is None:
        raise ProverError(
            f"{node.label} is too wide to be compared in a circuit of 2^{digits.logrows} rows",
            expected=f"at most {digits.comparison_capacity} bits",
            got=capacity,
            hint="use a larger logrows or fewer fraction_bits",
        )
    return number


def plan(program: Program, digits: Digits) -> HintPlan:
    """Lay out the hints of a program, in the order of its nodes."""
    digit_starts: dict[int, int] = {}
    sign_starts: dict[int, int] = {}
    digit_count = sign_count = 0
    for index, node in enumerate(program.nodes):
        if node.op not in DECOMPOSING:
            continue
        want = wants(node, digits)
        digit_starts[index], sign_starts[index] = digit_count, sign_count
        digit_count += want.digits * node.size
        sign_count += want.signs * node.size
    return HintPlan(digit_starts, sign_starts, digit_count, sign_count)


def honest_hints(program: Program, values: Sequence[IntegerArray], digits: Digits) -> IntegerArray:
    """The hints of an honest prover.

    Args:
        values: of every node, from `executor.evaluate`.

    Returns:
        The flat tensor, laid out as `plan` says, dtype object.

    Raises:
        RangeOverflow: a digit does not fit the table.
    """
    digit_parts: list[IntegerArray] = []
    sign_parts: list[IntegerArray] = []
    for index, node in enumerate(program.nodes):
        if node.op in TABLES:
            digits.check(values[node.inputs[0]], node.label)
        if node.op not in DECOMPOSING:
            continue
        arguments = [values[i].astype(object) for i in node.inputs]
        supplied, signs, derived = _honest(node, arguments, values[index].astype(object), digits)
        for part in (*supplied, *signs, *derived):
            digits.check(part, node.label)
        digit_parts += [p.reshape(-1) for p in supplied]
        sign_parts += [p.reshape(-1) for p in signs]
    parts = [*digit_parts, *sign_parts] or [np.zeros(1, dtype=object)]
    return np.concatenate(parts).astype(object)


_Parts = list[IntegerArray]


def _honest(
    node: Node, arguments: list[IntegerArray], result: IntegerArray, digits: Digits
) -> tuple[_Parts, _Parts, _Parts]:
    """Supplied digits, supplied signs, and what the circuit derives and looks up."""
    match node.op:
        case Op.RESCALE:
            bits, capacity = node.attributes
            quotient = digits.split_signed(result, digits.signed_number(capacity))
            remainder = arguments[0] - (result << bits)
            supplied, last = _remainder_digits(remainder, bits, digits)
            return [*quotient, *supplied], [], [last]
        case Op.RANGE_CHECK:
            *supplied, last = digits.split_signed(result, digits.signed_number(node.attributes[0]))
            return supplied, [], [last]
        case Op.IS_POSITIVE:
            x = arguments[0]
            if exact_number(node, node.attributes[0], digits) == 1:
                return [], [], [x - 1]
            high = (x - 1) // digits.count
            return [], [high], [x - 1 + digits.low - high * digits.count]
        case Op.DIVIDE:
            capacity, divisor = node.attributes
            x, y = np.broadcast_arrays(*arguments)
            quotient = digits.split_signed(result, digits.signed_number(capacity))
            below = 2 * (x - result * y) + y
            number = exact_number(node, divisor + 1, digits)
            return _with_checks(quotient, [below, 2 * y - 1 - below], number, digits)
        case _:
            assert node.op is Op.SQRT
            (capacity,) = node.attributes
            root = digits.split_signed(result, digits.signed_number(capacity))
            below = arguments[0] - result * result
            number = exact_number(node, capacity + 2, digits)
            return _with_checks(root, [below, 2 * result - below], number, digits)


def _remainder_digits(
    remainder: IntegerArray, bits: int, digits: Digits
) -> tuple[_Parts, IntegerArray]:
    """Digits of a remainder at weights bits - D, bits - 2 D, ..., and last the rest."""
    supplied: _Parts = []
    rest, weight = remainder, bits
    for _ in range(digits.remainder_number(bits) - 1):
        weight -= digits.bits
        digit = (rest + (1 << (weight - 1))) >> weight
        supplied.append(digit)
        rest = rest - (digit << weight)
    return supplied, rest << max(0, digits.bits - weight) if not supplied else rest


def _with_checks(
    supplied: _Parts, checked: _Parts, number: int, digits: Digits
) -> tuple[_Parts, _Parts, _Parts]:
    """Add the digits of values that must not be negative."""
    derived: _Parts = []
    for x in checked:
        if number == 1:
            derived.append(x + digits.low)
            continue
        high = x // digits.count
        supplied = [*supplied, high + digits.low]
        derived.append(x + digits.low - high * digits.count)
    return supplied, [], derived
