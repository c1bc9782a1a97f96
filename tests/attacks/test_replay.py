"""Lies in a published run that must not survive the audit, beside those of the unit tests."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ProofRejected, ZkDescentError
from zkdescent.core.records import Manifest
from zkdescent.verifier import audit_run
from zkdescent.verifier.twins import leaf, merkle_root, tensor_hash

Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583


def refuse(synthetic: ModuleType, world: Any, manifest: Manifest | None = None) -> None:
    with pytest.raises(ZkDescentError):
        audit_run(
            manifest or world.manifest(),
            world.load,
            synthetic.verify_synthetic,
            inferences=[world.inference()],
        )


@pytest.mark.parametrize(
    "opening",
    [
        (0, 0, 1, 2),  # L0 is the identity: every context opens to U
        (0, 0, 0, 0),
        (Q, Q, 1, 2),  # the identity, spelt differently
        (Q + 1, 2, 1, 2),  # coordinates that wrap
        (1, 1, 1, 2),  # not on the curve
        (1, 2, 1, 1),
    ],
)
def test_an_opening_that_binds_no_context(
    synthetic: ModuleType, opening: tuple[int, int, int, int]
) -> None:
    world = synthetic.World()
    circuits = replace(
        world.circuits,
        step=replace(world.circuits.step, opening=opening),
        inference=replace(world.circuits.inference, opening=opening),
    )
    specs = replace(
        world.specs,
        step=replace(world.specs.step, opening=opening),
        inference=replace(world.specs.inference, opening=opening),
    )
    refuse(synthetic, world, world.manifest(circuits=circuits, specs=specs))


def test_a_second_leaf_of_one_index(synthetic: ModuleType) -> None:
    """A root over honest leaves and one more for block 0, which no range proof has seen."""
    world = synthetic.World()
    evil = synthetic.point(6666)
    hashes = [leaf(i, tensor_hash(c)) for i, c in enumerate(world.dataset.leaves)]
    root = merkle_root([*hashes, leaf(0, tensor_hash(evil))])
    dataset = replace(world.dataset, root=root)
    refuse(synthetic, world, world.manifest(dataset=dataset))
    task = replace(world.plan.task, dataset_root=root)
    refuse(synthetic, world, world.manifest(dataset=dataset, task=task))


@pytest.mark.parametrize("slot", [0, 1, 2, 4])
def test_the_point_at_infinity_in_a_proof(synthetic: ModuleType, slot: int) -> None:
    world = synthetic.World()
    world.set_slot("step", 2, slot, bytes(64))
    refuse(synthetic, world)


def test_proofs_of_another_payee(synthetic: ModuleType) -> None:
    """Copying proofs into a run of one's own: the contexts are the other payee's."""
    thief = "0x" + "ee" * 20
    honest, stolen = synthetic.World(), synthetic.World(payee=thief, sponsor=thief)
    stolen.proofs = dict(honest.proofs)
    refuse(synthetic, stolen)


@pytest.mark.parametrize(
    "change",
    [
        {"total_proofs": 4},
        {"total_proofs": 6},
        {"blocks_per_epoch": 2},
        {"salt": keccak(text="ground")},
        {"declared_seed": keccak(text="ground")},
        {"parent": keccak(text="no such run")},
        {"deadline": 1},
        {"deadline": 1, "reward": 1},
        {"parent": keccak(text="no such run"), "parent_epoch": 1},
        {"seed_delay": 2, "declared_seed": bytes(32)},
    ],
)
def test_a_task_that_is_not_the_one_of_the_run(
    synthetic: ModuleType, change: dict[str, Any]
) -> None:
    world = synthetic.World()
    refuse(synthetic, world, world.manifest(task=replace(world.plan.task, **change)))


def test_range_proofs_of_one_block_for_all(synthetic: ModuleType) -> None:
    world = synthetic.World()
    world.proofs["range", 1] = replace(world.proofs["range", 0], index=1)
    refuse(synthetic, world)


def test_a_step_proof_as_a_range_proof(synthetic: ModuleType) -> None:
    world = synthetic.World()
    world.proofs["range", 0] = replace(world.proofs["step", 0], index=0)
    refuse(synthetic, world)


def test_an_inference_of_a_run_with_the_same_weights(synthetic: ModuleType) -> None:
    """Equal final states, two models: an inference counts for the one it was made for."""
    world, twin = synthetic.World(), synthetic.World(nonce=1)
    assert world.final == twin.final
    with pytest.raises((ProofRejected, ZkDescentError)):
        audit_run(
            world.manifest(), world.load, synthetic.verify_synthetic, inferences=[twin.inference()]
        )
