"""Commitment to a tensor of signed integers: one field element, computed alike in every circuit.

A Poseidon2 sponge (:mod:`.poseidon2`) absorbs a salt and then the values, packed. Its initial
capacity element names role, width and number of the values, so that tensors of two shapes or two
meanings never share a preimage; packing is injective, because a circuit range-checks every value
that it packs. The salt hides the values from whoever would try them out.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from zkdescent.circuits.barretenberg.poseidon2 import sponge
from zkdescent.core.errors import ConfigError, RangeOverflow
from zkdescent.core.records import FIELD_MODULUS

PACKED_BITS: Final = FIELD_MODULUS.bit_length() - 1
"""Bits of one field element that any values may fill: 2**253 < r."""

SALT_BITS: Final = 248
COMMITMENT_SIZE: Final = 32

_BITS_SHIFT: Final = 8
_LENGTH_SHIFT: Final = 24
_LENGTH_BITS: Final = 64


class HashRole(IntEnum):
    """What is hashed. Two roles never give the same digest."""

    STATE = 1
    BATCH = 2
    TRANSCRIPT = 3


def values_per_element(bits: int) -> int:
    """Return how many values of `bits` bits, sign included, one field element holds."""
    if not 1 <= bits <= PACKED_BITS:
        raise ConfigError(
            "the width of packed values is out of range",
            expected=f"1 to {PACKED_BITS} bits",
            got=bits,
        )
    return PACKED_BITS // bits


Layout = tuple[tuple[int, int], ...]
"""Position and bits of each value in one field element."""


def layouts(sizes: Mapping[int, int]) -> list[tuple[Layout, int]]:
    """Return how values of several widths share field elements: layouts, and elements of each.

    The widest first; what room an element has left goes to narrower ones. Fields do not overlap and
    end below PACKED_BITS, so that an element has one reading.

    Args:
        sizes: how many values there are of each width.
    """
    left = dict(sorted(sizes.items(), reverse=True))
    found = []
    while any(left.values()):
        at, layout, taken = 0, [], {}
        for bits in left:
            many = min(left[bits], (PACKED_BITS - at) // bits)
            layout += [(at + i * bits, bits) for i in range(many)]
            at += many * bits
            if many:
                taken[bits] = many
        elements = min(left[bits] // many for bits, many in taken.items())
        for bits, many in taken.items():
            left[bits] -= elements * many
        found.append((tuple(layout), elements))
    return found


def capacity_word(role: HashRole, bits: int, length: int) -> int:
    """Return the sponge's initial capacity element for `length` values of `bits` bits each.

    A transcript, whose elements are digests and packed values of several widths, has 0 bits.
    """
    if not 0 <= bits <= PACKED_BITS:
        raise ConfigError(
            "the width of packed values is out of range", expected=f"0 to {PACKED_BITS}", got=bits
        )
    if not 0 <= length < 1 << _LENGTH_BITS:
        raise ConfigError(
            "the number of values is out of range", expected=f"below 2**{_LENGTH_BITS}", got=length
        )
    return HashRole(role) | bits << _BITS_SHIFT | length << _LENGTH_SHIFT


def pack(values: Sequence[int], capacity: int) -> list[int]:
    """Pack values into field elements, the first one into the lowest bits.

    Args:
        values: each at least -2**capacity and less than 2**capacity.
        capacity: bits of the largest magnitude.

    Raises:
        RangeOverflow: a value does not fit.
        ConfigError: no field element holds a value that wide.
    """
    bits = capacity + 1
    many, offset = values_per_element(bits), 1 << capacity
    integers = [int(value) for value in values]
    if integers and not -offset <= min(integers) <= max(integers) < offset:
        index = next(i for i, value in enumerate(integers) if not -offset <= value < offset)
        raise RangeOverflow(
            f"value {index} does not fit into {bits} bits",
            expected=f"at least {-offset} and less than {offset}",
            got=integers[index],
            hint="give the values a larger capacity, or fewer fraction bits",
        )
    elements = []
    for start in range(0, len(integers), many):
        element = 0
        for value in reversed(integers[start : start + many]):
            element = element << bits | value + offset
        elements.append(element)
    return elements


def tensor_digest(role: HashRole, values: Sequence[int], capacity: int, salt: int) -> int:
    """Return the commitment to `values`: a field element.

    Args:
        role: what the tensor is.
        values: the flattened tensor; see `pack`.
        capacity: bits of the largest magnitude.
        salt: a number below 2**248, kept secret; see `random_salt`.

    Raises:
        RangeOverflow: a value does not fit.
        ConfigError: the capacity or the salt is out of range.
    """
    if not 0 <= salt < 1 << SALT_BITS:
        raise ConfigError(
            "the salt is out of range",
            expected=f"a number below 2**{SALT_BITS}",
            got=f"{salt.bit_length()} bits" if salt > 0 else "a negative number",
        )
    return sponge(capacity_word(role, capacity + 1, len(values)), [salt, *pack(values, capacity)])


def random_salt() -> int:
    """Draw a salt from the operating system."""
    return secrets.randbits(SALT_BITS)


def commitment_bytes(digest: int) -> bytes:
    """Return a digest as the 32 big-endian bytes that proofs and contracts carry.

    Raises:
        ConfigError: it is not a field element.
    """
    if not 0 <= digest < FIELD_MODULUS:
        raise ConfigError("a digest is not a field element", expected="0 <= digest < r", got=digest)
    return digest.to_bytes(COMMITMENT_SIZE, "big")
