"""Python twins of the contracts' arithmetic: same inputs, same words, no chain needed.

Each module is one idea and mirrors one Solidity library; differential tests compare the two.

>>> from zkdescent.verifier.twins import merkle_root, permute, to_field
>>> sorted(permute(bytes(32), 0, position, 5) for position in range(5))
[0, 1, 2, 3, 4]
>>> to_field(-1) == 21888242871839275222246405745257275088548364400416034343698204186575808495616
True

Names are loaded on first use: a process that proves needs :mod:`zkdescent.verifier.twins.layout`
alone, and should not pay a second for elliptic curves and ABI encoding.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# At once: loaded later, the module would take the place of its function of the same name.
from zkdescent.verifier.twins.gas_features import (
    feature_count,
    gas_answer,
    gas_features,
    next_base_fee,
)

if TYPE_CHECKING:
    from zkdescent.verifier.twins.commitment import (
        check_commitment,
        check_context,
        check_point,
        check_word,
        context_slot,
        open_context,
        tensor_hash,
    )
    from zkdescent.verifier.twins.fixed import SCALAR_FIELD, check_field, from_field, to_field
    from zkdescent.verifier.twins.hashing import (
        circuit_id,
        inference_context,
        input_commitment,
        next_transcript,
        run_id,
        seed,
        step_context,
        task_id,
    )
    from zkdescent.verifier.twins.header import HeaderFields, header_rlp, mix_hash, read_header
    from zkdescent.verifier.twins.layout import (
        POINT_BYTES,
        WORD_BYTES,
        AggregateWord,
        BlockSlots,
        InferenceSlot,
        InferenceWord,
        Layout,
        RangeSlot,
        StepSlot,
        StepWord,
        layout_of,
        read_slot,
        split_proof,
    )
    from zkdescent.verifier.twins.merkle import leaf, merkle_proof, merkle_root, verify_merkle
    from zkdescent.verifier.twins.shuffle import block_index, permute
    from zkdescent.verifier.twins.specs import (
        COMMITTED_SLOTS,
        Prover,
        Role,
        circuit_tuple,
        task_tuple,
    )

_HOME = {
    "AggregateWord": "layout",
    "BlockSlots": "layout",
    "COMMITTED_SLOTS": "specs",
    "HeaderFields": "header",
    "InferenceSlot": "layout",
    "InferenceWord": "layout",
    "Layout": "layout",
    "POINT_BYTES": "layout",
    "Prover": "specs",
    "RangeSlot": "layout",
    "Role": "specs",
    "SCALAR_FIELD": "fixed",
    "StepSlot": "layout",
    "StepWord": "layout",
    "WORD_BYTES": "layout",
    "block_index": "shuffle",
    "check_commitment": "commitment",
    "check_context": "commitment",
    "check_field": "fixed",
    "check_point": "commitment",
    "check_word": "commitment",
    "circuit_id": "hashing",
    "circuit_tuple": "specs",
    "context_slot": "commitment",
    "from_field": "fixed",
    "header_rlp": "header",
    "inference_context": "hashing",
    "input_commitment": "hashing",
    "layout_of": "layout",
    "leaf": "merkle",
    "merkle_proof": "merkle",
    "merkle_root": "merkle",
    "mix_hash": "header",
    "next_transcript": "hashing",
    "open_context": "commitment",
    "permute": "shuffle",
    "read_header": "header",
    "read_slot": "layout",
    "run_id": "hashing",
    "seed": "hashing",
    "split_proof": "layout",
    "step_context": "hashing",
    "task_id": "hashing",
    "task_tuple": "specs",
    "tensor_hash": "commitment",
    "to_field": "fixed",
    "verify_merkle": "merkle",
}

__all__ = [
    "COMMITTED_SLOTS",
    "POINT_BYTES",
    "SCALAR_FIELD",
    "WORD_BYTES",
    "AggregateWord",
    "BlockSlots",
    "HeaderFields",
    "InferenceSlot",
    "InferenceWord",
    "Layout",
    "Prover",
    "RangeSlot",
    "Role",
    "StepSlot",
    "StepWord",
    "block_index",
    "check_commitment",
    "check_context",
    "check_field",
    "check_point",
    "check_word",
    "circuit_id",
    "circuit_tuple",
    "context_slot",
    "feature_count",
    "from_field",
    "gas_answer",
    "gas_features",
    "header_rlp",
    "inference_context",
    "input_commitment",
    "layout_of",
    "leaf",
    "merkle_proof",
    "merkle_root",
    "mix_hash",
    "next_base_fee",
    "next_transcript",
    "open_context",
    "permute",
    "read_header",
    "read_slot",
    "run_id",
    "seed",
    "split_proof",
    "step_context",
    "task_id",
    "task_tuple",
    "tensor_hash",
    "to_field",
    "verify_merkle",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
