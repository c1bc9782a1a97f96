"""Slices of a proof, and contexts opened with two curve operations."""

from __future__ import annotations

from types import ModuleType

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.optimized_bn128 import curve_order, field_modulus

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import Role
from zkdescent.verifier.twins import (
    COMMITTED_SLOTS,
    SCALAR_FIELD,
    InferenceSlot,
    InferenceWord,
    RangeSlot,
    StepSlot,
    StepWord,
    check_commitment,
    check_context,
    check_point,
    check_word,
    context_slot,
    layout_of,
    open_context,
    read_slot,
    split_proof,
    tensor_hash,
)

Slot = StepSlot | RangeSlot | InferenceSlot | StepWord | InferenceWord
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
        (StepWord, ["CONTEXT", "STATE_IN", "BATCH", "STATE_OUT"]),
        (InferenceWord, ["CONTEXT", "STATE"]),
    ],
)
def test_read_slot_gives_each_slot_of_a_whole_front(slots: type[Slot], names: list[str]) -> None:
    size = 32 if slots in (StepWord, InferenceWord) else 64
    front = b"".join(bytes([number]) * size for number in range(len(names)))
    assert [slot.name for slot in slots] == names
    members: list[Slot] = list(slots)
    for number, slot in enumerate(members):
        assert read_slot(front + b"argument", slot) == bytes([number]) * size
        # A front that lacks its last byte is refused whichever slot is asked for.
        with pytest.raises(ProofRejected, match="shorter than its commitments"):
            read_slot(front[:-1], slot)


@pytest.mark.parametrize("role", ["step", "range", "inference"])
def test_ezkls_layout_is_that_of_its_slots(role: Role) -> None:
    for prover in ("ezkl", "ezkl-reusable", "ezkl-dedicated"):
        layout = layout_of(prover, role)
        assert (layout.size, layout.slots) == (64, COMMITTED_SLOTS[role])
        assert layout.front == 64 * layout.slots
    step, checked = layout_of("ezkl", "step"), layout_of("ezkl", "range")
    assert (step.context, step.state_in, step.batch) == (0, 1, 2)
    assert [(b.context, b.batch, b.state_out) for b in step.blocks] == [(0, 2, 4)]
    assert (checked.context, checked.state_in, checked.batch, checked.blocks) == (None, 0, 1, ())


def test_the_layout_of_words() -> None:
    step, inference = layout_of("barretenberg", "step"), layout_of("ultra-honk", "inference")
    assert (step.size, step.slots, step.context, step.state_in, step.batch) == (32, 4, 0, 1, 2)
    assert [(b.context, b.batch, b.state_out) for b in step.blocks] == [(0, 2, 3)]
    assert (inference.slots, inference.context, inference.state_in) == (2, 0, 1)
    several = layout_of("barretenberg", "aggregate", 3)
    assert (several.slots, several.state_in, several.context, several.batch) == (10, 0, None, None)
    places = [(b.context, b.batch, b.state_out) for b in several.blocks]
    assert places == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


@pytest.mark.parametrize(
    ("prover", "role", "blocks"),
    [
        ("barretenberg", "range", 0),
        ("barretenberg", "aggregate", 0),
        ("ezkl", "aggregate", 2),
        ("groth16", "step", 0),
    ],
)
def test_kinds_of_proofs_that_there_are_not(prover: str, role: Role, blocks: int) -> None:
    with pytest.raises(ProofRejected, match="no proofs of this kind"):
        layout_of(prover, role, blocks)


def test_a_layout_splits_whole_fronts_only() -> None:
    layout = layout_of("barretenberg", "aggregate", 2)
    front = b"".join(bytes([number]) * 32 for number in range(7))
    assert layout.split(front + b"argument") == tuple(bytes([n]) * 32 for n in range(7))
    assert layout.read(front, layout.blocks[1].state_out) == b"\x06" * 32
    with pytest.raises(ProofRejected, match="shorter than its commitments"):
        layout.split(front[:-1])


def test_words_are_canonical_field_elements() -> None:
    largest, order = ((SCALAR_FIELD - k).to_bytes(32, "big") for k in (1, 0))
    assert check_word(largest) == check_commitment(largest, 32) == largest
    for bad, reason in ((order, "canonical"), (largest + b"\x00", "not a field element")):
        with pytest.raises(ProofRejected, match=reason):
            check_word(bad)
    with pytest.raises(ProofRejected, match="not a G1 point"):
        check_commitment(largest, 64)
    with pytest.raises(ProofRejected, match="not a field element"):
        check_commitment(GENERATOR, 32)


def test_a_context_is_its_own_word() -> None:
    none = (0, 0, 0, 0)
    word = context_slot(none, 7, 32)
    assert word == (7).to_bytes(32, "big")
    assert check_context(none, 7, word) == word
    with pytest.raises(ProofRejected, match="another context"):
        check_context(none, 8, word)
    with pytest.raises(ProofRejected, match="out of range"):
        check_context(none, 2**248, (2**248).to_bytes(32, "big"))
    with pytest.raises(ProofRejected, match="no opening"):
        check_context((1, 2, 1, 2), 7, word)


def test_committed_slots_counts_every_role() -> None:
    assert COMMITTED_SLOTS == {"step": 5, "range": 4, "inference": 4}


def test_tensor_hash_is_keccak_of_32_or_64_bytes() -> None:
    assert tensor_hash(GENERATOR) == keccak(GENERATOR)
    assert tensor_hash(GENERATOR[:32]) == keccak(GENERATOR[:32])
    for length in (0, 31, 33, 63):
        with pytest.raises(ProofRejected, match="not a commitment"):
            tensor_hash(GENERATOR[:length])


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
