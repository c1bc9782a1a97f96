"""Registering circuits and verifying keys with the reusable verifier that ships."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from zkdescent.core.errors import ChainError, ContractRejected
from zkdescent.verifier import ContractRefused, TrainingClient, reusable_specs
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import circuit_id


def test_circuits_and_keys_are_registered_once(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    circuits = synthetic.World().circuits
    specs = reusable_specs(circuits)
    actions = client.register_circuits(circuits, specs)
    assert [action.name for action in actions] == [
        "register step verifying key", "register step circuit",
        "register range verifying key", "register range circuit",
        "register inference verifying key", "register inference circuit",
    ]  # fmt: skip
    assert all(action.sent for action in actions)
    assert not any(action.sent for action in client.register_circuits(circuits, specs))


def test_made_up_proof_is_rejected_by_the_shipped_verifier(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    specs = reusable_specs(world.circuits)
    assert specs.range is not None
    client.register_circuits(world.circuits, specs)
    check = client.gateway.contract.functions.check
    proof = evidence(world.range_circuit, world.load_range(0))
    with pytest.raises(ContractRejected) as error:
        client.chain.call(check(circuit_id(specs.range), 0, proof))
    assert error.value.error_name == "ProofRejected"
    assert error.value.values == {"id": circuit_id(specs.range)}


def test_proof_with_another_key_is_rejected(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    specs = reusable_specs(world.circuits)
    assert specs.range is not None
    client.register_circuits(world.circuits, specs)
    check = client.gateway.contract.functions.check
    proof = evidence(world.circuits.step, world.load_range(0))
    with pytest.raises(ContractRejected, match="VkaMismatch"):
        client.chain.call(check(circuit_id(specs.range), 0, proof))


def test_key_that_is_not_the_registrations_is_refused(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    circuits = synthetic.World().circuits
    specs = reusable_specs(circuits)
    wrong = replace(circuits, step=replace(circuits.step, vka=(bytes(32),)))
    with pytest.raises(ChainError, match="words are not those"):
        client.register_circuits(wrong, specs)


def test_retired_registration_does_not_come_back(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    client.register_circuits(world.circuits, world.specs)
    circuit = circuit_id(world.range_spec)
    assert client.gateway.retire(circuit).sent
    with pytest.raises(ContractRefused, match="AlreadyRetired"):
        client.register_circuits(world.circuits, world.specs)
