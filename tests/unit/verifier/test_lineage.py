"""Where models come from: a run that starts from another one's final state."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ChainError
from zkdescent.pipeline.models import ancestor_facts
from zkdescent.verifier import RunPlan, TrainingClient, plan_run
from zkdescent.verifier.lineage import lineage


def continued(synthetic: ModuleType, parent: Any) -> Any:
    """A world whose genesis is the final state of another."""

    class Continued(synthetic.World):  # type: ignore[misc,name-defined]
        def tensor(self, number: int) -> bytes:
            state = 100 <= number < 200
            return bytes(super().tensor(number + parent.total if state else number))

    world = Continued(salt=b"\x01" * 32)
    plan: RunPlan = plan_run(
        world.specs,
        world.dataset,
        genesis=world.genesis,
        hyperparameters=world.hyperparameters,
        total_proofs=world.total,
        chain_id=world.chain_id,
        sponsor=world.sponsor,
        declared_seed=b"\x02" * 32,
        parent=parent.plan.run_id,
    )
    world.prove(plan)
    return world


def finish(client: TrainingClient, world: Any, *, mint: bool) -> None:
    client.register_circuits(world.circuits, world.specs)
    client.create_task(world.plan)
    client.admit(world.plan, world.circuits.range, world.dataset, lambda i: world.load("range", i))
    client.open_run(world.plan)
    client.submit(world.plan, world.circuits.step, world.dataset, lambda i: world.load("step", i))
    client.finalise(world.plan)
    if mint:
        client.mint(world.plan)


@pytest.mark.parametrize("parent_is_minted", [True, False])
def test_ancestors_are_shown_also_where_nobody_minted_them(
    client: TrainingClient, synthetic: ModuleType, parent_is_minted: bool
) -> None:
    parent = synthetic.World()
    finish(client, parent, mint=parent_is_minted)
    child = continued(synthetic, parent)
    finish(client, child, mint=True)
    found = lineage(client.chain, child.plan.model_id)
    assert [a.model_id for a in found] == [child.plan.model_id, parent.plan.model_id]
    assert [a.model is not None for a in found] == [True, parent_is_minted]
    young, old = (a.provenance for a in found)
    assert young.genesis == old.final_state
    assert young.parent == old.run_id == parent.plan.run_id
    assert old.parent == bytes(32)
    assert (old.total_proofs, old.steps_per_proof) == (5, synthetic.STEPS_PER_PROOF)
    assert [(a.status, a.proofs, a.seed_delay) for a in found] == [("finalised", 5, 0)] * 2


def test_an_aborted_parent_is_shown_with_what_was_proven_of_it(
    client: TrainingClient, synthetic: ModuleType
) -> None:
    """A child may start from an epoch of a run that nobody finished: four proofs are not five."""
    parent = synthetic.World()
    plan = synthetic.lead(client, parent)
    client.submit(plan, parent.circuits.step, parent.dataset, parent.load_step, limit=4)
    client.ledger.abort(plan)
    child = synthetic.World(
        genesis_number=103, parent=plan.run_id, parent_epoch=1, salt=b"\x01" * 32
    )
    synthetic.finish(client, child)
    young, old = lineage(client.chain, child.plan.model_id)
    assert (young.status, young.proofs, young.provenance.parent_epoch) == ("finalised", 5, 1)
    assert (old.model, old.status, old.proofs) == (None, "aborted", 4)
    facts = dict(pair for _, pairs in ancestor_facts(old) for pair in pairs)
    assert facts["minted"] == "no: the run is aborted"
    assert facts["steps"] == "16 in 4 of 5 block proofs"
    assert "weights" not in facts
    facts = dict(pair for _, pairs in ancestor_facts(young) for pair in pairs)
    assert facts["genesis is"] == "the parent's state after epoch 1"
    assert facts["steps"] == "20 in 5 block proofs"
    assert facts["production"] == "no"


@pytest.mark.parametrize("seed_delay", [0, 2])
def test_a_declared_seed_is_not_shown_as_one_that_was_drawn(
    client: TrainingClient, synthetic: ModuleType, seed_delay: int
) -> None:
    world = synthetic.World(seed_delay=seed_delay)
    synthetic.finish(client, world)
    (model,) = lineage(client.chain, world.plan.model_id)
    facts = dict(pair for _, pairs in ancestor_facts(model) for pair in pairs)
    if seed_delay:
        assert facts["seed source"] == "a header, 2 blocks ahead"
        assert facts["seed blocks that went by unused"] == 0
    else:
        assert facts["seed source"] == "declared by the sponsor"
        assert "seed blocks that went by unused" not in facts


def test_the_ledger_and_the_registry_tell_the_same_of_a_run(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    from zkdescent.verifier.lineage import _of_run

    plan, ledger = synthetic.World().plan, minted.ledger.contract.functions
    run, task = (minted.chain.call(f) for f in (ledger.run(plan.run_id), ledger.task(plan.task_id)))
    of_run = _of_run(minted.chain, minted.addresses, plan.run_id, run, task)
    assert of_run == minted.registry.provenance(plan.model_id)


def test_a_model_that_does_not_exist_has_no_ancestors(
    minted: TrainingClient, opened: TrainingClient, synthetic: ModuleType
) -> None:
    model_id = synthetic.World().plan.model_id
    assert len(lineage(minted.chain, model_id)) == 1
    for chain, wanted in ((minted.chain, model_id + 1), (opened.chain, model_id)):
        with pytest.raises(ChainError, match="no such model"):
            lineage(chain, wanted)
