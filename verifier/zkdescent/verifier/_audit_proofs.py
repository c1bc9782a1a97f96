"""Steps 5, 6 and 9 of the audit: what each kind of proof speaks of.

The commitments at the front of a proof say which tensors it is about; these functions compare
them with what the run requires. Whether the proof is valid is checked separately.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import CircuitRecord, InferenceRecord, ProofRecord, Record, RunRecord
from zkdescent.verifier._audit_statement import expect
from zkdescent.verifier.addresses import Addresses
from zkdescent.verifier.twins.commitment import (
    InferenceSlot,
    RangeSlot,
    StepSlot,
    check_context,
    read_slot,
)
from zkdescent.verifier.twins.fixed import from_field
from zkdescent.verifier.twins.hashing import inference_context, step_context


@dataclass(frozen=True, slots=True)
class CheckedInference(Record):
    """An inference that was verified: fixed-point integers, value = integer / 2^fraction_bits."""

    requester: str
    nonce: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fraction_bits: int


def _check_record(circuit: CircuitRecord, record: ProofRecord, index: int, path: str) -> None:
    expect("role of the proof", circuit.role, record.role, path)
    expect("index of the proof", index, record.index, path)
    expect("circuit of the proof", circuit.vk_sha256, record.circuit, path)
    expect("length of the proof", circuit.proof_length, len(record.proof), path)
    expect("number of public values", circuit.public_values, len(record.public_values), path)


def _check_context(
    circuit: CircuitRecord,
    record: ProofRecord,
    context: int,
    slot: StepSlot | InferenceSlot,
    path: str,
) -> None:
    """The context twice: as the record names it, and as the proof is bound to it."""
    expect("context", context, record.context, path)
    try:
        check_context(circuit.opening, context, read_slot(record.proof, slot))
    except ProofRejected as error:
        raise ProofRejected(
            error.message, expected=error.expected, got=error.got, path=path, hint=error.hint
        ) from error


def check_range_proof(
    circuit: CircuitRecord, record: ProofRecord, index: int, genesis: bytes, leaf: bytes
) -> None:
    """5. The range proof is about the genesis state and batch block ``index``."""
    path = f"range proof {index}"
    _check_record(circuit, record, index, path)
    expect("context", 0, record.context, path)
    expect("genesis state", genesis, read_slot(record.proof, RangeSlot.STATE), path)
    expect(f"batch block {index}", leaf, read_slot(record.proof, RangeSlot.BATCH), path)


def check_block_proof(
    circuit: CircuitRecord,
    record: ProofRecord,
    index: int,
    run: RunRecord,
    head: bytes,
    batch_index: int,
    leaf: bytes,
) -> bytes:
    """6. Return the out-slice of block proof ``index``, which must continue from ``head``.

    ``batch_index`` and ``leaf`` are the batch block that the seed fixes for this position and
    its commitment (64 bytes).
    """
    path = f"block proof {index}"
    _check_record(circuit, record, index, path)
    context = step_context(run.chain_id, run.ledger, run.run_id, index, run.payee)
    proof = record.proof
    expect("state before the step", head, read_slot(proof, StepSlot.STATE_IN), path)
    expect(f"batch (block {batch_index} is due)", leaf, read_slot(proof, StepSlot.BATCH), path)
    _check_context(circuit, record, context, StepSlot.CONTEXT, path)
    return read_slot(proof, StepSlot.STATE_OUT)


def check_inference(
    circuit: CircuitRecord,
    inference: InferenceRecord,
    run: RunRecord,
    final: bytes,
    addresses: Addresses,
) -> CheckedInference:
    """9. The inference was made for its requester, with the weights of the final state."""
    path = f"inference {inference.nonce} of {inference.requester}"
    model_id = int.from_bytes(run.run_id, "big")
    expect("chain", run.chain_id, inference.chain_id, path)
    expect("registry", addresses.registry.lower(), inference.registry.lower(), path)
    expect("model", model_id, inference.model_id, path)
    _check_record(circuit, inference.proof, inference.proof.index, path)
    context = inference_context(
        run.chain_id, inference.registry, model_id, inference.requester, inference.nonce
    )
    expect("weights", final, read_slot(inference.proof.proof, InferenceSlot.STATE), path)
    _check_context(circuit, inference.proof, context, InferenceSlot.CONTEXT, path)
    values = tuple(from_field(value) for value in inference.proof.public_values)
    return CheckedInference(
        requester=inference.requester,
        nonce=inference.nonce,
        inputs=values[: circuit.features],
        outputs=values[circuit.features :],
        fraction_bits=circuit.fraction_bits,
    )
