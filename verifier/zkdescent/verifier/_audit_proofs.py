"""Steps 5, 6 and 9 of the audit: what each kind of proof speaks of.

The commitments at the front of a proof say which tensors it is about; these functions compare
them with what the run requires. Whether the proof is valid is checked separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkdescent.core.errors import ProofRejected
from zkdescent.core.records import CircuitRecord, InferenceRecord, ProofRecord, Record, RunRecord
from zkdescent.verifier._audit_statement import expect
from zkdescent.verifier._pieces import Piece
from zkdescent.verifier.addresses import Addresses
from zkdescent.verifier.twins.commitment import check_commitment, check_context, tensor_hash
from zkdescent.verifier.twins.fixed import from_field
from zkdescent.verifier.twins.hashing import inference_context, next_transcript, step_context
from zkdescent.verifier.twins.layout import layout_of
from zkdescent.verifier.twins.shuffle import block_index


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


def _check_context(circuit: CircuitRecord, context: int, slot: bytes, path: str) -> None:
    """The context as the proof is bound to it; the record's own word is compared apart."""
    try:
        check_context(circuit.opening, context, slot)
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
    layout = layout_of(circuit.backend, circuit.role)
    slots = layout.split(record.proof)
    expect("genesis state", genesis, slots[layout.state_in], path)
    expect(f"batch block {index}", leaf, slots[layout.batch or 0], path)


@dataclass(frozen=True, slots=True)
class Progressed:
    """Where a run stands after some block proofs: its head, transcript, and the blocks it used."""

    head: bytes
    transcript: bytes
    order: tuple[int, ...] = ()


def check_piece(
    piece: Piece, run: RunRecord, leaves: Sequence[bytes], before: Progressed
) -> Progressed:
    """6. Return where the run stands after a block proof or aggregate that continues ``before``.

    ``leaves`` are the commitments of all batch blocks, in block order.
    """
    circuit, record, path = piece.circuit, piece.proof, piece.name
    _check_record(circuit, record, piece.first, path)
    state_in, blocks = piece.claims()
    expect("state before the step", before.head, state_in, path)
    for index, block in enumerate(blocks, start=piece.first):
        due = block_index(run.seed, index, len(leaves))
        # An aggregate names the proof it stands for, too.
        where = path if len(blocks) == 1 else f"{path}, block proof {index}"
        expect(f"batch (block {due} is due)", leaves[due], block.batch, where)
        context = step_context(run.chain_id, run.ledger, run.run_id, index, run.payee)
        if circuit.role == "step":
            expect("context", context, record.context, where)
        _check_context(circuit, context, block.context, where)
        # Contexts, batches and the run's ends are compared with canonical ones; this is the rest.
        out = block.state_out
        check_commitment(out, len(out), what=f"the state after block proof {index}")
        before = Progressed(
            out,
            next_transcript(before.transcript, index, due, tensor_hash(out)),
            (*before.order, due),
        )
    if circuit.role == "aggregate":
        expect("context", 0, record.context, path)
    return before


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
    layout = layout_of(circuit.backend, circuit.role)
    slots = layout.split(inference.proof.proof)
    expect("weights", final, slots[layout.state_in], path)
    expect("context", context, inference.proof.context, path)
    _check_context(circuit, context, slots[layout.context or 0], path)
    values = tuple(from_field(value) for value in inference.proof.public_values)
    return CheckedInference(
        requester=inference.requester,
        nonce=inference.nonce,
        inputs=values[: circuit.features],
        outputs=values[circuit.features :],
        fraction_bits=circuit.fraction_bits,
    )
