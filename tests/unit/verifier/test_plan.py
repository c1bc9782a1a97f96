"""A run planned offline: everything a proof must hold, before there is a chain."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainError
from zkdescent.verifier import plan_from, predicted_addresses, reusable_specs
from zkdescent.verifier.addresses import runtime_code_hashes
from zkdescent.verifier.twins import seed


def test_plan_is_the_same_whenever_it_is_made(synthetic: ModuleType) -> None:
    assert synthetic.World().plan == synthetic.World().plan
    assert synthetic.World().plan.contexts() == synthetic.World().plan.contexts()


def test_contexts_are_known_before_a_beacon_is_drawn_but_not_the_order(
    synthetic: ModuleType,
) -> None:
    plan = synthetic.World(seed_delay=2).plan
    assert len(set(plan.contexts())) == 5
    with pytest.raises(ChainError, match="before the task is sealed"):
        plan.order()
    with pytest.raises(ChainError, match="before the task is sealed"):
        plan.run_record()
    sealed = plan.sealed(9, keccak(text="mix"))
    assert sealed.contexts() == plan.contexts()
    assert sealed.seed == seed(31337, plan.addresses.ledger, plan.task_id, keccak(text="mix"))
    record = sealed.run_record()
    assert (record.seed_source, record.seed_block) == ("beacon", 9)
    assert record.mix_hash == keccak(text="mix")


def test_declared_seed_is_not_sealed_again(synthetic: ModuleType) -> None:
    plan = synthetic.World().plan
    assert plan.run_record().seed_source == "declared"
    with pytest.raises(ChainError, match="declared, not drawn"):
        plan.sealed(9, bytes(32))


def test_order_visits_each_block_once_per_epoch(synthetic: ModuleType) -> None:
    order = synthetic.World(blocks=3, total=6).plan.order()
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]


def test_reusable_specs_pin_the_shipped_verifier(synthetic: ModuleType) -> None:
    circuits = synthetic.World().circuits
    specs = reusable_specs(circuits)
    for spec, circuit in zip(specs.present(), circuits.present(), strict=True):
        assert spec.verifier == predicted_addresses().verifier
        assert spec.verifier_code_hash == runtime_code_hashes()["verifier"]
        assert (spec.vka_digest, spec.vk_hash) == (circuit.vka_digest, circuit.vk_sha256)


@pytest.mark.parametrize("seed_delay", [0, 2])
def test_plan_comes_back_from_the_manifest(synthetic: ModuleType, seed_delay: int) -> None:
    world = synthetic.World(seed_delay=seed_delay)
    if seed_delay:
        world.prove(world.plan.sealed(9, keccak(text="mix")))
    assert plan_from(world.manifest()) == world.plan


def test_manifest_without_a_run_or_of_other_contracts_gives_no_plan(
    synthetic: ModuleType,
) -> None:
    manifest = synthetic.World().manifest()
    with pytest.raises(ChainError, match="no planned run"):
        plan_from(replace(manifest, run=None))
    elsewhere = replace(manifest.run, ledger="0x" + "99" * 20)
    with pytest.raises(ChainError, match="another version"):
        plan_from(replace(manifest, run=elsewhere))
