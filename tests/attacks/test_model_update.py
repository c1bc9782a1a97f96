"""Changing a model under a consumer that has pinned it.

The attacker owns the model, or sponsored it. He wants a contract that trusts the model to act on
the outputs of other weights: he updates it, registers another, mints it again with another URI,
trains a second run of the same task, has the consumer deployed for one id with the commitment of
another, and sends inferences of other weights, for another requester, twice, or after the model was
deprecated.

He fails because a model's id is its run's, which is final; it is minted once (``AlreadyMinted``)
and never changes (``ModelsAreImmutable``, ``MintInstead``); the consumer holds id and commitment to
each other when it is made (``NotThePinnedModel``), the registry holds every proof to the model's
state (``StateDiffers``) and to requester and nonce (``ContextMismatch``). Deprecation only ever
stops it.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.verifier import TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.consumer import ConsumerClient
from zkdescent.verifier.registry import split_values
from zkdescent.verifier.twins import circuit_id

from .actors import THIEF, acting_as, send, verdict


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World()


@pytest.fixture
def consumer(client: TrainingClient, synthetic: ModuleType, world: Any) -> ConsumerClient:
    """A consumer of the world's model."""
    synthetic.finish(client, world)
    made = client.consumer(world.plan.model_id)
    made.deploy()
    return made


def accept(client: TrainingClient, consumer: ConsumerClient, world: Any, inference: Any) -> str:
    """The verdict on sending an inference to the consumer, whoever it is for."""
    circuit = world.circuits.inference
    inputs, outputs = split_values(circuit, inference)
    proof = evidence(circuit, inference.proof, reusable=False)
    contract = client.chain.contract("DecisionConsumer", consumer.address)
    return verdict(client.chain.send, contract.functions.accept(inputs, outputs, proof))


def test_a_model_is_minted_once_and_never_changed(
    client: TrainingClient, world: Any, consumer: ConsumerClient
) -> None:
    before = client.registry.model(world.plan.model_id)
    assert before is not None
    functions = client.registry.contract.functions
    other = (b"\x01" * 32, before.circuit_hash, before.vk_hash, before.proof_system, "ipfs://new")
    update = functions.updateModel(world.plan.model_id, other)
    assert verdict(client.chain.send, update) == "ModelsAreImmutable"
    assert verdict(acting_as(client, THIEF).chain.send, update) == "NotModelOwner"
    assert verdict(client.chain.send, functions.registerModel(other)) == "MintInstead"
    mint = functions.mint(world.plan.run_id, "ipfs://new")
    assert verdict(client.chain.send, mint) == "AlreadyMinted"
    assert send(client, "finalise", world.plan.run_id) == "RunNotOpen"
    assert client.registry.model(world.plan.model_id) == before
    assert accept(client, consumer, world, world.inference()) == "accepted"


def test_a_consumer_is_made_for_one_model_and_its_commitment(
    client: TrainingClient, synthetic: ModuleType, world: Any, consumer: ConsumerClient
) -> None:
    """The same weights in another run, or another URI, are another model."""
    twin = synthetic.World(nonce=1)
    client.open_run(twin.plan)
    step = world.circuits.step
    client.submit(twin.plan, step, world.dataset, twin.load_step, per_transaction=5)
    client.finalise(twin.plan)
    client.mint(twin.plan, uri="ipfs://other")
    first = client.registry.model(world.plan.model_id)
    second = client.registry.model(twin.plan.model_id)
    assert first is not None
    assert second is not None
    assert first.model_hash == second.model_hash, "trained to the same weights"
    for lie in (
        replace(first, model_id=second.model_id),
        replace(second, model_id=first.model_id),
        replace(first, uri="ipfs://other"),
        replace(first, model_hash=b"\x01" * 32),
        replace(first, circuit_hash=circuit_id(world.specs.step)),
    ):
        made = ConsumerClient(client.chain, lie)
        assert verdict(made.deploy) != "accepted"
        assert client.chain.code(made.address) == b""
    assert verdict(ConsumerClient(client.chain, second).deploy) == "accepted"
    # An inference for the twin has the right weights, and is for another model all the same.
    assert accept(client, consumer, world, twin.inference()) == "ContextMismatch"
    assert accept(client, consumer, world, world.inference()) == "accepted"


def test_inferences_of_other_weights_requesters_and_nonces(
    client: TrainingClient, synthetic: ModuleType, world: Any, consumer: ConsumerClient
) -> None:
    good = world.inference()
    for lie, error in (
        (world.inference(weights=world.genesis), "StateDiffers"),
        (world.inference(weights=world.tensor(104)), "StateDiffers"),
        (world.inference(nonce=1), "ContextMismatch"),
        (
            world.inference(requester=acting_as(client, THIEF).chain.address),
            "ContextMismatch",
        ),
        (
            replace(good, proof=replace(good.proof, proof=good.proof.proof[:-32] + bytes(32))),
            "ProofRejected",
        ),
    ):
        assert accept(client, consumer, world, lie) == error
    thief = acting_as(client, THIEF)
    assert accept(thief, consumer, world, good) == "ContextMismatch"
    assert consumer.decision() == ()
    assert accept(client, consumer, world, good) == "accepted"
    assert accept(client, consumer, world, good) == "ContextMismatch", "its nonce is used"
    assert consumer.decision() == (-123,)
    assert accept(client, consumer, world, world.inference(nonce=1)) == "accepted"


def test_deprecation_stops_a_model_and_nothing_else(
    client: TrainingClient, synthetic: ModuleType, world: Any, consumer: ConsumerClient
) -> None:
    assert accept(client, consumer, world, world.inference()) == "accepted"
    deprecate = client.registry.contract.functions.deprecateModel(world.plan.model_id)
    assert verdict(acting_as(client, THIEF).chain.send, deprecate) == "NotModelOwner"
    assert verdict(client.chain.send, deprecate) == "accepted"
    assert verdict(client.chain.send, deprecate) == "ModelDeprecated"
    nonce = world.inference(nonce=1)
    assert accept(client, consumer, world, nonce) == "VerificationRefused_ModelDeprecated"
    mint = client.registry.contract.functions.mint(world.plan.run_id, "")
    assert verdict(client.chain.send, mint) == "AlreadyMinted", "nor does it come back"
    model = client.registry.model(world.plan.model_id)
    assert model is not None
    assert model.deprecated
    assert model.commitment_hash == consumer.model.commitment_hash
    assert consumer.decision() == (-123,), "what was accepted stays"


def test_a_retired_inference_circuit_stops_it_too(
    client: TrainingClient, world: Any, consumer: ConsumerClient
) -> None:
    assert accept(client, consumer, world, world.inference()) == "accepted"
    client.gateway.retire(circuit_id(world.specs.inference))
    assert accept(client, consumer, world, world.inference(nonce=1)) == "CircuitRetired"
