"""Rejected twins of the second prover on chain: inferences, and proofs of the other circuit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from zkdescent.core.errors import ChainError
from zkdescent.core.records import FIELD_MODULUS
from zkdescent.verifier import Chain, TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import from_field, tensor_hash, to_field
from zkdescent.verifier.twins.layout import InferenceWord

from .honk import STRANGER, HonkRun, other_weights, with_word
from .honk_chain import check_inference, check_step, copy_of, declines, refuses, stages

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]


@pytest.fixture(scope="module")
def minted(honest: HonkRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingClient]:
    """The minted model, for calls that change nothing."""
    with copy_of(honest, "minted", tmp_path_factory.mktemp("minted")) as client:
        yield client


@pytest.fixture
def minted_copy(honest: HonkRun, tmp_path: Path) -> Iterator[TrainingClient]:
    """The minted model, to act on."""
    with copy_of(honest, "minted", tmp_path) as client:
        yield client


def test_a_proof_of_another_role(honest: HonkRun, minted: TrainingClient) -> None:
    """Of as many rows, so that only the words before it make the lengths differ."""
    check, task = minted.gateway.contract.functions.check, honest.plan.task
    step, inference = honest.proof(), honest.inference.proof
    values = list(inference.public_values)
    first, second = (4 * 32, 2 * 32)
    assert len(step.proof[first:]) == len(inference.proof[second:])
    for name, of_inference, of_step in (
        ("ProofLength", step.proof, inference.proof),
        (
            "ProofRejected",
            inference.proof[:second] + step.proof[first:],
            step.proof[:first] + inference.proof[second:],
        ),
    ):
        asked = check(task.inference_circuit, inference.context, (of_inference, values, []))
        refuses(name, minted.chain.call, asked)
        asked = check(task.step_circuit, step.context, (of_step, [], []))
        refuses(name, minted.chain.call, asked)


def test_a_retired_circuit(honest: HonkRun, minted_copy: TrainingClient) -> None:
    task, inference = honest.plan.task, honest.inference
    check_inference(minted_copy, honest, inference)
    minted_copy.gateway.retire(task.inference_circuit)
    values = refuses("CircuitRetired", check_inference, minted_copy, honest, inference)
    assert values["id"] == task.inference_circuit
    check_step(minted_copy, honest.plan, honest.proof())
    minted_copy.gateway.retire(task.step_circuit)
    refuses("CircuitRetired", check_step, minted_copy, honest.plan, honest.proof())
    refuses("CircuitNotLive", minted_copy.create_task, honest.replanned(salt=b"\x02" * 32))
    declines("AlreadyRetired", minted_copy.gateway.retire, task.step_circuit)


def test_inferences_that_the_registry_refuses(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference
    check_inference(minted, honest, record)
    values = refuses("StateDiffers", check_inference, minted, honest, other_weights(honest))
    assert values["expected"] == tensor_hash(honest.final)
    assert values["got"] == tensor_hash(honest.manifest.genesis)
    inputs, _ = split_values(honest.circuit("inference"), record)
    swapped = [inputs[1], inputs[0], inputs[2]]
    false_inputs = lambda: check_inference(minted, honest, record, inputs=swapped)  # noqa: E731
    false_output = lambda: check_inference(minted, honest, record, outputs=[7])  # noqa: E731
    assert refuses("InputDiffers", false_inputs)["claimed"] == inputs[1]
    assert refuses("OutputDiffers", false_output)["claimed"] == 7
    for other in (replace(record, requester=STRANGER), replace(record, nonce=1)):
        refuses("ContextMismatch", check_inference, minted, honest, other)
    context = honest.plan.inference_context(STRANGER, 0)
    adapted = replace(
        record,
        requester=STRANGER,
        proof=with_word(record.proof, InferenceWord.CONTEXT, context),
    )
    refuses("ProofRejected", check_inference, minted, honest, adapted)


def test_swapped_and_changed_public_values(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference
    values = list(record.proof.public_values)
    for false in (
        [values[1], values[0], *values[2:]],
        [*values[:-2], values[-1], values[-2]],
        [to_field(1234), *values[1:]],
        [*values[:-1], to_field(1234)],
    ):
        proof = replace(record.proof, public_values=tuple(false))
        refuses("ProofRejected", check_inference, minted, honest, replace(record, proof=proof))


def test_a_public_value_beside_the_field(honest: HonkRun, minted: TrainingClient) -> None:
    record = honest.inference.proof
    for place, value in enumerate(record.public_values):
        values = list(record.public_values)
        values[place] = value + FIELD_MODULUS
        check = minted.gateway.contract.functions.check(
            honest.plan.task.inference_circuit, record.context, (record.proof, values, [])
        )
        assert refuses("ValueNotInField", minted.chain.call, check)["index"] == place


def test_the_consumer_accepts_once(honest: HonkRun, minted_copy: TrainingClient) -> None:
    consumer = minted_copy.consumer(honest.plan.model_id)
    consumer.deploy()
    circuit, record = honest.circuit("inference"), honest.inference
    with pytest.raises(ChainError, match="another requester"):
        consumer.accept(circuit, replace(record, requester=STRANGER))
    assert consumer.accept(circuit, record).sent
    outputs = tuple(from_field(v) for v in record.proof.public_values[circuit.features :])
    assert consumer.decision() == outputs
    assert not consumer.accept(circuit, record).sent, "its nonce is used"
    accept = consumer.contract.functions.accept
    replay = accept(*split_values(circuit, record), evidence(circuit, record.proof))
    refuses("ContextMismatch", minted_copy.chain.call, replay)


def test_a_stranger_cannot_use_the_inference_of_another(
    honest: HonkRun, minted_copy: TrainingClient, tmp_path: Path
) -> None:
    """The proof is on its way to the consumer, and somebody else sends it first."""
    with Chain.tester(
        shutil.copy(stages(honest)["minted"], tmp_path / "stranger"), account=1
    ) as chain:
        assert chain.address == STRANGER
        consumer = TrainingClient(chain).consumer(honest.plan.model_id)
        consumer.deploy()
        circuit, record = honest.circuit("inference"), honest.inference
        accept = consumer.contract.functions.accept(
            *split_values(circuit, record), evidence(circuit, record.proof)
        )
        refuses("ContextMismatch", chain.call, accept)
