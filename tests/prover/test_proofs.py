"""Real proofs: what they are chained by, who accepts them, and that a flipped byte is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.fixed_point import quantize
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import Project
from zkdescent.core.errors import ProofRejected, ProverError
from zkdescent.core.records import ProofRecord, Role
from zkdescent.pipeline.blueprint import Blueprint
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import EvmProofVerifier
from zkdescent.verifier.twins import (
    InferenceSlot,
    RangeSlot,
    StepSlot,
    from_field,
    open_context,
    read_slot,
    split_proof,
)

pytestmark = pytest.mark.prover
GENERATOR = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
ROLES: tuple[Role, ...] = ("step", "range", "inference")


def record_of(proven: Any, role: Role) -> ProofRecord:
    record = proven.inference.proof if role == "inference" else proven.proof(role)
    assert isinstance(record, ProofRecord)
    return record


def flipped(record: ProofRecord, position: int) -> ProofRecord:
    data = bytearray(record.proof)
    data[position] ^= 1
    return replace(record, proof=bytes(data))


def test_commitments_chain_from_genesis_to_the_inference(proven: Any) -> None:
    manifest, plan = proven.manifest, proven.plan
    head = manifest.genesis
    for index, block in enumerate(plan.order()):
        slots = split_proof(proven.proof("step", index).proof, len(StepSlot))
        context, state_in, batch, hints, state_out = slots
        assert context == open_context(manifest.circuits.step.opening, plan.context(index))
        assert state_in == head
        assert batch == manifest.dataset.leaves[block]
        assert len({state_in, batch, hints, state_out}) == 4
        head = state_out
    assert head == manifest.final
    inference = proven.inference.proof.proof
    assert read_slot(inference, InferenceSlot.STATE) == manifest.final
    assert read_slot(inference, InferenceSlot.CONTEXT) == open_context(
        manifest.circuits.inference.opening, plan.inference_context(plan.payee, 0)
    )
    for index, leaf in enumerate(manifest.dataset.leaves):
        proof = proven.proof("range", index).proof
        assert read_slot(proof, RangeSlot.STATE) == manifest.genesis
        assert read_slot(proof, RangeSlot.BATCH) == leaf


def test_every_block_is_used_and_all_commitments_differ(proven: Any) -> None:
    assert sorted(proven.plan.order()) == [0, 1]
    manifest = proven.manifest
    points = {manifest.genesis, manifest.final, *manifest.dataset.leaves}
    assert len(points) == 4


def test_the_inference_is_the_models_output_on_the_row(proven: Any) -> None:
    values = [from_field(v) for v in proven.inference.proof.public_values]
    *inputs, output = values
    bits = proven.circuit("inference").fraction_bits
    # The row in raw units, standardised as the committed hyperparameters say.
    row = json.loads((proven.project.directory / "row.json").read_text())
    said = proven.manifest.hyperparameters["standardizer"]
    standard = (np.array(row) - said["feature_mean"]) / said["feature_scale"]
    assert inputs == quantize(standard, bits, what="row").tolist()
    w, bias = proven.states[-1][:3], proven.states[-1][3]
    exact = sum(int(a) * b for a, b in zip(w, inputs, strict=True)) + (int(bias) << bits)
    assert abs(output - exact / 2**bits) <= 0.5


@pytest.mark.parametrize("role", ROLES)
def test_both_verifiers_accept_the_proof_and_refuse_flipped_bytes(proven: Any, role: Role) -> None:
    circuit, record = proven.circuit(role), record_of(proven, role)
    verify_natively, evm = proven.blueprint.backend.verify, EvmProofVerifier()
    evm.verify(circuit, record)
    verify_natively(circuit, proven.store.path_of, record.proof, record.public_values)
    # A commitment, the middle, and the last opening point.
    for position in (63, len(record.proof) // 2, len(record.proof) - 1):
        with pytest.raises(ProofRejected):
            evm.verify(circuit, flipped(record, position))
    # A point that is on the curve, but another: only the pairing can tell.
    elsewhere = replace(record, proof=record.proof[:-64] + GENERATOR)
    with pytest.raises(ProofRejected):
        evm.verify(circuit, elsewhere)
    bad = flipped(record, len(record.proof) // 2)
    with pytest.raises(ProofRejected, match="does not verify"):
        verify_natively(circuit, proven.store.path_of, bad.proof, bad.public_values)


def test_both_verifiers_refuse_other_public_values(proven: Any) -> None:
    circuit, record = proven.circuit("inference"), proven.inference.proof
    values = list(record.public_values)
    for index in (0, len(values) - 1):
        changed = tuple(v + 1 if i == index else v for i, v in enumerate(values))
        with pytest.raises(ProofRejected):
            EvmProofVerifier().verify(circuit, replace(record, public_values=changed))
    with pytest.raises(ProofRejected, match="does not verify"):
        proven.blueprint.backend.verify(circuit, proven.store.path_of, record.proof, changed)


def test_proofs_of_another_length_or_circuit_are_refused(proven: Any) -> None:
    circuit, record = proven.circuit("step"), proven.proof("step")
    for data in (record.proof + bytes(32), record.proof[:-32], b""):
        with pytest.raises(ProofRejected, match="length"):
            EvmProofVerifier().verify(circuit, replace(record, proof=data))
        with pytest.raises(ProofRejected, match="length"):
            proven.blueprint.backend.verify(circuit, proven.store.path_of, data, ())
    with pytest.raises(ProofRejected, match="another circuit"):
        EvmProofVerifier().verify(proven.circuit("range"), record)


def test_a_wrong_executor_is_caught(
    proven: Any, copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied.open_store().remove("proofs/block-00000")
    original = Blueprint.advance
    honest = proven.proof("step", 0)

    def prove(*_: object) -> Proof:
        return Proof(honest.proof, (), proven.states[1], 0.0, 0.0, 0.0)

    def wrong(self: Blueprint, state: Any, block: int) -> Any:
        after = original(self, state, block).copy()
        after[2] += 1
        return after

    monkeypatch.setattr(type(proven.blueprint.backend), "prove", prove)
    assert prove_project(copied, Reporter()).made == 1, "the executor as it is agrees"
    copied.open_store().remove("proofs/block-00000")
    monkeypatch.setattr(Blueprint, "advance", wrong)
    with pytest.raises(ProverError, match="step proof 0 differs from the reference") as caught:
        prove_project(copied, Reporter())
    assert "element 2" in (caught.value.hint or "")
    assert "proofs/block-00000.proof.json" not in copied.open_store().names()


def test_a_proof_about_other_tensors_is_never_stored(
    proven: Any, copied: Project, other_batch: ProofRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied.open_store().remove("proofs/block-00000")

    def prove(*_: object) -> Proof:
        return Proof(other_batch.proof, (), proven.states[1], 0.0, 0.0, 0.0)

    monkeypatch.setattr(type(proven.blueprint.backend), "prove", prove)
    with pytest.raises(ProverError, match="slot 2 of step proof 0"):
        prove_project(copied, Reporter())
    assert "proofs/block-00000.proof.json" not in copied.open_store().names()
