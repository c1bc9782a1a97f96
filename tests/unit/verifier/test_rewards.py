"""Rewards and checkpoints through the client, on the embedded chain."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from zkdescent.core.errors import ArtefactError, ContractRejected
from zkdescent.verifier import ContractRefused, TrainingClient
from zkdescent.verifier.twins import tensor_hash
from zkdescent.verifier.twins.specs import task_tuple

REWARD = 10**18
FAR = 1 << 40
PAYEE = Account.from_key("0x" + "22" * 32)


def balance(client: TrainingClient, account: str) -> int:
    return int(client.chain._node.w3.eth.get_balance(to_checksum_address(account)))


def test_reward_goes_to_the_payee_and_no_one_else(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(reward=REWARD, deadline=FAR, payee=PAYEE.address)
    ledger = client.ledger
    before = balance(client, client.chain.address)
    synthetic.lead(client, world)
    assert before - balance(client, client.chain.address) >= REWARD
    assert balance(client, ledger.addresses.ledger) == REWARD
    task = ledger.task(world.plan.task_id)
    assert task is not None
    assert (task.escrow, task.waiting) == (REWARD, 0)
    client.submit(world.plan, world.circuits.step, world.dataset, world.load_step)
    task = ledger.task(world.plan.task_id)
    assert task is not None
    assert (task.escrow, task.waiting) == (REWARD, 1)
    client.finalise(world.plan)
    assert ledger.credit(PAYEE.address) == REWARD
    assert ledger.credit(client.chain.address) == 0
    assert not ledger.withdraw().sent, "the sponsor, who finalised, is owed nothing"
    with pytest.raises(ContractRefused, match="NothingToWithdraw"):
        client.chain.send(ledger.contract.functions.withdraw())
    assert balance(client, ledger.addresses.ledger) == REWARD


def test_payee_withdraws_once(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World(reward=REWARD, deadline=FAR)
    synthetic.finish(client, world)
    ledger = client.ledger
    assert ledger.credit(client.chain.address) == REWARD
    before = balance(client, client.chain.address)
    assert ledger.withdraw().sent
    assert balance(client, client.chain.address) - before > REWARD * 9 // 10
    assert (ledger.credit(client.chain.address), balance(client, ledger.addresses.ledger)) == (0, 0)
    assert not ledger.withdraw().sent


def test_creation_wants_exactly_the_reward(client: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World(reward=REWARD, deadline=FAR)
    client.register_circuits(world.circuits, world.specs)
    function = client.ledger.contract.functions.createTask(task_tuple(world.plan.task))
    for value in (0, REWARD - 1, REWARD + 1):
        with pytest.raises(ContractRefused, match="WrongValue") as error:
            client.chain.send(function, value=value)
        assert error.value.values == {"expected": REWARD, "got": value}
    assert client.create_task(world.plan).sent


def test_records_refuse_what_the_ledger_refuses(synthetic: ModuleType) -> None:
    task = synthetic.World(reward=REWARD, deadline=FAR).plan.task
    with pytest.raises(ArtefactError, match="impossible value"):
        replace(task, deadline=0)
    with pytest.raises(ArtefactError, match="impossible value"):
        replace(task, reward=1 << 128)
    with pytest.raises(ArtefactError, match="impossible value"):
        replace(task, parent_epoch=1)
    assert replace(task, parent_epoch=1, parent=b"\x01" * 32).parent_epoch == 1


def test_reclaim_is_refused_before_the_deadline(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    world = synthetic.World(reward=REWARD, deadline=FAR)
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    with pytest.raises(ContractRefused, match="DeadlineNotReached"):
        client.ledger.reclaim(world.plan)
    other = synthetic.World(salt=b"\x01" * 32)
    client.create_task(other.plan)
    with pytest.raises(ContractRefused, match="NothingEscrowed"):
        client.ledger.reclaim(other.plan)


def test_unearned_reward_returns_to_the_sponsor(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    now = client.chain._node.w3.eth.get_block("latest")["timestamp"]
    world = synthetic.World(reward=REWARD, deadline=now + 1000)
    synthetic.lead(client, world)
    provider: Any = client.chain._node.w3.provider
    provider.ethereum_tester.time_travel(now + 1001)
    client.chain.mine()
    assert client.ledger.reclaim(world.plan).sent
    assert client.ledger.credit(client.chain.address) == REWARD
    assert client.ledger.withdraw().sent


def test_checkpoints_are_kept_and_continued(minted: TrainingClient, synthetic: ModuleType) -> None:
    world = synthetic.World()
    ledger, plan = minted.ledger, world.plan
    kept = world.tensor(100 + world.blocks)
    assert ledger.checkpoint(plan.run_id, 1) == tensor_hash(kept)
    assert ledger.checkpoint(plan.run_id, 2) is None, "the run ends within its second epoch"
    assert ledger.checkpoint(bytes(32), 1) is None

    fork = synthetic.World(genesis_number=103, parent=plan.run_id, parent_epoch=1)
    synthetic.finish(minted, fork)
    provenance = minted.registry.provenance(fork.plan.model_id)
    assert (provenance.parent, provenance.parent_epoch) == (plan.run_id, 1)
    assert provenance.genesis == tensor_hash(kept)
    assert (provenance.steps, provenance.production) == (5 * synthetic.STEPS_PER_PROOF, False)


def test_another_state_is_no_continuation(minted: TrainingClient, synthetic: ModuleType) -> None:
    parent = synthetic.World().plan.run_id
    for number, epoch, name in ((104, 1, "WrongGenesis"), (103, 0, "WrongGenesis")):
        fork = synthetic.World(genesis_number=number, parent=parent, parent_epoch=epoch)
        with pytest.raises(ContractRejected, match=name):
            minted.create_task(fork.plan)
    fork = synthetic.World(genesis_number=103, parent=parent, parent_epoch=2)
    with pytest.raises(ContractRefused, match="CheckpointUnknown"):
        minted.create_task(fork.plan)
