"""The Python twins and the compiled contracts give the same words."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkdescent.verifier import ContractRefused, TrainingClient
from zkdescent.verifier.actions import evidence
from zkdescent.verifier.twins import (
    COMMITTED_SLOTS,
    POINT_BYTES,
    InferenceSlot,
    RangeSlot,
    StepSlot,
    block_index,
    circuit_id,
    circuit_tuple,
    input_commitment,
    leaf,
    merkle_proof,
    next_transcript,
    read_slot,
    task_id,
    task_tuple,
    tensor_hash,
)

SHARED_CHAIN = settings(
    max_examples=15,
    deadline=None,
    # The contracts are only read, so examples may share one chain.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex())


def test_circuit_ids(client: TrainingClient, synthetic: ModuleType) -> None:
    specs = synthetic.World().specs
    for spec in (specs.step, specs.range, specs.inference):
        function = client.gateway.contract.functions.circuitIdOf(circuit_tuple(spec))
        assert client.chain.call(function) == circuit_id(spec)


@SHARED_CHAIN
@given(salt=WORDS, sponsor=ADDRESSES)
def test_task_ids(client: TrainingClient, synthetic: ModuleType, salt: bytes, sponsor: str) -> None:
    task = synthetic.World(salt=salt).plan.task
    checksummed = client.chain._node.w3.to_checksum_address(sponsor)
    function = client.ledger.contract.functions.taskIdOf(checksummed, task_tuple(task))
    assert client.chain.call(function) == task_id(31337, client.addresses.ledger, sponsor, task)


@SHARED_CHAIN
@given(
    model=st.integers(0, 2**256 - 1),
    nonce=st.integers(0, 2**256 - 1),
    inputs=st.lists(st.integers(-(2**127), 2**127), max_size=4),
)
def test_inference_contexts_and_input_commitments(
    client: TrainingClient, synthetic: ModuleType, model: int, nonce: int, inputs: list[int]
) -> None:
    registry, who = client.addresses.registry, synthetic.ACCOUNT
    functions = client.registry.contract.functions
    plan = synthetic.World().plan
    own = functions.inferenceContextOf(plan.model_id, who, nonce)
    assert client.chain.call(own) == plan.inference_context(who, nonce)
    function = functions.inputCommitmentOf(model, who, nonce, inputs)
    expected = input_commitment(31337, registry, model, who, nonce, inputs)
    assert client.chain.call(function) == expected


def test_claims_name_the_slots(client: TrainingClient, synthetic: ModuleType) -> None:
    world, function = synthetic.World(), client.gateway.contract.functions.claimOf
    client.register_circuits(world.circuits, world.specs)
    none = bytes(32)
    for spec, proof, named in (
        (
            world.specs.step,
            world.proofs["step", 1].proof,
            (StepSlot.STATE_IN, StepSlot.BATCH, StepSlot.STATE_OUT),
        ),
        (
            world.range_spec,
            world.proofs["range", 1].proof,
            (RangeSlot.STATE, RangeSlot.BATCH, None),
        ),
        (world.specs.inference, world.inference().proof.proof, (InferenceSlot.STATE, None, None)),
    ):
        claim = client.chain.call(function(circuit_id(spec), proof))
        hashes = [none if slot is None else tensor_hash(read_slot(proof, slot)) for slot in named]
        assert list(claim) == hashes


def test_the_contract_takes_no_proof_shorter_than_the_slots(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world, contract = synthetic.World(), client.gateway.contract
    for role, slots in COMMITTED_SLOTS.items():
        spec = replace(getattr(world.specs, role), proof_length=slots * POINT_BYTES)
        client.chain.send(contract.functions.register(circuit_tuple(spec)))
        short = replace(spec, proof_length=spec.proof_length - 32)
        with pytest.raises(ContractRefused) as error:
            client.chain.send(contract.functions.register(circuit_tuple(short)))
        assert error.value.error_name == "SpecInvalid"


def submit_one(client: TrainingClient, world: Any, index: int) -> None:
    """Send exactly block proof ``index``, so that the contract can be read in between."""
    leaves = [leaf(i, tensor_hash(data)) for i, data in enumerate(world.dataset.leaves)]
    path = list(merkle_proof(leaves, world.plan.order()[index]))
    block = (path, evidence(world.circuits.step, world.load_step(index), reusable=False))
    client.chain.send(client.ledger.contract.functions.submit(world.plan.run_id, [block]))


@pytest.mark.parametrize(("blocks", "total"), [(1, 2), (2, 5), (3, 7), (5, 11), (6, 6)])
def test_runs_seeds_contexts_orders_and_transcripts(
    client: TrainingClient, synthetic: ModuleType, blocks: int, total: int
) -> None:
    world = synthetic.World(blocks=blocks, total=total, salt=keccak(bytes([blocks])))
    plan, functions = world.plan, client.ledger.contract.functions
    client.register_circuits(world.circuits, world.specs)
    client.create_task(plan)
    client.admit(plan, world.range_circuit, world.dataset, world.load_range)
    assert client.chain.call(functions.seedOf(plan.task_id)) == plan.seed
    run_id = client.chain.call(functions.runIdOf(plan.task_id, plan.payee, plan.nonce))
    assert run_id == plan.run_id
    client.open_run(plan)
    transcript = plan.run_id
    for index in range(total):
        expected = block_index(plan.seed, index, blocks)
        assert client.chain.call(functions.expectedBlock(run_id)) == expected
        assert client.chain.call(functions.contextOf(run_id, index)) == plan.context(index)
        submit_one(client, world, index)
        state = client.ledger.run(run_id)
        assert state is not None
        state_out = read_slot(world.proofs["step", index].proof, StepSlot.STATE_OUT)
        transcript = next_transcript(transcript, index, expected, tensor_hash(state_out))
        assert (state.transcript, state.proofs) == (transcript, index + 1)
