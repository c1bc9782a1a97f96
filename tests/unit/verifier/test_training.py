"""The whole life of a model on the in-process chain, and what the contracts refuse on the way.

Proofs are synthetic (see synthetic.py); contracts, client and contexts are the real ones.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError, ChainOfProofsBroken, ContractRejected
from zkdescent.verifier import ContractRefused, RunStatus, TrainingClient, audit_run
from zkdescent.verifier.gateway import CircuitStatus
from zkdescent.verifier.twins import StepSlot, circuit_id, tensor_hash


def submit(client: TrainingClient, world: Any, **options: Any) -> Any:
    return client.submit(world.plan, world.circuits.step, world.dataset, world.load_step, **options)


@pytest.mark.parametrize("seed_delay", [0, 2])
def test_every_step_is_done_once(
    client: TrainingClient, synthetic: ModuleType, seed_delay: int
) -> None:
    world = synthetic.World(seed_delay=seed_delay)
    told: list[tuple[str, int, int]] = []
    for attempt in range(2):
        actions = [
            *client.register_circuits(world.circuits, world.specs),
            client.create_task(world.plan),
            *client.admit(world.plan, world.range_circuit, world.dataset, world.load_range),
        ]
        plan, sealed = client.seal(world.plan)
        if world.plan.seed is None:
            world.prove(plan)
        actions += [*sealed, client.open_run(plan)]
        actions += submit(client, world, progress=lambda *state: told.append(state))
        actions += [client.finalise(plan), client.mint(plan)]
        names = [action.name for action in actions if action.sent]
        assert all(action.sent == (action.gas > 0) for action in actions)
        assert told == [("submit", i + 1, 5) for i in range(5)]
        if attempt == 0:
            assert names[-4:] == [
                "submit block proof 3", "submit block proof 4", "finalise run", "mint model",
            ]  # fmt: skip
            assert ("seal task" in names) == (seed_delay > 0)
        else:
            assert names == []
    run = client.ledger.run(plan.run_id)
    assert run is not None
    assert (run.status, run.proofs) == (RunStatus.FINALISED, 5)
    assert run.head == tensor_hash(world.final)
    provenance = client.registry.provenance(plan.model_id)
    assert (provenance.seed, provenance.transcript) == (plan.seed, run.transcript)
    assert (provenance.total_proofs, provenance.rearms) == (5, 0)


def test_interrupted_submission_goes_on_where_it_stopped(
    opened: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    good = world.proofs["step", 3]
    world.change("step", 3, proof=good.proof[:-1] + b"\x00")
    with pytest.raises(ContractRejected) as error:
        submit(opened, world)
    assert error.value.error_name == "ProofRejected"
    world.proofs["step", 3] = good
    assert [a.name for a in submit(opened, world, per_transaction=8)] == [
        "submit block proof 3 to 4"
    ]


def test_proofs_in_one_transaction_are_all_or_none(
    opened: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    plan = world.plan
    world.change("step", 4, proof=world.proofs["step", 4].proof[:-1] + b"\x00")
    with pytest.raises(ContractRejected, match="ProofRejected"):
        submit(opened, world, per_transaction=5)
    run = opened.ledger.run(plan.run_id)
    assert run is not None
    assert run.proofs == 0


@pytest.mark.parametrize("count", [0, 9])
def test_submit_refuses_other_than_1_to_8_proofs(
    client: TrainingClient, synthetic: ModuleType, count: int
) -> None:
    with pytest.raises(ChainError, match="too many proofs"):
        submit(client, synthetic.World(), per_transaction=count)


def test_swapped_block_proofs_are_rejected(opened: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    first, second = world.proofs["step", 0], world.proofs["step", 1]
    world.proofs["step", 0], world.proofs["step", 1] = second, first
    with pytest.raises(ContractRejected, match="StateInMismatch"):
        submit(opened, world)


def test_skipped_block_proof_is_rejected(opened: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    world.proofs["step", 0] = world.proofs["step", 1]
    with pytest.raises(ContractRejected, match="StateInMismatch"):
        submit(opened, world)


def test_repeated_block_proof_is_rejected(opened: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    world.proofs["step", 1] = world.proofs["step", 0]
    with pytest.raises(ContractRejected, match="StateInMismatch"):
        submit(opened, world)


def test_proof_over_another_batch_block_is_rejected(
    opened: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    plan = world.plan
    other = (plan.order()[0] + 1) % world.blocks
    world.proofs["step", 0] = world.block_proof(0, other)
    with pytest.raises(ContractRejected, match="BlockNotInDataset"):
        submit(opened, world)


@pytest.mark.parametrize(
    "other",
    [{"nonce": 1}, {"salt": b"\x01" * 32}, {"chain_id": 1}, {"payee": "0x" + "99" * 20}],
    ids=["run", "task", "chain", "payee"],
)
def test_proof_from_another_run_task_chain_or_payee_is_rejected(
    opened: TrainingClient, synthetic: ModuleType, other: dict[str, Any]
) -> None:
    world, elsewhere = synthetic.World(), synthetic.World(**other)
    plan = world.plan
    # Same tensors and batch block, so that nothing but the context is of another run.
    context = elsewhere.plan.context(0)
    world.proofs["step", 0] = world.block_proof(0, plan.order()[0], context=context)
    with pytest.raises(ContractRejected) as error:
        submit(opened, world)
    assert error.value.error_name == "ContextMismatch"
    assert error.value.values == {"context": plan.context(0)}


def test_range_proof_of_another_genesis_is_rejected(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    world.proofs["range", 1] = world.range_proof(1, genesis=synthetic.point(55))
    with pytest.raises(ContractRejected, match="WrongGenesis"):
        synthetic.lead(client, world)


def test_range_proof_of_another_block_is_rejected(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    world.proofs["range", 1] = world.range_proof(2)
    with pytest.raises(ContractRejected, match="BlockNotInDataset"):
        synthetic.lead(client, world)


def test_run_needs_every_block_admitted(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    with pytest.raises(ContractRejected) as error:
        client.open_run(world.plan)
    assert error.value.values == {"done": 0, "total": 3}


def test_incomplete_run_is_neither_finalised_nor_minted(
    opened: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    plan = world.plan
    with pytest.raises(ContractRejected, match="RunIncomplete"):
        opened.finalise(plan)
    with pytest.raises(ContractRejected, match="RunNotFinalised"):
        opened.mint(plan)
    assert opened.model(plan.model_id) is None


def test_aborted_run_takes_no_proof(opened: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    plan = world.plan
    assert opened.ledger.abort(plan).sent
    assert not opened.ledger.abort(plan).sent
    with pytest.raises(ContractRefused, match="RunNotOpen"):
        submit(opened, world)


def test_verifier_that_is_not_the_registered_one_is_rejected(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    wrong = replace(world.specs.step, verifier_code_hash=keccak(text="another verifier"))
    with pytest.raises(ContractRejected, match="VerifierChanged"):
        client.register_circuits(world.circuits, replace(world.specs, step=wrong))


def test_retired_circuit_accepts_nothing_new(opened: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    circuit = circuit_id(world.specs.step)
    assert opened.gateway.status(circuit) == CircuitStatus.LIVE
    opened.gateway.retire(circuit)
    assert opened.gateway.status(circuit) == CircuitStatus.RETIRED
    with pytest.raises(ContractRejected, match="CircuitRetired"):
        submit(opened, world)


def test_expired_seed_block_is_rearmed_and_counted(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    first = client.ledger.task(world.plan.task_id)
    assert first is not None
    client.chain.mine(258)
    plan, actions = client.seal(world.plan)
    assert [action.name for action in actions] == ["rearm seed", "seal task"]
    state = client.ledger.task(plan.task_id)
    assert state is not None
    assert (state.rearms, state.seed) == (1, plan.seed)
    assert state.seed_block == plan.seed_block
    assert state.seed_block > first.seed_block


@pytest.mark.parametrize("mined", [256, 257, 258])
def test_seal_works_around_the_edge_of_the_window(
    client: TrainingClient, synthetic: ModuleType, mined: int
) -> None:
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    client.chain.mine(mined)
    plan, _ = client.seal(world.plan)
    assert plan.seed is not None


def test_other_proofs_on_the_ledger_are_noticed(
    opened: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    submit(opened, world)
    world.set_slot("step", 2, StepSlot.STATE_OUT, synthetic.point(77))
    with pytest.raises(ChainOfProofsBroken, match="other block proofs") as error:
        submit(opened, world)
    assert error.value.path == "block proofs 0 to 4"


def test_plan_for_another_chain_is_refused(client: TrainingClient, synthetic: ModuleType) -> None:
    with pytest.raises(ChainError, match="planned for another chain"):
        client.create_task(synthetic.World(chain_id=1).plan)


def test_task_of_another_sponsor_is_refused(client: TrainingClient, synthetic: ModuleType) -> None:
    with pytest.raises(ChainError, match="only the sponsor"):
        client.create_task(synthetic.World(sponsor="0x" + "99" * 20).plan)


def test_missing_task_and_run_are_named(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    assert client.ledger.task(world.plan.task_id) is None
    assert client.ledger.run(world.plan.run_id) is None
    with pytest.raises(ChainError, match="task is not on this chain"):
        client.seal(world.plan)
    with pytest.raises(ChainError, match="run is not on this chain"):
        client.finalise(world.plan)


def test_inference_is_checked_and_accepted_once(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    plan = world.plan
    inference = world.inference()
    minted.check_inference(world.circuits.inference, inference, reusable=False)
    consumer = minted.consumer(plan.model_id)
    assert [consumer.deploy().sent, consumer.deploy().sent] == [True, False]
    for sent in (True, False):
        action = consumer.accept(world.circuits.inference, inference, reusable=False)
        assert action.sent == sent
    assert consumer.decision() == (-123,)
    assert consumer.next_nonce() == 1
    with pytest.raises(ChainError, match="order of their nonces"):
        consumer.accept(world.circuits.inference, world.inference(2), reusable=False)
    elsewhere = replace(world.inference(1), requester="0x" + "99" * 20)
    with pytest.raises(ChainError, match="another requester"):
        consumer.accept(world.circuits.inference, elsewhere, reusable=False)


def test_inference_with_other_weights_context_input_or_proof_is_rejected(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    circuit, good = world.circuits.inference, world.inference()

    def rejected(inference: Any) -> str:
        with pytest.raises(ContractRejected) as error:
            minted.check_inference(circuit, inference, reusable=False)
        return error.value.error_name

    assert rejected(world.inference(weights=synthetic.point(5))) == "StateDiffers"
    assert rejected(replace(good, nonce=1)) == "ContextMismatch"
    assert rejected(replace(good, requester="0x" + "99" * 20)) == "ContextMismatch"
    flipped = replace(good.proof, proof=good.proof.proof[:-1] + b"\x00")
    assert rejected(replace(good, proof=flipped)) == "ProofRejected"


def test_changed_input_or_output_is_rejected_by_the_contract(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World()
    plan = world.plan
    proof = world.inference().proof
    evidence: tuple[bytes, list[int], list[bytes]] = (
        proof.proof, list(proof.public_values), []
    )  # fmt: skip
    functions = minted.registry.contract.functions

    def rejected(inputs: list[int], outputs: list[int]) -> ContractRejected:
        check = functions.checkInference(
            plan.model_id, synthetic.ACCOUNT, 0, inputs, outputs, evidence
        )
        with pytest.raises(ContractRejected) as error:
            minted.chain.call(check)
        return error.value

    assert rejected([4096, -4096, 1], [-123]).values == {"index": 2, "claimed": 1, "proven": 0}
    assert rejected([4096, -4096, 0], [123]).error_name == "OutputDiffers"
    assert rejected([4096, -4096], [-123]).error_name == "InputCount"


def test_consumer_of_no_model_is_refused(client: TrainingClient) -> None:
    with pytest.raises(ChainError, match="no such model"):
        client.consumer(7)


def test_finished_run_passes_the_audit_against_the_chain(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(seed_delay=2)
    synthetic.finish(client, world)
    report = audit_run(world.manifest(), world.load, synthetic.verify_synthetic, chain=client.chain)
    assert report.compared_with_chain
    run = client.ledger.run(report.run_id)
    assert run is not None
    assert run.transcript == report.transcript


def test_audit_asks_no_other_contract_than_the_ledger(
    minted: TrainingClient, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain whose genesis holds other code at the ledger's address can say what it likes."""
    world, code = synthetic.World(), minted.chain.code
    audit_run(world.manifest(), world.load, synthetic.verify_synthetic, chain=minted.chain)
    ledger = minted.addresses.ledger
    monkeypatch.setattr(minted.chain, "code", lambda at: b"\xfe" if at == ledger else code(at))
    with pytest.raises(ChainError, match="other code where TrainingLedger should be"):
        audit_run(world.manifest(), world.load, synthetic.verify_synthetic, chain=minted.chain)


def test_audit_rejects_a_beacon_that_the_chain_did_not_draw(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(seed_delay=2)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    client.seal(world.plan)
    forged = world.plan.sealed(1, keccak(text="a header nobody mined"))
    world.prove(forged)
    manifest = world.manifest()
    # Consistent in itself: only the chain can tell.
    audit_run(manifest, world.load, synthetic.verify_synthetic)
    with pytest.raises(ChainOfProofsBroken):
        audit_run(manifest, world.load, synthetic.verify_synthetic, chain=client.chain)
