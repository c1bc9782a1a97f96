"""Quadratic expressions over witnesses, one for each element of a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Term = tuple[int, int]
"""Coefficient and witness."""

Product = tuple[int, int, int]
"""Coefficient and two witnesses."""


class Expression(NamedTuple):
    """Sum of products, linear terms and a constant, all over the field."""

    products: tuple[Product, ...]
    linear: tuple[Term, ...]
    constant: int

    @property
    def is_constant(self) -> bool:
        """Whether no witness occurs."""
        return not self.products and not self.linear

    @property
    def is_atom(self) -> bool:
        """Whether it is at most one witness, scaled and shifted: such factors cost nothing."""
        return not self.products and len(self.linear) <= 1

    @property
    def is_heavy(self) -> bool:
        """Whether writing it twice costs more than a witness for it."""
        return bool(self.products) or len(self.linear) > 3

    def scaled(self, factor: int) -> Expression:
        """The expression times an integer."""
        if factor == 1:
            return self
        return Expression(
            tuple((factor * c, a, b) for c, a, b in self.products),
            tuple((factor * c, w) for c, w in self.linear),
            factor * self.constant,
        )

    def plus(self, other: Expression, sign: int = 1) -> Expression:
        """The sum with another expression, or the difference."""
        other = other.scaled(sign)
        return Expression(
            self.products + other.products,
            self.linear + other.linear,
            self.constant + other.constant,
        )


def constant(value: int) -> Expression:
    """An expression without witnesses."""
    return Expression((), (), value)


def atom(witness: int, offset: int = 0) -> Expression:
    """One witness and a constant."""
    return Expression((), ((1, witness),), offset)


def total(parts: Iterable[Expression]) -> Expression:
    """Sum of expressions."""
    products: list[Product] = []
    linear: list[Term] = []
    shift = 0
    for part in parts:
        products += part.products
        linear += part.linear
        shift += part.constant
    return Expression(tuple(products), tuple(linear), shift)


def product(a: Expression, b: Expression) -> Expression:
    """Product of two expressions: one of them constant, or both atoms."""
    if a.is_constant:
        return b.scaled(a.constant)
    if b.is_constant:
        return a.scaled(b.constant)
    ((p, x),), ((q, y),) = a.linear, b.linear
    linear = []
    if b.constant:
        linear.append((p * b.constant, x))
    if a.constant:
        linear.append((q * a.constant, y))
    return Expression(((p * q, x, y),), tuple(linear), a.constant * b.constant)


def merged(linear: Sequence[Term]) -> list[Term]:
    """Terms with equal witnesses added up, zeros dropped."""
    if len(linear) < 2:
        return list(linear)
    sums: dict[int, int] = {}
    for coefficient, witness in linear:
        sums[witness] = sums.get(witness, 0) + coefficient
    return [(c, w) for w, c in sums.items() if c]


def gates(products: int, linear: int) -> int:
    """Gates of one equation: a product and a further term in each, three terms in one without."""
    if products == 0:
        return max(1, -(-(linear - 1) // 3)) if linear > 4 else 1
    return products + max(0, -(-(linear - products - 1) // 3))


def range_gates(bits: int) -> float:
    """Gates of one range check: limbs of 14 bits, three to a gate, a quarter of a gate each."""
    limbs = -(-bits // 14)
    return max(1, -(-(limbs - 1) // 2) if limbs > 3 else 1) + limbs / 4 + (bits == 1) * -0.25


_LIMB = 14


def limb_widths(bits: int) -> set[int]:
    """Widths of the look-up lists that a range check needs; a single bit needs none."""
    widths = {_LIMB} if bits >= _LIMB else set()
    return widths | {bits % _LIMB} if bits % _LIMB and bits > 1 else widths


def list_gates(width: int) -> int:
    """Gates of a look-up list: its numbers in steps of three, two of them the gates' halves."""
    return round((1 << width) / 6) + 5
