"""Slices of a proof, and contexts opened with two curve operations."""

from __future__ import annotations

from types import ModuleType

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.optimized_bn128 import curve_order, field_modulus

from zkdescent.core.errors import ProofRejected
from zkdescent.verifier.twins import (
    COMMITTED_SLOTS,
    InferenceSlot,
    RangeSlot,
    StepSlot,
    check_context,
    check_point,
    open_context,
    read_slot,
    split_proof,
    tensor_hash,
)

GENERATOR = bytes(31) + b"\x01" + bytes(31) + b"\x02"


def test_split_proof_gives_the_leading_points() -> None:
    proof = bytes(range(256))
    assert split_proof(proof, 2) == (proof[:64], proof[64:128])
    with pytest.raises(ProofRejected, match="shorter than its commitments"):
        split_proof(proof, 5)


@pytest.mark.parametrize(
    ("slots", "names"),
    [
        (StepSlot, ["CONTEXT", "STATE_IN", "BATCH", "HINTS", "STATE_OUT"]),
        (RangeSlot, ["STATE", "BATCH", "HINTS", "OUT"]),
        (InferenceSlot, ["CONTEXT", "STATE", "FEATURES", "HINTS"]),
    ],
)
def test_read_slot_gives_each_slot_of_a_whole_front(
    slots: type[StepSlot] | type[RangeSlot] | type[InferenceSlot], names: list[str]
) -> None:
    front = b"".join(bytes([number]) * 64 for number in range(len(names)))
    assert [slot.name for slot in slots] == names
    members: list[StepSlot | RangeSlot | InferenceSlot] = list(slots)
    for number, slot in enumerate(members):
        assert read_slot(front + b"argument", slot) == bytes([number]) * 64
        # A front that lacks its last byte is refused whichever slot is asked for.
        with pytest.raises(ProofRejected, match="shorter than its commitments"):
            read_slot(front[:-1], slot)


def test_committed_slots_counts_every_role() -> None:
    assert COMMITTED_SLOTS == {"step": 5, "range": 4, "inference": 4}


def test_tensor_hash_is_keccak_of_64_bytes() -> None:
    assert tensor_hash(GENERATOR) == keccak(GENERATOR)
    with pytest.raises(ProofRejected, match="not a commitment"):
        tensor_hash(GENERATOR[:63])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**248 - 1))
def test_open_context_is_linear(synthetic: ModuleType, context: int) -> None:
    # L0 = 7 G and U = 11 G, so the commitment of c is (7 c + 11) G.
    expected = synthetic.point((7 * context + 11) % curve_order)
    assert open_context(synthetic.OPENING, context) == expected
    assert check_context(synthetic.OPENING, context, expected) == expected


def test_check_context_rejects_the_next_context(synthetic: ModuleType) -> None:
    slot = open_context(synthetic.OPENING, 5)
    with pytest.raises(ProofRejected, match="another context"):
        check_context(synthetic.OPENING, 6, slot)


def test_open_context_gives_infinity_as_zeros(synthetic: ModuleType) -> None:
    # L0 = G and U = -5 G: context 5 lands on the point at infinity, as the precompile writes it.
    x, y = synthetic._words(synthetic.point(5))
    opening = (1, 2, x, field_modulus - y)
    assert open_context(opening, 5) == bytes(64)


@pytest.mark.parametrize("context", [-1, 2**248])
def test_open_context_rejects_contexts_out_of_range(synthetic: ModuleType, context: int) -> None:
    with pytest.raises(ProofRejected, match="out of range"):
        open_context(synthetic.OPENING, context)


def test_check_point_accepts_the_generator() -> None:
    assert check_point(GENERATOR) == GENERATOR
    assert check_point(bytes(64)) == bytes(64)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (GENERATOR[:-1] + b"\x03", "not on the curve"),
        ((1 + field_modulus).to_bytes(32, "big") + GENERATOR[32:], "outside the base field"),
        (GENERATOR + b"\x00", "not a G1 point"),
    ],
)
def test_check_point_rejects_what_the_precompiles_reject(bad: bytes, reason: str) -> None:
    with pytest.raises(ProofRejected, match=reason):
        check_point(bad)
