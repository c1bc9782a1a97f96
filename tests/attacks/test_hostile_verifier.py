"""Hostile verifiers, hostile verifying-key words, and registrations that name somebody else's.

Registering is open to everybody, so the attacker registers what he likes: a verifier that always
answers 1, one that answers more or less than a word, burns all gas, writes, is destroyed and made
again by CREATE2 as something else, or is another circuit's. He wants the honest task, or a consumer
of the honest model, to take his proofs, or the gateway to take an answer that is none.

He fails because a circuit's id is the hash of its whole registration: his circuits are others, and
tasks and models name theirs (``CircuitsIncompatible``, ``StateDiffers``). The gateway reads exactly
one word, 1, from a STATICCALL (``ProofRejected``), of code that still has the registered hash
(``VerifierChanged``), under the registered key (``VkaMismatch``). What the hash does not show is
what the code does: a proxy keeps its hash, and an auditor compares hashes with published builds.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from zkdescent.core.errors import ZkDescentError
from zkdescent.verifier import TrainingClient, audit_run, reusable_specs
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import circuit_id, circuit_tuple, merkle_proof
from zkdescent.verifier.twins.specs import task_tuple

from .actors import (
    THIEF,
    acting_as,
    blocks_of,
    call,
    deploy,
    deploy_runtime,
    leaves_of,
    send,
    verdict,
)

YES = bytes.fromhex("60015f5260205ff3")  # return 1
ANSWERS = {
    "nothing": "00",
    "half a word": "60015f5260105ff3",
    "31 bytes": "60015f52601f6001f3",
    "33 bytes": "60015f5260215ff3",
    "two words": "60015f5260405ff3",
    "a megabyte": "60015f5262100000" + "5ff3",
    "zero": "60205ff3",
    "two": "60025f5260205ff3",
    "all ones": "5f195f5260205ff3",
    "one shifted": "600160f81b5f5260205ff3",
    "a revert with 1": "60015f5260205ffd",
    "all gas": "fe",
    "a write": "600160015560015f5260205ff3",
    "a log": "5f5fa060015f5260205ff3",
}


@pytest.fixture(params=["ezkl", "barretenberg"])
def world(request: pytest.FixtureRequest, synthetic: ModuleType) -> Any:
    return synthetic.World(backend=request.param)


def hostile(spec: Any, at: str, code: bytes) -> Any:
    """The registration of a circuit with other code behind it."""
    return replace(spec, verifier=to_checksum_address(at), verifier_code_hash=keccak(code))


def register(client: TrainingClient, spec: Any) -> str:
    function = client.gateway.contract.functions.register(circuit_tuple(spec))
    return verdict(client.chain.send, function)


def check(client: TrainingClient, spec: Any, record: Any, *, vka: Any = ()) -> str:
    proof = (record.proof, list(record.public_values), list(vka))
    function = client.gateway.contract.functions.check(circuit_id(spec), record.context, proof)
    return verdict(client.chain.call, function)


def forged(record: Any) -> Any:
    """A proof of the same claims that proves nothing."""
    return replace(record, proof=record.proof[:-32] + bytes(32))


def test_answers_that_are_not_the_word_one(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    synthetic.lead(client, world)
    for answer, text in ANSWERS.items():
        code = bytes.fromhex(text)
        spec = hostile(world.specs.step, deploy_runtime(client, code), code)
        assert register(client, spec) == "accepted"
        assert check(client, spec, world.load_step(0)) == "ProofRejected", answer
    assert check(client, world.specs.step, world.load_step(0)) == "accepted"


def test_always_yes_is_another_circuit(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    synthetic.finish(client, world)
    thief, at = acting_as(client, THIEF), deploy_runtime(client, YES)
    mine = {role: hostile(getattr(world.specs, role), at, YES) for role in ("step", "inference")}
    for spec in mine.values():
        assert register(thief, spec) == "accepted"
        assert circuit_id(spec) != circuit_id(getattr(world.specs, spec.role))
    lie = forged(world.load_step(0))
    assert check(thief, mine["step"], lie) == "accepted", "it says yes to everything"
    assert check(thief, world.specs.step, lie) == "ProofRejected"
    # A second run of the honest task asks the honest verifier, whatever else is registered.
    again = synthetic.World(backend=world.backend, nonce=1)
    client.open_run(again.plan)
    good = again.load_step(0)
    again.proofs["step", 0] = forged(good)
    assert call(thief, "submit", again.plan.run_id, blocks_of(again, [0])) == "ProofRejected"
    again.proofs["step", 0] = good
    assert call(thief, "submit", again.plan.run_id, blocks_of(again, [0])) == "accepted"
    # So does the honest model.
    function = client.registry.contract.functions.checkInference
    for record, expected in (
        (world.inference().proof, "accepted"),
        (forged(world.inference().proof), "ProofRejected"),
    ):
        proof = evidence(world.circuits.inference, record, reusable=False)
        asked = function(world.plan.model_id, synthetic.ACCOUNT, 0, [4096, -4096, 0], [-123], proof)
        assert verdict(thief.chain.call, asked) == expected


def test_a_task_of_yes_circuits_says_so(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    """The thief may train nothing and mint: the model names his circuits, and no audit passes."""
    code, at = YES, deploy_runtime(client, YES)
    honest = synthetic.World(backend=world.backend)
    synthetic.finish(client, honest)
    specs = replace(world.specs, step=hostile(world.specs.step, at, code))
    client.register_circuits(world.circuits, specs)
    task = replace(world.plan.task, step_circuit=circuit_id(specs.step))
    create = client.ledger.contract.functions.createTask(task_tuple(task))
    assert verdict(client.chain.send, create) == "accepted"
    provenance = client.registry.provenance(honest.plan.model_id)
    assert provenance.step_circuit == circuit_id(honest.specs.step) != circuit_id(specs.step)
    manifest = world.manifest(specs=specs, task=task)
    with pytest.raises(ZkDescentError):
        audit_run(manifest, world.load, synthetic.verify_synthetic, load_object=world.load_object)
    audit_run(
        world.manifest(), world.load, synthetic.verify_synthetic, load_object=world.load_object
    )


def test_registrations_that_name_another_circuits_verifier(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(backend="barretenberg")
    synthetic.lead(client, world)
    step, inference = world.specs.step, world.specs.inference
    assert step.verifier != inference.verifier
    # Another verifier under the honest hash, and the honest one under another hash.
    assert register(client, replace(step, verifier=inference.verifier)) == "VerifierChanged"
    swapped = replace(step, verifier_code_hash=inference.verifier_code_hash)
    assert register(client, swapped) == "VerifierChanged"
    # With its own hash it can be registered, and is a circuit that no task names.
    accomplice = replace(swapped, verifier=inference.verifier)
    assert register(client, accomplice) == "accepted"
    assert circuit_id(accomplice) != circuit_id(step)
    other = replace(world.plan.task, inference_circuit=circuit_id(accomplice))
    create = client.ledger.contract.functions.createTask(task_tuple(other))
    assert verdict(client.chain.send, create) == "WrongRole"
    assert register(client, replace(step, verifier=synthetic.ACCOUNT)) == "SpecInvalid"
    assert register(client, step) == "accepted"


def test_key_words_of_another_circuit(client: TrainingClient, synthetic: ModuleType) -> None:
    """The reusable verifier checks whatever key it is given: the gateway pins which."""
    world = synthetic.World()
    specs = reusable_specs(world.circuits)
    client.register_circuits(world.circuits, specs)
    record, words = world.load_step(0), world.circuits.step.vka
    for vka in ((), words[:1], words[::-1], (*words, bytes(32)), world.circuits.inference.vka):
        assert check(client, specs.step, record, vka=vka) == "VkaMismatch"
    # The right words get to the verifier, for which the made-up argument is none.
    assert check(client, specs.step, record, vka=words) == "ProofRejected"
    # Words beside a verifier that has its own key are refused, not ignored.
    synthetic.lead(client, synthetic.World(backend="barretenberg"))
    honk = synthetic.World(backend="barretenberg")
    assert check(client, honk.specs.step, honk.load_step(0), vka=words) == "VkaMismatch"
    assert check(client, honk.specs.step, honk.load_step(0)) == "accepted"


def test_a_reusable_verifier_that_used_another_key(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """It has to answer 1 and the digest that is registered."""
    world = synthetic.World()
    circuit, words = world.circuits.step, world.circuits.step.vka
    specs = reusable_specs(world.circuits)

    def answering(*parts: bytes, size: int = 64) -> bytes:
        code = b""
        for place, part in enumerate(parts):
            code += b"\x7f" + part + b"\x60" + bytes([32 * place]) + b"\x52"
        return code + b"\x60" + bytes([size]) + b"\x5f\xf3"

    one, digest = (1).to_bytes(32, "big"), circuit.vka_digest
    for code, expected in (
        (answering(one, keccak(text="another")), "ProofRejected"),
        (answering(one, bytes(32)), "ProofRejected"),
        (answering(bytes(32), digest), "ProofRejected"),
        (answering(one, digest, size=32), "ProofRejected"),
        (answering(one, digest, size=63), "ProofRejected"),
        (answering(one, digest), "accepted"),
    ):
        spec = hostile(specs.step, deploy_runtime(client, code), code)
        assert register(client, spec) == "accepted"
        assert check(client, spec, world.load_step(0), vka=words) == expected


@pytest.mark.barretenberg
def test_code_destroyed_and_made_again_by_create2(
    client: TrainingClient, synthetic: ModuleType, attackers: dict[str, Any]
) -> None:
    """EIP-6780 lets code vanish in the transaction that made it: long enough to register it."""
    world = synthetic.World()
    metamorph = deploy(client, attackers["Metamorph"])
    honest = synthetic.VERIFIER_CODE
    # Says what the stand-in says, and destroys itself when it is called with nothing.
    end = 5 + len(honest)
    fragile = bytes.fromhex(f"361560{end:02x}57") + honest + bytes.fromhex("5b33ff")
    at = client.chain.call(metamorph.functions.make(fragile))
    spec = hostile(world.specs.step, at, fragile)
    data = client.gateway.contract.encode_abi("register", [circuit_tuple(spec)])
    client.chain.send(
        metamorph.functions.makeRegisterDestroy(fragile, client.addresses.circuits, data)
    )
    assert client.chain.code(at) == b""
    record = world.load_step(0)
    assert check(client, spec, record) == "VerifierChanged", "registered, and gone"
    assert register(client, replace(spec, vk_hash=b"\x01" * 32)) == "SpecInvalid"
    client.chain.send(metamorph.functions.make(YES))
    assert client.chain.code(at) == YES
    assert check(client, spec, forged(record)) == "VerifierChanged"
    assert check(client, spec, record) == "VerifierChanged"


@pytest.mark.barretenberg
def test_the_registered_code_made_again_is_the_registered_code(
    client: TrainingClient, synthetic: ModuleType, attackers: dict[str, Any]
) -> None:
    world = synthetic.World()
    metamorph = deploy(client, attackers["Metamorph"])
    code = synthetic.VERIFIER_CODE
    at = client.chain.call(metamorph.functions.make(code))
    client.chain.send(metamorph.functions.make(code))
    spec = hostile(world.specs.step, at, code)
    assert register(client, spec) == "accepted"
    assert check(client, spec, world.load_step(0)) == "accepted"
    assert check(client, spec, forged(world.load_step(0))) == "ProofRejected"
    assert verdict(client.chain.send, metamorph.functions.make(YES)) != "accepted"
    assert client.chain.code(at) == code


@pytest.mark.barretenberg
def test_a_proxy_keeps_its_hash_and_fails_the_audit(
    client: TrainingClient, synthetic: ModuleType, attackers: dict[str, Any]
) -> None:
    """What the gateway can't see, an auditor does: the registration isn't of a published build."""
    world = synthetic.World(backend="barretenberg")
    synthetic.lead(client, world)
    proxy = deploy(client, attackers["Proxy"])
    honest, yes = world.specs.step.verifier, deploy_runtime(client, YES)
    spec = hostile(world.specs.step, proxy.address, client.chain.code(proxy.address))
    assert register(client, spec) == "accepted"
    good, lie = world.load_step(0), forged(world.load_step(0))
    client.chain.send(proxy.functions.setTarget(to_checksum_address(honest)))
    assert [check(client, spec, r) for r in (good, lie)] == ["accepted", "ProofRejected"]
    client.chain.send(proxy.functions.setTarget(yes))
    assert [check(client, spec, r) for r in (good, lie)] == ["accepted", "accepted"]
    # It moves no run of a task that names the build itself, and its manifest is refused.
    world.proofs["step", 0] = lie
    assert call(client, "submit", world.plan.run_id, blocks_of(world, [0])) == "ProofRejected"
    world.proofs["step", 0] = good
    manifest = world.manifest(specs=replace(world.specs, step=spec))
    with pytest.raises(ZkDescentError):
        audit_run(manifest, world.load, synthetic.verify_synthetic, load_object=world.load_object)
    assert send(client, "submit", world.plan.run_id, blocks_of(world, [0])) == "accepted"


def test_a_circuit_retired_under_a_run(client: TrainingClient, synthetic: ModuleType) -> None:
    """The sponsor, who alone registered, takes the circuit away from a trainer who is nearly done.

    A trainer who registers it too keeps it: a circuit lives as long as anybody stands behind it.
    """
    world = synthetic.World()
    synthetic.lead(client, world)
    thief, trainer = acting_as(client, THIEF), acting_as(client, THIEF + 1)
    circuit = circuit_id(world.specs.step)
    assert register(trainer, world.specs.step) == "accepted"
    retire = client.gateway.contract.functions.retire(circuit)
    assert verdict(thief.chain.send, retire) == "NotRegistrant"
    assert verdict(client.chain.send, retire) == "accepted"
    assert verdict(client.chain.send, retire) == "AlreadyRetired"
    assert send(trainer, "submit", world.plan.run_id, blocks_of(world, [0])) == "accepted"
    assert verdict(trainer.chain.send, retire) == "accepted"
    assert send(trainer, "submit", world.plan.run_id, blocks_of(world, [1])) == "CircuitRetired"
    assert send(thief, "finalise", world.plan.run_id) == "RunIncomplete"


def test_aggregates_of_a_retired_step_circuit(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """A step circuit is retired for a fault: its aggregates have it too and are not retired."""
    world = synthetic.World(backend="barretenberg", aggregate=2)
    synthetic.lead(client, world)
    leaves, order = leaves_of(world.dataset), world.plan.order()
    paths = [list(merkle_proof(leaves, order[i])) for i in (0, 1)]
    proven = evidence(world.circuits.aggregate, world.aggregate_proof(0), reusable=False)
    aggregate = (world.plan.run_id, paths, proven)
    submit = client.ledger.contract.functions.submitAggregate(*aggregate)
    client.chain.call(submit)  # accepted as long as it is live
    client.gateway.retire(circuit_id(world.specs.step))
    assert send(client, "submitAggregate", *aggregate) == "CircuitRetired"
