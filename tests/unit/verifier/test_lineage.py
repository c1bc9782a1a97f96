"""Where models come from: a run that starts from another one's final state."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from zkdescent.core.errors import ChainError
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


def test_the_ledger_and_the_registry_tell_the_same_of_a_run(
    minted: TrainingClient, synthetic: ModuleType
) -> None:
    from zkdescent.verifier.lineage import _of_run

    model_id = synthetic.World().plan.model_id
    assert _of_run(minted.chain, minted.addresses, model_id) == minted.registry.provenance(model_id)


def test_a_model_that_does_not_exist_has_no_ancestors(
    minted: TrainingClient, opened: TrainingClient, synthetic: ModuleType
) -> None:
    model_id = synthetic.World().plan.model_id
    assert len(lineage(minted.chain, model_id)) == 1
    for chain, wanted in ((minted.chain, model_id + 1), (opened.chain, model_id)):
        with pytest.raises(ChainError, match="no such model"):
            lineage(chain, wanted)
