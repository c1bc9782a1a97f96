"""Taking more ether out of the ledger than is owed.

The attacker is a payee, the sponsor or a bystander. He withdraws again while he is being paid, or
afterwards; asks for what somebody else is owed; gets that somebody to call him; takes a reward back
that a trainer has earned; lets it be paid to both. A second task's reward lies in the ledger, to be
stolen.

He fails because a credit is gone before its owner's code runs, and is the caller's alone
(``NothingToWithdraw``); a reward leaves its escrow once, to the first run that is finalised or,
after the deadline, back to the sponsor (``DeadlineNotReached``, ``RunWaiting``,
``NothingEscrowed``).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from web3.contract import Contract

from zkdescent.verifier import TrainingClient

from .actors import (
    FAR,
    REWARD,
    SPONSOR,
    STRANGER,
    THIEF,
    VICTIM,
    acting_as,
    address,
    balance,
    blocks_of,
    deploy,
    now,
    send,
    travel,
    verdict,
)

LOOT = 5 * REWARD


def held(client: TrainingClient) -> int:
    return balance(client, client.addresses.ledger)


@pytest.fixture
def loot(client: TrainingClient, synthetic: ModuleType) -> Any:
    """Another task, whose reward must stay where it is."""
    world = synthetic.World(reward=LOOT, deadline=FAR, salt=b"\x77" * 32)
    synthetic.lead(client, world)
    return world


def complete(client: TrainingClient, synthetic: ModuleType, **options: Any) -> Any:
    """A run with all its block proofs, not finalised."""
    world = synthetic.World(reward=REWARD, **{"deadline": FAR, **options})
    synthetic.lead(client, world)
    assert send(client, "submit", world.plan.run_id, blocks_of(world, range(5))) == "accepted"
    return world


def owed(client: TrainingClient, synthetic: ModuleType, payee: str, **options: Any) -> Any:
    """A finalised run whose reward the payee has not taken yet."""
    world = complete(client, synthetic, payee=payee, **options)
    assert send(client, "finalise", world.plan.run_id) == "accepted"
    assert client.ledger.credit(payee) == REWARD
    return world


@pytest.mark.barretenberg
def test_reentrance_by_every_door(
    client: TrainingClient, synthetic: ModuleType, loot: Any, attackers: dict[str, Any]
) -> None:
    ledger = client.addresses.ledger
    payee: Contract = deploy(client, attackers["ReentrantPayee"], ["address"], ledger)
    world = owed(client, synthetic, payee.address)
    client.chain.send(payee.functions.aim(world.plan.run_id, loot.plan.task_id))
    assert held(client) == LOOT + REWARD
    client.chain.send(payee.functions.take())
    assert client.chain.call(payee.functions.attempts()) == 4
    assert client.chain.call(payee.functions.succeeded()) == 0
    assert (balance(client, payee.address), held(client)) == (REWARD, LOOT)
    assert verdict(client.chain.send, payee.functions.take()) == "NothingToWithdraw"
    assert client.chain.call(payee.functions.attempts()) == 4


@pytest.mark.barretenberg
@pytest.mark.parametrize("burns", [False, True])
def test_a_receiver_that_refuses_or_burns_holds_nobody_up(
    client: TrainingClient, synthetic: ModuleType, attackers: dict[str, Any], burns: bool
) -> None:
    """Payments are pulled: what a payee's code does concerns its own withdrawal alone."""
    types, ledger = ["address", "bool"], client.addresses.ledger
    payee: Contract = deploy(client, attackers["BadReceiver"], types, ledger, burns)
    owed(client, synthetic, payee.address)
    owed(client, synthetic, address(VICTIM), salt=b"\x02" * 32)
    assert verdict(client.chain.send, payee.functions.take()) in {
        "WithdrawalFailed",
        "ExecutionHalted",
    }
    assert client.ledger.credit(payee.address) == REWARD, "what failed is owed still"
    assert send(acting_as(client, VICTIM), "withdraw") == "accepted"
    assert held(client) == REWARD


@pytest.mark.barretenberg
def test_a_lure_gets_what_it_is_owed_itself(
    client: TrainingClient, synthetic: ModuleType, attackers: dict[str, Any]
) -> None:
    """The victim is talked into calling it: the ledger pays its caller, not who began."""
    lure: Contract = deploy(client, attackers["Lure"], ["address"], client.addresses.ledger)
    owed(client, synthetic, address(VICTIM))
    victim = acting_as(client, VICTIM)
    assert verdict(victim.chain.send, lure.functions.claimFreeTokens()) == "NothingToWithdraw"
    assert client.ledger.credit(address(VICTIM)) == REWARD
    assert send(victim, "withdraw") == "accepted"


def test_twice_and_somebody_elses(client: TrainingClient, synthetic: ModuleType, loot: Any) -> None:
    world = owed(client, synthetic, address(VICTIM))
    victim = acting_as(client, VICTIM)
    for other in (SPONSOR, THIEF, STRANGER):
        assert send(acting_as(client, other), "withdraw") == "NothingToWithdraw"
    assert send(victim, "withdraw") == "accepted"
    assert send(victim, "withdraw") == "NothingToWithdraw"
    assert send(victim, "finalise", world.plan.run_id) == "RunNotOpen"
    assert send(victim, "withdraw") == "NothingToWithdraw"
    assert held(client) == LOOT


def test_ether_that_nobody_asked_for(client: TrainingClient, synthetic: ModuleType) -> None:
    """No way in beside a task's creation: so credits and escrows are all there is."""
    ledger = client.addresses.ledger
    for data in (b"", b"\x01\x02\x03\x04"):
        assert verdict(client.chain.send_data, ledger, data, value=1) != "accepted"
    for name, arguments in (("withdraw", ()), ("finalise", (bytes(32),))):
        data = client.ledger.contract.encode_abi(name, arguments)
        assert verdict(client.chain.send_data, ledger, bytes.fromhex(data[2:]), value=1) == ""
    assert held(client) == 0
    complete(client, synthetic)
    assert held(client) == REWARD


def test_a_reward_is_earned_once(client: TrainingClient, synthetic: ModuleType, loot: Any) -> None:
    first = complete(client, synthetic, payee=address(VICTIM))
    task = first.plan.task_id
    second = synthetic.World(reward=REWARD, deadline=FAR, payee=address(THIEF))
    thief = acting_as(client, THIEF)
    assert send(thief, "openRun", task, address(THIEF), 0) == "accepted"
    assert send(thief, "submit", second.plan.run_id, blocks_of(second, range(5))) == "accepted"
    assert send(thief, "finalise", first.plan.run_id) == "accepted"
    assert send(thief, "finalise", second.plan.run_id) == "accepted"
    ledger = client.ledger
    assert [ledger.credit(address(n)) for n in (SPONSOR, VICTIM, THIEF)] == [0, REWARD, 0]
    assert send(thief, "withdraw") == "NothingToWithdraw"
    assert held(client) == LOOT + REWARD


def test_taking_a_reward_back_before_the_deadline(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    deadline = now(client) + 1000
    world = synthetic.World(reward=REWARD, deadline=deadline)
    synthetic.lead(client, world)
    task = world.plan.task_id
    for who in (SPONSOR, THIEF):
        assert send(acting_as(client, who), "reclaim", task) == "DeadlineNotReached"
    travel(client, deadline + 1)
    assert send(acting_as(client, THIEF), "reclaim", task) == "accepted", "for the sponsor"
    assert client.ledger.credit(address(THIEF)) == 0
    assert client.ledger.credit(address(SPONSOR)) == REWARD
    assert send(client, "reclaim", task) == "NothingEscrowed"
    assert send(client, "withdraw") == "accepted"
    assert held(client) == 0


def test_taking_a_reward_back_while_a_complete_run_waits(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    deadline = now(client) + 1000
    world = complete(client, synthetic, payee=address(VICTIM), deadline=deadline)
    run, task = world.plan.run_id, world.plan.task_id
    travel(client, deadline + 1)
    assert send(client, "reclaim", task) == "RunWaiting"
    assert send(client, "abort", run) == "RunComplete"
    assert send(acting_as(client, THIEF), "abort", run) == "NotAllowed"
    assert send(acting_as(client, STRANGER), "finalise", run) == "accepted"
    assert send(client, "reclaim", task) == "NothingEscrowed"
    assert client.ledger.credit(address(VICTIM)) == REWARD
    assert client.ledger.credit(address(SPONSOR)) == 0


def test_finalising_after_the_reward_went_back(
    client: TrainingClient, synthetic: ModuleType, loot: Any
) -> None:
    """A run that completes too late is a model still, and is paid nothing, from nobody's escrow."""
    deadline = now(client) + 1000
    world = synthetic.World(reward=REWARD, deadline=deadline, payee=address(VICTIM))
    synthetic.lead(client, world)
    run, task = world.plan.run_id, world.plan.task_id
    assert send(client, "submit", run, blocks_of(world, range(4))) == "accepted"
    travel(client, deadline + 1)
    assert send(client, "openRun", task, address(SPONSOR), 0) == "DeadlinePassed"
    assert send(client, "reclaim", task) == "accepted"
    assert send(client, "submit", run, blocks_of(world, [4])) == "accepted"
    assert send(client, "finalise", run) == "accepted"
    assert send(client, "reclaim", task) == "NothingEscrowed"
    assert client.ledger.credit(address(VICTIM)) == 0
    assert client.ledger.credit(address(SPONSOR)) == REWARD
    assert held(client) == LOOT + REWARD


def test_an_aborted_run_keeps_no_reward_waiting(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """A payee who completes and aborts locks nothing up, and is paid nothing."""
    deadline = now(client) + 1000
    world = complete(client, synthetic, payee=address(VICTIM), deadline=deadline)
    run, task = world.plan.run_id, world.plan.task_id
    victim = acting_as(client, VICTIM)
    assert send(victim, "abort", run) == "accepted"
    assert send(victim, "finalise", run) == "RunNotOpen"
    assert send(victim, "abort", run) == "RunNotOpen"
    travel(client, deadline + 1)
    assert send(client, "reclaim", task) == "accepted"
    assert client.ledger.credit(address(SPONSOR)) == REWARD
