"""Rejected twins on chain: the contracts refuse by a custom error, with real proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ContractRejected
from zkdescent.core.records import FIELD_MODULUS, InferenceRecord, ProofRecord, Role
from zkdescent.verifier import ContractRefused, RunPlan, TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import (
    circuit_id,
    circuit_tuple,
    from_field,
    leaf,
    merkle_proof,
    merkle_root,
    tensor_hash,
    to_field,
)

pytestmark = pytest.mark.prover
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def leaves(proven: Any) -> list[bytes]:
    return [leaf(i, tensor_hash(c)) for i, c in enumerate(proven.manifest.dataset.leaves)]


def block(proven: Any, record: ProofRecord, index: int) -> tuple[object, object]:
    """The struct BlockProof for position `index`."""
    due = proven.plan.order()[index]
    path = list(merkle_proof(leaves(proven), due))
    return path, evidence(proven.circuit("step"), record)


def submit(client: TrainingClient, plan: RunPlan, blocks: Sequence[object]) -> None:
    """Submit as a call, which changes nothing."""
    function = client.ledger.contract.functions.submit(plan.run_id, list(blocks))
    client.chain.call(function, action="submit")


def refused(error: pytest.ExceptionInfo[ContractRejected], name: str) -> dict[str, object]:
    assert error.value.error_name == name
    assert error.value.exit_code == 3
    return error.value.values


def flipped(record: ProofRecord, position: int = -1) -> ProofRecord:
    data = bytearray(record.proof)
    data[position] ^= 1
    return replace(record, proof=bytes(data))


def test_the_honest_run_was_accepted(proven: Any, minted: TrainingClient) -> None:
    run = minted.ledger.run(proven.plan.run_id)
    assert run is not None
    assert (run.proofs, run.head) == (2, tensor_hash(proven.manifest.final))
    model = minted.model(proven.plan.model_id)
    assert model is not None
    assert model.model_hash == run.head


def test_a_flipped_byte(proven: Any, opened: TrainingClient) -> None:
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [block(proven, flipped(proven.proof("step")), 0)])
    assert refused(error, "ProofRejected")["id"] == proven.plan.task.step_circuit
    # A point that is on the curve, but another: only the pairing can tell.
    proof = proven.proof("step").proof[:-64] + (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [block(proven, replace(proven.proof("step"), proof=proof), 0)])
    refused(error, "ProofRejected")


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        (0, "ContextMismatch"),
        (1, "StateInMismatch"),
        (2, "ProofRejected"),
        (3, "ProofRejected"),
        (4, "ProofRejected"),
    ],
)
def test_a_flipped_byte_of_each_commitment(
    proven: Any, opened: TrainingClient, slot: int, name: str
) -> None:
    bad = flipped(proven.proof("step"), 64 * slot + 63)
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [block(proven, bad, 0)])
    refused(error, name)


def test_a_flipped_byte_in_a_range_proof(proven: Any, opened_copy: TrainingClient) -> None:
    plan = proven.replanned(salt=b"\x01" * 32)
    opened_copy.create_task(plan)
    with pytest.raises(ContractRejected) as error:
        _admit(opened_copy, plan, proven, flipped(proven.proof("range")))
    refused(error, "ProofRejected")
    _admit(opened_copy, plan, proven, proven.proof("range"))
    with pytest.raises(ContractRejected) as error:
        _admit(opened_copy, plan, proven, proven.proof("range", 1))  # another block than named
    refused(error, "BlockNotInDataset")


def _admit(
    client: TrainingClient, plan: RunPlan, proven: Any, record: ProofRecord, index: int = 0
) -> None:
    function = client.ledger.contract.functions.admit(
        plan.task_id,
        index,
        list(merkle_proof(leaves(proven), index)),
        evidence(proven.circuit("range"), record),
    )
    client.chain.call(function, action="admit")


def test_swapped_skipped_and_repeated_blocks(proven: Any, opened: TrainingClient) -> None:
    first, second = proven.proof("step", 0), proven.proof("step", 1)
    with pytest.raises(ContractRejected) as error:  # skipped, and the first half of swapped
        submit(opened, proven.plan, [block(proven, second, 0)])
    values = refused(error, "StateInMismatch")
    assert values["expected"] == tensor_hash(proven.manifest.genesis)
    for blocks in (
        [block(proven, first, 0), block(proven, first, 1)],
        [block(proven, second, 0), block(proven, first, 1)],
    ):
        with pytest.raises(ContractRejected) as error:
            submit(opened, proven.plan, blocks)
        refused(error, "StateInMismatch")


def test_more_blocks_than_the_run_has(proven: Any, opened: TrainingClient) -> None:
    blocks = [block(proven, proven.proof("step", i), i) for i in (0, 1)]
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [*blocks, blocks[0]])
    assert refused(error, "TooManyProofs")["total"] == 2


def test_an_unfinished_run_has_no_model(proven: Any, opened: TrainingClient) -> None:
    with pytest.raises(ContractRejected) as error:
        opened.finalise(proven.plan)
    assert refused(error, "RunIncomplete") == {"done": 0, "total": 2}
    with pytest.raises(ContractRejected) as error:
        opened.mint(proven.plan)
    refused(error, "RunNotFinalised")


def test_the_proofs_of_another_run_and_a_copier(proven: Any, opened_copy: TrainingClient) -> None:
    for changes in ({"nonce": 1}, {"payee": OTHER}):
        plan = proven.replanned(**changes)
        opened_copy.open_run(plan)
        with pytest.raises(ContractRejected) as error:
            submit(opened_copy, plan, [block(proven, proven.proof("step"), 0)])
        assert refused(error, "ContextMismatch")["context"] == plan.context(0)


def test_a_valid_proof_over_another_batch(
    proven: Any, opened: TrainingClient, other_batch: ProofRecord
) -> None:
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [block(proven, other_batch, 0)])
    assert refused(error, "BlockNotInDataset")["index"] == proven.plan.order()[0]
    # The proof as such is good: only the data set refuses it.
    opened.chain.call(
        opened.gateway.contract.functions.check(
            proven.plan.task.step_circuit,
            proven.plan.context(0),
            evidence(proven.circuit("step"), other_batch),
        )
    )


def test_another_dataset_and_another_genesis(proven: Any, opened_copy: TrainingClient) -> None:
    dataset = proven.manifest.dataset
    reversed_ = tuple(reversed(dataset.leaves))
    hashes = [leaf(i, tensor_hash(c)) for i, c in enumerate(reversed_)]
    other = replace(dataset, leaves=reversed_, root=merkle_root(hashes))
    plan = proven.replanned(dataset=other)
    opened_copy.create_task(plan)
    function = opened_copy.ledger.contract.functions.admit(
        plan.task_id,
        0,
        list(merkle_proof(hashes, 0)),
        evidence(proven.circuit("range"), proven.proof("range", 0)),
    )
    with pytest.raises(ContractRejected) as error:
        opened_copy.chain.call(function)
    refused(error, "BlockNotInDataset")

    plan = proven.replanned(genesis=proven.manifest.final)
    opened_copy.create_task(plan)
    with pytest.raises(ContractRejected) as error:
        _admit(opened_copy, plan, proven, proven.proof("range"))
    values = refused(error, "WrongGenesis")
    assert values["expected"] == tensor_hash(proven.manifest.final)
    with pytest.raises(ContractRejected) as error:
        opened_copy.open_run(plan)
    refused(error, "AdmissionIncomplete")


def test_nothing_is_admitted_twice(proven: Any, opened: TrainingClient) -> None:
    with pytest.raises(ContractRefused) as error:
        _admit(opened, proven.plan, proven, proven.proof("range"))
    assert error.value.error_name == "AlreadyAdmitted"


def check(
    client: TrainingClient, proven: Any, record: InferenceRecord, **changed: list[int]
) -> None:
    """checkInference with the proof's own values, or with claimed ones."""
    inputs, outputs = split_values(proven.circuit("inference"), record)
    function = client.registry.contract.functions.checkInference(
        record.model_id,
        record.requester,
        record.nonce,
        changed.get("inputs", inputs),
        changed.get("outputs", outputs),
        evidence(proven.circuit("inference"), record.proof),
    )
    client.chain.call(function, action="check inference")


def test_inferences_that_the_registry_refuses(
    proven: Any, minted: TrainingClient, other_weights: InferenceRecord
) -> None:
    honest = proven.inference
    check(minted, proven, honest)
    with pytest.raises(ContractRejected) as error:
        check(minted, proven, other_weights)
    values = refused(error, "StateDiffers")
    assert values["expected"] == tensor_hash(proven.manifest.final)
    assert values["got"] == tensor_hash(proven.manifest.genesis)
    with pytest.raises(ContractRejected) as error:
        check(minted, proven, honest, inputs=[1, 2, 3])
    assert refused(error, "InputDiffers")["claimed"] == 1
    with pytest.raises(ContractRejected) as error:
        check(minted, proven, honest, outputs=[7])
    assert refused(error, "OutputDiffers")["claimed"] == 7
    for change in ({"requester": OTHER}, {"nonce": 1}):
        with pytest.raises(ContractRejected) as error:
            check(minted, proven, replace(honest, **change))
        refused(error, "ContextMismatch")


@pytest.mark.parametrize("position", [0, -1], ids=["input", "output"])
def test_a_changed_public_value(proven: Any, minted: TrainingClient, position: int) -> None:
    values = list(proven.inference.proof.public_values)
    values[position] = to_field(1234)
    changed = replace(proven.inference.proof, public_values=tuple(values))
    with pytest.raises(ContractRejected) as error:
        check(minted, proven, replace(proven.inference, proof=changed))
    refused(error, "ProofRejected")


def test_a_public_value_beside_the_field(proven: Any, minted: TrainingClient) -> None:
    """v and v + R are one number to the proof, so only one of them may be written."""
    values = list(proven.inference.proof.public_values)
    values[0] += FIELD_MODULUS
    data = (proven.inference.proof.proof, values, list(proven.circuit("inference").vka))
    function = minted.gateway.contract.functions.check(
        proven.plan.task.inference_circuit, proven.inference.proof.context, data
    )
    with pytest.raises(ContractRejected) as error:
        minted.chain.call(function)
    assert refused(error, "ValueNotInField")["index"] == 0


def test_the_consumer_accepts_once(proven: Any, minted_copy: TrainingClient) -> None:
    consumer = minted_copy.consumer(proven.plan.model_id)
    consumer.deploy()
    circuit = proven.circuit("inference")
    assert consumer.accept(circuit, proven.inference).sent
    assert consumer.decision() == tuple(
        from_field(v) for v in proven.inference.proof.public_values[3:]
    )
    assert not consumer.accept(circuit, proven.inference).sent, "its nonce is used"
    inputs, outputs = split_values(circuit, proven.inference)
    replay = consumer.contract.functions.accept(
        inputs, outputs, evidence(circuit, proven.inference.proof)
    )
    with pytest.raises(ContractRejected) as error:
        minted_copy.chain.call(replay)
    refused(error, "ContextMismatch")


@pytest.mark.parametrize("role", ["step", "range", "inference"])
def test_a_verifier_that_is_not_the_registered_one(
    proven: Any, opened: TrainingClient, role: Role
) -> None:
    """Registration reads the code at the address; a circuit pins its hash."""
    spec = getattr(proven.manifest.specs, role)
    register = opened.gateway.contract.functions.register
    stranger = replace(spec, verifier=opened.addresses.ledger)
    with pytest.raises(ContractRejected) as error:
        opened.chain.call(register(circuit_tuple(stranger)))
    assert refused(error, "VerifierChanged")["expected"] == spec.verifier_code_hash
    with pytest.raises(ContractRefused) as refusal:
        opened.chain.call(register(circuit_tuple(replace(spec, verifier=OTHER))))
    assert refusal.value.error_name == "SpecInvalid"


def test_an_accomplice_verifier_gives_another_circuit(proven: Any, opened: TrainingClient) -> None:
    """Whoever registers a verifier of their own gets another circuit id, which no task names."""
    spec = proven.manifest.specs.step
    other = replace(
        spec,
        verifier=opened.addresses.ledger,
        verifier_code_hash=keccak(opened.chain.code(opened.addresses.ledger)),
    )
    function = opened.gateway.contract.functions.circuitIdOf(circuit_tuple(other))
    assert opened.chain.call(function) == circuit_id(other) != circuit_id(spec)


def test_another_verifying_key_at_the_reusable_verifier(
    proven: Any, opened: TrainingClient
) -> None:
    """registerVka is open to anybody: a key that is not the circuit's is refused by its digest."""
    other = replace(proven.circuit("step"), vka=proven.circuit("inference").vka)
    path, _ = block(proven, proven.proof("step"), 0)
    with pytest.raises(ContractRejected) as error:
        submit(opened, proven.plan, [(path, evidence(other, proven.proof("step")))])
    assert refused(error, "VkaMismatch")["expected"] == proven.circuit("step").vka_digest
