"""Commitments to tensors: what is packed comes back, and everything that differs shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdescent.circuits.barretenberg.commitment import (
    PACKED_BITS,
    SALT_BITS,
    HashRole,
    capacity_word,
    commitment_bytes,
    layouts,
    pack,
    random_salt,
    tensor_digest,
    values_per_element,
)
from zkdescent.circuits.barretenberg.poseidon2 import permute
from zkdescent.core.errors import ConfigError, RangeOverflow
from zkdescent.core.records import FIELD_MODULUS

_STATE, _BATCH = HashRole.STATE, HashRole.BATCH


@st.composite
def _tensors(draw: st.DrawFn) -> tuple[int, list[int]]:
    capacity = draw(st.sampled_from([0, 1, 7, 15, 29, 62, 126, 252]))
    values = st.integers(-(1 << capacity), (1 << capacity) - 1)
    return capacity, draw(st.lists(values, max_size=40))


def _unpack(elements: list[int], capacity: int, length: int) -> list[int]:
    bits, many = capacity + 1, values_per_element(capacity + 1)
    mask = (1 << bits) - 1
    return [
        (elements[i // many] >> bits * (i % many) & mask) - (1 << capacity) for i in range(length)
    ]


@given(st.dictionaries(st.integers(1, 253), st.integers(0, 60), max_size=6))
def test_values_of_several_widths_share_elements_without_overlap(sizes: dict[int, int]) -> None:
    found: dict[int, int] = {}
    for layout, elements in layouts(sizes):
        assert layout
        assert elements
        end = 0
        for at, bits in layout:
            assert at == end
            end, found[bits] = at + bits, found.get(bits, 0) + elements
        assert end <= PACKED_BITS
    assert found == {bits: size for bits, size in sizes.items() if size}


@given(_tensors())
def test_packing_is_injective_and_never_wraps(tensor: tuple[int, list[int]]) -> None:
    capacity, values = tensor
    elements = pack(values, capacity)
    assert len(elements) == -(-len(values) // values_per_element(capacity + 1))
    assert all(0 <= element < 1 << PACKED_BITS < FIELD_MODULUS for element in elements)
    assert _unpack(elements, capacity, len(values)) == values


@given(_tensors(), st.data())
def test_another_tensor_has_another_digest(
    tensor: tuple[int, list[int]], data: st.DataObject
) -> None:
    capacity, values = tensor
    digest = tensor_digest(_STATE, values, capacity, 7)
    assert tensor_digest(_STATE, [*values, 0], capacity, 7) != digest
    if not values:
        return
    assert tensor_digest(_STATE, values[:-1], capacity, 7) != digest
    index = data.draw(st.integers(0, len(values) - 1))
    low, high = -(1 << capacity), (1 << capacity) - 1
    other = data.draw(st.integers(low, high).filter(lambda v: v != values[index]))
    changed = [*values[:index], other, *values[index + 1 :]]
    assert tensor_digest(_STATE, changed, capacity, 7) != digest


def test_role_width_length_and_salt_reach_the_digest() -> None:
    values = [3, -5, 0, 0]
    digests = [
        tensor_digest(_STATE, values, 15, 1),
        tensor_digest(_BATCH, values, 15, 1),
        tensor_digest(HashRole.TRANSCRIPT, values, 15, 1),
        tensor_digest(_STATE, values, 16, 1),
        tensor_digest(_STATE, values[:3], 15, 1),
        tensor_digest(_STATE, [*values, 0], 15, 1),
        tensor_digest(_STATE, values, 15, 2),
    ]
    assert len(set(digests)) == len(digests)


def test_the_digest_is_the_sponge_that_was_agreed() -> None:
    """Salt and two elements in one permutation, written out."""
    values = [1, -1, *[0] * 6]  # 7 values of 33 bits in one element, one in the next
    shifted = [v + 2**32 for v in values]
    first = sum(v << 33 * i for i, v in enumerate(shifted[:7]))
    initial = 2 + (33 << 8) + (8 << 24)
    expected = permute((99, first, shifted[7], initial))[0]
    assert tensor_digest(_BATCH, values, 32, 99) == expected


def test_capacity_words_of_all_fields_differ() -> None:
    words = [
        capacity_word(role, bits, length)
        for role in HashRole
        for bits in (0, 1, 16, PACKED_BITS)
        for length in (0, 1, 255, 256, 65536, 2**64 - 1)
    ]
    assert len(set(words)) == len(words)
    assert all(0 < word < FIELD_MODULUS for word in words)


@pytest.mark.parametrize("capacity", [0, 1, 15, 252])
def test_the_ends_of_the_range_fit_and_one_more_does_not(capacity: int) -> None:
    low, high = -(1 << capacity), (1 << capacity) - 1
    assert _unpack(pack([low, high], capacity), capacity, 2) == [low, high]
    for value in (low - 1, high + 1):
        with pytest.raises(RangeOverflow, match="value 1 does not fit"):
            pack([0, value], capacity)
        with pytest.raises(RangeOverflow):
            tensor_digest(_STATE, [0, value], capacity, 1)


def test_numbers_out_of_range_are_refused() -> None:
    assert values_per_element(1) == 253
    assert values_per_element(16) == 15
    assert values_per_element(PACKED_BITS) == 1
    for bits in (0, -1, PACKED_BITS + 1):
        with pytest.raises(ConfigError, match="width"):
            values_per_element(bits)
    for bits, length in ((-1, 0), (PACKED_BITS + 1, 0), (1, -1), (1, 2**64)):
        with pytest.raises(ConfigError, match="out of range"):
            capacity_word(_STATE, bits, length)
    with pytest.raises(ConfigError, match="width"):
        pack([0], PACKED_BITS)


def test_salts_are_below_their_bound() -> None:
    largest = (1 << SALT_BITS) - 1
    assert tensor_digest(_STATE, [1], 4, largest) != tensor_digest(_STATE, [1], 4, 0)
    for salt in (-1, largest + 1):
        with pytest.raises(ConfigError, match="salt"):
            tensor_digest(_STATE, [1], 4, salt)
    salts = {random_salt() for _ in range(20)}
    assert len(salts) == 20
    assert max(salts) <= largest


def test_digests_are_32_canonical_bytes() -> None:
    assert commitment_bytes(258) == bytes(30) + b"\x01\x02"
    assert int.from_bytes(commitment_bytes(FIELD_MODULUS - 1), "big") == FIELD_MODULUS - 1
    for digest in (-1, FIELD_MODULUS):
        with pytest.raises(ConfigError, match="field element"):
            commitment_bytes(digest)
