"""Opening a second run with copied genesis and proofs.

The attacker has a finished run before him: its circuits, dataset, genesis and proofs are public. He
wants a model, or a reward, of his own without training: he creates the same task again, opens more
runs of it, gives them the same genesis, continues the victim's checkpoint, and takes over the run's
id. Whatever he reuses, its contexts are the other run's.

He fails because a run's id is keccak256 over chain, ledger, task, payee and nonce, a task's id over
chain, ledger, sponsor and every field of its specification: equal ids are the same run
(``RunExists``, ``TaskExists``), other ids have other contexts (``ContextMismatch``).
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from zkdescent.verifier import TrainingClient
from zkdescent.verifier.twins.specs import task_tuple

from .actors import SPONSOR, THIEF, acting_as, address, blocks_of, call, send, verdict


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World()


@pytest.fixture
def finished(client: TrainingClient, synthetic: ModuleType, world: Any) -> TrainingClient:
    synthetic.finish(client, world)
    return client


def admitted(thief: TrainingClient, synthetic: ModuleType, **options: Any) -> Any:
    """A task of the thief's own with everything of the victim's, ready for proofs."""
    own = synthetic.World(sponsor=address(THIEF), payee=address(THIEF), **options)
    synthetic.lead(thief, own)
    return own


def test_the_same_task_and_the_same_run_exist(finished: TrainingClient, world: Any) -> None:
    plan = world.plan
    create = finished.ledger.contract.functions.createTask(task_tuple(plan.task))
    assert verdict(finished.chain.send, create) == "TaskExists"
    assert send(finished, "openRun", plan.task_id, address(SPONSOR), 0) == "RunExists"
    thief = acting_as(finished, THIEF)
    assert send(thief, "openRun", plan.task_id, address(SPONSOR), 0) == "NotAllowed"
    assert send(finished, "submit", plan.run_id, blocks_of(world, [0])) == "RunNotOpen"
    assert send(finished, "abort", plan.run_id) == "RunNotOpen"


def test_a_copied_task_takes_no_copied_proof(
    finished: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    thief = acting_as(finished, THIEF)
    own = admitted(thief, synthetic)
    assert own.plan.task == world.plan.task, "the same words, another sponsor"
    assert own.plan.task_id != world.plan.task_id
    # Admissions are universal statements, and were taken from the victim's proofs; contexts aren't.
    assert own.proofs["range", 0] == world.proofs["range", 0]
    copied = [replace(world.proofs["step", i], index=i) for i in range(world.total)]
    for i, record in enumerate(copied):
        own.proofs["step", i] = record
    assert call(thief, "submit", own.plan.run_id, blocks_of(own, [0])) == "ContextMismatch"
    own.prove()
    assert call(thief, "submit", own.plan.run_id, blocks_of(own, [0])) == "accepted"


def test_more_runs_of_one_task_take_no_copied_proof(
    finished: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    thief = acting_as(finished, THIEF)
    for who, client, nonce in ((THIEF, thief, 0), (SPONSOR, finished, 1)):
        own = synthetic.World(payee=address(who), nonce=nonce)
        assert own.plan.task_id == world.plan.task_id
        assert send(client, "openRun", own.plan.task_id, address(who), nonce) == "accepted"
        stolen = blocks_of(world, [0])
        assert call(client, "submit", own.plan.run_id, stolen) == "ContextMismatch"
        assert call(client, "submit", own.plan.run_id, blocks_of(own, [0])) == "accepted"


def test_a_victims_checkpoint_is_a_parent_and_no_short_cut(
    finished: TrainingClient, synthetic: ModuleType, world: Any
) -> None:
    """Who continues a run says so: the parent stands in the task, and its steps are not his."""
    thief, parent = acting_as(finished, THIEF), world.plan.run_id
    own = admitted(thief, synthetic, genesis_number=103, parent=parent, parent_epoch=1)
    rest = blocks_of(world, [3, 4])
    assert call(thief, "submit", own.plan.run_id, rest) == "ContextMismatch"
    assert send(thief, "finalise", own.plan.run_id) == "RunIncomplete"
    assert call(thief, "submit", own.plan.run_id, blocks_of(own, [0])) == "accepted"
    # The final state as a genesis, without a word about where it is from: nothing is left to mint.
    hidden = admitted(thief, synthetic, genesis_number=105)
    assert send(thief, "finalise", hidden.plan.run_id) == "RunIncomplete"
    mint = thief.registry.contract.functions.mint(hidden.plan.run_id, "")
    assert verdict(thief.chain.send, mint) == "RunNotFinalised"
