"""Python twins of the contracts' arithmetic: same inputs, same words, no chain needed.

Each module is one idea and mirrors one Solidity library; differential tests compare the two.

>>> from zkdescent.verifier.twins import merkle_root, permute, to_field
>>> sorted(permute(bytes(32), 0, position, 5) for position in range(5))
[0, 1, 2, 3, 4]
>>> to_field(-1) == 21888242871839275222246405745257275088548364400416034343698204186575808495616
True
"""

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
from zkdescent.verifier.twins.gas_features import (
    feature_count,
    gas_answer,
    gas_features,
    next_base_fee,
)
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
from zkdescent.verifier.twins.specs import COMMITTED_SLOTS, Prover, Role, circuit_tuple, task_tuple

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
