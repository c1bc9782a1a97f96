"""Runs of barretenberg's circuits on the in-process chain: no admission, and aggregates.

Proofs and verifiers are synthetic; contracts, client and contexts are the real ones.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ChainError, ChainOfProofsBroken, ContractRejected
from zkdescent.verifier import ContractRefused, RunStatus, TrainingClient, audit_run
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import (
    circuit_id,
    circuit_tuple,
    layout_of,
    next_transcript,
    task_id,
    task_tuple,
    tensor_hash,
)


def make(synthetic: ModuleType, **options: Any) -> Any:
    return synthetic.World(**{"backend": "barretenberg", "total": 5, "aggregate": 2, **options})


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return make(synthetic)


def submit(client: TrainingClient, world: Any, **options: Any) -> list[str]:
    actions = client.submit(
        world.plan,
        world.circuits.step,
        world.dataset,
        world.load_step,
        aggregates=world.aggregates,
        **options,
    )
    return [action.name for action in actions]


def test_a_run_is_led_to_a_model_without_admissions(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    plan = synthetic.finish(client, world)
    run = client.ledger.run(plan.run_id)
    assert run is not None
    assert (run.status, run.proofs) == (RunStatus.FINALISED, 5)
    assert run.head == tensor_hash(world.final)
    assert plan.task.range_circuit == bytes(32)
    provenance = client.registry.provenance(plan.model_id)
    assert provenance.range_circuit == bytes(32)
    assert provenance.aggregate_circuit == circuit_id(world.specs.aggregate)
    inference = world.inference()
    client.check_inference(world.circuits.inference, inference)
    other = world.inference(weights=world.tensor(5))
    with pytest.raises(ContractRejected, match="StateDiffers"):
        client.check_inference(world.circuits.inference, other)
    report = audit_run(
        world.manifest(),
        world.load,
        synthetic.verify_synthetic,
        load_object=world.load_object,
        inferences=[inference],
        chain=client.chain,
    )
    assert report.compared_with_chain
    with pytest.raises(ContractRefused, match="NothingToAdmit"):
        client.chain.send(
            client.ledger.contract.functions.admit(plan.task_id, 0, [], (b"", [], []))
        )


@pytest.mark.parametrize(
    ("firsts", "names"),
    [
        ((), ["submit block proof 0 to 4"]),
        ((0, 2), ["submit aggregate 0", "submit aggregate 2", "submit block proof 4"]),
        ((1,), ["submit block proof 0", "submit aggregate 1", "submit block proof 3 to 4"]),
        ((0, 3), ["submit aggregate 0", "submit block proof 2", "submit aggregate 3"]),
    ],
)
def test_aggregates_stand_for_the_block_proofs_they_cover(
    client: TrainingClient,
    synthetic: ModuleType,
    world: Any,
    firsts: tuple[int, ...],
    names: list[str],
) -> None:
    plan = synthetic.lead(client, world)
    world.combine(*firsts)
    assert submit(client, world, per_transaction=8) == names
    assert submit(client, world, per_transaction=8) == []
    transcript = plan.run_id
    for index, batch in enumerate(plan.order()):
        transcript = next_transcript(
            transcript, index, batch, tensor_hash(world.tensor(101 + index))
        )
    run = client.ledger.run(plan.run_id)
    assert run is not None
    assert (run.transcript, run.head) == (transcript, tensor_hash(world.final))


def test_submission_goes_on_where_it_stopped(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    synthetic.lead(client, world)
    world.combine(1, 3)
    good = world.proofs["aggregate", 3]
    world.change("aggregate", 3, proof=good.proof[:-1] + b"\x00")
    with pytest.raises(ContractRejected, match="ProofRejected"):
        submit(client, world)
    world.proofs["aggregate", 3] = good
    assert submit(client, world) == ["submit aggregate 3"]


def test_submit_aggregate_is_idempotent_and_waits_for_its_turn(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    plan = synthetic.lead(client, world)

    def send(first: int) -> Any:
        proof = world.aggregate_proof(first)
        return client.submit_aggregate(plan, world.circuits.aggregate, world.dataset, proof)

    with pytest.raises(ChainError, match="does not begin where"):
        send(2)
    first = send(0)
    assert (first.sent, first.items) == (True, 2)
    assert not send(0).sent
    with pytest.raises(ChainError, match="does not begin where"):
        send(1)
    assert send(2).sent


def test_a_ledger_within_an_aggregate_or_with_other_proofs_is_named(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    plan = synthetic.lead(client, world)
    proof = evidence(world.circuits.step, world.load_step(0), reusable=False)
    block = (paths(world, 0)[0], proof)
    client.chain.send(client.ledger.contract.functions.submit(plan.run_id, [block]))
    world.combine(0)
    with pytest.raises(ChainOfProofsBroken, match="within an aggregate") as error:
        submit(client, world)
    assert error.value.path == "aggregate 0"


def paths(world: Any, first: int) -> list[list[bytes]]:
    from zkdescent.verifier.twins import leaf, merkle_proof

    leaves = [leaf(i, tensor_hash(data)) for i, data in enumerate(world.dataset.leaves)]
    order = world.plan.order()
    return [list(merkle_proof(leaves, order[i])) for i in range(first, first + 2)]


def test_the_contract_refuses_spoiled_aggregates(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    plan = synthetic.lead(client, world)
    several = world.circuits.aggregate

    def refused(proof: Any, routes: list[list[bytes]]) -> str:
        function = client.ledger.contract.functions.submitAggregate(
            plan.run_id, routes, evidence(several, proof, reusable=False)
        )
        try:
            client.chain.send(function)
        except (ContractRejected, ContractRefused) as error:
            return error.error_name
        return "accepted"

    good, routes = world.aggregate_proof(0), paths(world, 0)
    for word, name in ((0, "StateInMismatch"), (1, "ContextMismatch"), (2, "BlockNotInDataset")):
        proof = bytearray(good.proof)
        proof[32 * word + 31] ^= 1
        assert refused(replace(good, proof=bytes(proof)), routes) == name
    assert refused(good, routes[:1]) == "ContextCount"
    assert refused(good, [routes[1], routes[0]]) == "BlockNotInDataset"
    assert refused(world.aggregate_proof(0, contexts={1: 7}), routes) == "ContextMismatch"
    assert refused(world.aggregate_proof(2), paths(world, 2)) == "StateInMismatch"


# --- twins ---


def test_ids_of_circuits_and_tasks(client: TrainingClient, world: Any) -> None:
    for spec in world.specs.present():
        function = client.gateway.contract.functions.circuitIdOf(circuit_tuple(spec))
        assert client.chain.call(function) == circuit_id(spec)
    task = world.plan.task
    function = client.ledger.contract.functions.taskIdOf(world.sponsor, task_tuple(task))
    ledger = client.addresses.ledger
    assert client.chain.call(function) == task_id(31337, ledger, world.sponsor, task)


def test_claims_name_the_words(client: TrainingClient, synthetic: ModuleType, world: Any) -> None:
    synthetic.lead(client, world)
    functions = client.gateway.contract.functions
    proof = world.aggregate_proof(1).proof
    layout = layout_of("ultra-honk", "aggregate", 2)
    words = layout.split(proof)
    state_in, blocks = client.chain.call(
        functions.claimsOf(circuit_id(world.specs.aggregate), proof)
    )
    assert state_in == tensor_hash(words[layout.state_in])
    assert [tuple(block) for block in blocks] == [
        (tensor_hash(words[b.batch]), tensor_hash(words[b.state_out])) for b in layout.blocks
    ]
    for spec, blob in (
        (world.specs.step, world.proofs["step", 1].proof),
        (world.specs.inference, world.inference().proof.proof),
    ):
        layout = layout_of(spec.prover, spec.role)
        words = layout.split(blob)
        places = [layout.state_in, layout.batch, *(b.state_out for b in layout.blocks)]
        named = [bytes(32) if p is None else tensor_hash(words[p]) for p in places]
        claim = client.chain.call(functions.claimOf(circuit_id(spec), blob))
        assert list(claim) == [*named, bytes(32)][:3]


def test_the_contract_takes_no_proof_shorter_than_the_words(
    client: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    synthetic.lead(client, world)
    register = client.gateway.contract.functions.register
    for spec in world.specs.present():
        front = layout_of(spec.prover, spec.role, spec.blocks).front
        client.chain.send(register(circuit_tuple(replace(spec, proof_length=front))))
        with pytest.raises(ContractRefused) as error:
            client.chain.send(register(circuit_tuple(replace(spec, proof_length=front - 32))))
        assert error.value.error_name == "SpecInvalid"


@pytest.mark.parametrize("ceremony", [True, False])
def test_production_circuits_hold_the_ceremonys_point(
    client: TrainingClient, synthetic: ModuleType, ceremony: bool
) -> None:
    world = make(synthetic, ceremony=ceremony)
    assert all(spec.production == ceremony for spec in world.specs.present())
    synthetic.lead(client, world)
    spec = replace(world.specs.step, production=True, vk_hash=b"\x07" * 32)
    function = client.gateway.contract.functions.register(circuit_tuple(spec))
    if ceremony:
        assert client.chain.send(function).gas_used > 0
    else:
        with pytest.raises(ContractRefused) as error:
            client.chain.send(function)
        assert error.value.error_name == "NotCeremonyVerifier"
        assert str(error.value.values["verifier"]).lower() == spec.verifier.lower()
