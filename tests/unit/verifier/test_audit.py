"""The auditor names the first break. Synthetic proofs: the logic around the cryptography."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from eth_utils.crypto import keccak

from zkdescent.core.errors import ChainOfProofsBroken, ProofRejected, ZkDescentError
from zkdescent.core.records import Manifest
from zkdescent.verifier import AuditReport, audit_run
from zkdescent.verifier.twins import StepSlot, merkle_root, read_slot, split_proof, to_field


@pytest.fixture
def world(synthetic: ModuleType) -> Any:
    return synthetic.World()


def audit(synthetic: ModuleType, world: Any, **options: Any) -> AuditReport:
    manifest = options.pop("manifest", None) or world.manifest()
    return audit_run(manifest, world.load, synthetic.verify_synthetic, **options)


def test_audit_accepts_a_whole_run(synthetic: ModuleType, world: Any) -> None:
    told: list[tuple[str, int, int]] = []
    report = audit(
        synthetic, world, inferences=[world.inference()], progress=lambda *s: told.append(s)
    )
    assert (report.range_proofs, report.block_proofs, report.steps) == (3, 5, 20)
    assert report.order == world.plan.order()
    assert (report.genesis, report.parent, report.final) == (world.genesis, bytes(32), world.final)
    assert report.inferences[0].inputs == (4096, -4096, 0)
    assert report.inferences[0].outputs == (-123,)
    assert (report.unsafe_srs, report.compared_with_chain) == (True, False)
    assert told[0] == ("range", 1, 3)
    assert told[-1] == ("step", 5, 5)
    assert AuditReport.from_json(report.to_json()) == report


def test_audit_names_the_run_that_a_task_continues(synthetic: ModuleType) -> None:
    """Whether the genesis is a state of that run is for the ledger and an audit of its own."""
    parent = b"\x07" * 32
    assert audit(synthetic, synthetic.World(parent=parent, parent_epoch=2)).parent == parent


def test_audit_verifies_every_proof(synthetic: ModuleType, world: Any) -> None:
    seen: list[tuple[str, int]] = []
    audit_run(
        world.manifest(),
        world.load,
        lambda circuit, proof: seen.append((circuit.role, proof.index)),
        inferences=[world.inference(4)],
    )
    assert sorted(seen) == sorted([*world.proofs, ("inference", 4)])


def test_audit_accepts_a_beacon_run_and_binds_its_header(synthetic: ModuleType) -> None:
    world = synthetic.World(seed_delay=3)
    world.prove(world.plan.sealed(17, keccak(text="mix hash")))
    report = audit(synthetic, world)
    assert report.seed_source == "beacon"
    run = replace(world.manifest().run, mix_hash=keccak(text="another"))
    with pytest.raises(ChainOfProofsBroken, match="seed differs"):
        audit(synthetic, world, manifest=world.manifest(run=run))
    run = replace(world.manifest().run, mix_hash=None)
    with pytest.raises(ChainOfProofsBroken, match="no seed block"):
        audit(synthetic, world, manifest=world.manifest(run=run))


@pytest.mark.parametrize(("role", "index"), [("range", 2), ("step", 0), ("step", 4)])
def test_flipped_byte_in_any_proof_is_rejected(
    synthetic: ModuleType, world: Any, role: Any, index: int
) -> None:
    old = world.proofs[role, index].proof
    world.change(role, index, proof=old[:-1] + bytes([old[-1] ^ 1]))
    with pytest.raises(ProofRejected) as error:
        audit(synthetic, world)
    assert error.value.path == f"{role} {index}"


@pytest.mark.parametrize(("role", "index"), [("range", 0), ("step", 0), ("step", 4)])
def test_missing_proof_is_named(synthetic: ModuleType, world: Any, role: Any, index: int) -> None:
    del world.proofs[role, index]
    with pytest.raises(ChainOfProofsBroken, match="missing") as error:
        audit(synthetic, world)
    assert error.value.path == f"{'block' if role == 'step' else role} proof {index}"
    assert error.value.exit_code == 3


def swap(world: Any, synthetic: ModuleType) -> None:
    first, second = world.proofs["step", 1], world.proofs["step", 2]
    world.proofs["step", 1] = replace(second, index=1)
    world.proofs["step", 2] = replace(first, index=2)


def skip(world: Any, synthetic: ModuleType) -> None:
    for index in range(1, 4):
        world.proofs["step", index] = replace(world.proofs["step", index + 1], index=index)


def repeat(world: Any, synthetic: ModuleType) -> None:
    world.proofs["step", 2] = replace(world.proofs["step", 1], index=2)


def other_run(world: Any, synthetic: ModuleType) -> None:
    elsewhere = synthetic.World(nonce=1)
    world.proofs["step", 1] = elsewhere.proofs["step", 1]


def hidden_other_run(world: Any, synthetic: ModuleType) -> None:
    other_run(world, synthetic)
    world.change("step", 1, context=world.plan.context(1))  # only the record says so


def other_batch(world: Any, synthetic: ModuleType) -> None:
    due = world.plan.order()[2]
    world.proofs["step", 2] = world.block_proof(2, (due + 1) % world.blocks)


def other_genesis(world: Any, synthetic: ModuleType) -> None:
    world.set_slot("step", 0, StepSlot.STATE_IN, synthetic.point(55))


def fork(world: Any, synthetic: ModuleType) -> None:
    world.set_slot("step", 3, StepSlot.STATE_OUT, synthetic.point(66))


def hints_for_the_state(world: Any, synthetic: ModuleType) -> None:
    hints, state_out = split_proof(world.proofs["step", 3].proof, len(StepSlot))[3:]
    world.set_slot("step", 3, StepSlot.HINTS, state_out)
    world.set_slot("step", 3, StepSlot.STATE_OUT, hints)


def continued_from_hints(world: Any, synthetic: ModuleType) -> None:
    hints = read_slot(world.proofs["step", 3].proof, StepSlot.HINTS)
    world.set_slot("step", 4, StepSlot.STATE_IN, hints)


def other_circuit(world: Any, synthetic: ModuleType) -> None:
    world.change("step", 2, circuit=world.circuits.range.vk_sha256)


def wrong_index(world: Any, synthetic: ModuleType) -> None:
    world.change("step", 2, index=3)


def extra_proof(world: Any, synthetic: ModuleType) -> None:
    world.proofs["step", 5] = world.proofs["step", 4]


def extra_public_value(world: Any, synthetic: ModuleType) -> None:
    world.change("step", 2, public_values=(1,))


def longer_proof(world: Any, synthetic: ModuleType) -> None:
    world.change("step", 2, proof=world.proofs["step", 2].proof + synthetic.MARKER)


def range_of_other_genesis(world: Any, synthetic: ModuleType) -> None:
    world.proofs["range", 1] = world.range_proof(1, genesis=synthetic.point(55))


def range_of_other_block(world: Any, synthetic: ModuleType) -> None:
    world.proofs["range", 1] = replace(world.range_proof(2), index=1)


@pytest.mark.parametrize(
    ("attack", "what", "where"),
    [
        (swap, "state before the step", "block proof 1"),
        (skip, "state before the step", "block proof 1"),
        (repeat, "state before the step", "block proof 2"),
        (other_run, "differs", "block proof 1"),
        (hidden_other_run, r"differs|another context", "block proof 1"),
        (other_batch, "batch", "block proof 2"),
        (other_genesis, "state before the step", "block proof 0"),
        (fork, "state before the step", "block proof 4"),
        (hints_for_the_state, "state before the step", "block proof 4"),
        (continued_from_hints, "state before the step", "block proof 4"),
        (other_circuit, "circuit of the proof", "block proof 2"),
        (wrong_index, "index of the proof", "block proof 2"),
        (extra_proof, "more block proofs", "block proof 5"),
        (extra_public_value, "number of public values", "block proof 2"),
        (longer_proof, "length of the proof", "block proof 2"),
        (range_of_other_genesis, "genesis state", "range proof 1"),
        (range_of_other_block, "batch block 1", "range proof 1"),
    ],
)
def test_every_attack_on_the_chain_is_named(
    synthetic: ModuleType,
    world: Any,
    attack: Callable[[Any, ModuleType], None],
    what: str,
    where: str,
) -> None:
    attack(world, synthetic)
    with pytest.raises((ChainOfProofsBroken, ProofRejected), match=what) as error:
        audit(synthetic, world)
    assert error.value.path == where
    assert error.value.exit_code == 3


def test_context_is_opened_not_only_compared(synthetic: ModuleType, world: Any) -> None:
    # The record claims the right context, the commitment holds another.
    batch = world.plan.order()[1]
    wrong = world.block_proof(1, batch, context=world.plan.context(2))
    world.proofs["step", 1] = replace(wrong, context=world.plan.context(1))
    with pytest.raises(ProofRejected, match="another context") as error:
        audit(synthetic, world)
    assert error.value.path == "block proof 1"


def test_inference_attacks_are_named(synthetic: ModuleType, world: Any) -> None:
    good = world.inference()

    def rejected(inference: Any) -> ZkDescentError:
        with pytest.raises((ChainOfProofsBroken, ProofRejected)) as error:
            audit(synthetic, world, inferences=[inference])
        return error.value

    assert "weights" in rejected(world.inference(weights=synthetic.point(5))).message
    assert "model" in rejected(replace(good, model_id=1)).message
    assert "context" in rejected(replace(good, nonce=1)).message
    assert "context" in rejected(replace(good, requester="0x" + "99" * 20)).message
    assert "registry" in rejected(replace(good, registry="0x" + "99" * 20)).message
    assert "chain" in rejected(replace(good, chain_id=1)).message
    values = (to_field(1),) * 3
    fewer = replace(good, proof=replace(good.proof, public_values=values))
    assert "public values" in rejected(fewer).message
    huge = replace(good, proof=replace(good.proof, public_values=(2**200,) * 4))
    assert "no integer" in rejected(huge).message


def changed_manifest(world: Any, name: str) -> Manifest:
    """A manifest with one part exchanged for another that is well-formed."""
    manifest: Manifest = world.manifest()
    assert manifest.task is not None
    assert manifest.run is not None
    assert manifest.specs is not None
    word = keccak(text=name)
    step, leaves = manifest.circuits.step, manifest.dataset.leaves
    changes: dict[str, dict[str, Any]] = {
        "no run": {"run": None},
        "no final": {"final": None},
        "final": {"final": world.genesis},
        "off curve": {"final": bytes(63) + b"\x01"},
        "genesis": {"genesis": world.final},
        "total": {"total_proofs": 4},
        "hyperparameters": {"hyperparameters": {"learning_rate": "1/8"}},
        "root": {"dataset": replace(manifest.dataset, root=word)},
        "leaf order": {"dataset": replace(manifest.dataset, leaves=leaves[::-1])},
        "task root": {"task": replace(manifest.task, dataset_root=merkle_root([word]))},
        "task circuit": {"task": replace(manifest.task, step_circuit=word)},
        "task salt": {"task": replace(manifest.task, salt=word)},
        "declared seed": {"task": replace(manifest.task, declared_seed=word)},
        "seed": {"run": replace(manifest.run, seed=word)},
        "run id": {"run": replace(manifest.run, run_id=word)},
        "task id": {"run": replace(manifest.run, task_id=word)},
        "payee": {"run": replace(manifest.run, payee="0x" + "99" * 20)},
        "sponsor": {"run": replace(manifest.run, sponsor="0x" + "99" * 20)},
        "chain": {"run": replace(manifest.run, chain_id=1)},
        "ledger": {"run": replace(manifest.run, ledger="0x" + "99" * 20)},
        "source": {"run": replace(manifest.run, seed_source="beacon")},
        "vka": {"circuits": replace(manifest.circuits, step=replace(step, vka=(word,)))},
        "fraction bits": {
            "circuits": replace(manifest.circuits, step=replace(step, fraction_bits=8))
        },
        "opening": {
            "circuits": replace(manifest.circuits, step=replace(step, opening=(1, 2, 1, 2)))
        },
        "vk": {"circuits": replace(manifest.circuits, step=replace(step, vk_sha256=word))},
        "roles": {"circuits": replace(manifest.circuits, range=step)},
        "spec": {"specs": replace(manifest.specs, step=replace(manifest.specs.step, vk_hash=word))},
        "spec length": {
            "specs": replace(manifest.specs, step=replace(manifest.specs.step, proof_length=64))
        },
        "verifier": {
            "specs": replace(
                manifest.specs,
                step=replace(
                    manifest.specs.step, prover="ezkl-reusable", vka_digest=step.vka_digest
                ),
            )
        },
    }
    return replace(manifest, **changes[name])


@pytest.mark.parametrize(
    "name",
    [
        "no run", "no final", "final", "off curve", "genesis", "total", "hyperparameters", "root",
        "leaf order", "task root", "task circuit", "task salt", "declared seed", "seed", "run id",
        "task id", "payee", "sponsor", "chain", "ledger", "source", "vka", "fraction bits",
        "opening", "vk", "roles", "spec", "spec length", "verifier",
    ],
)  # fmt: skip
def test_any_changed_part_of_the_manifest_is_rejected(
    synthetic: ModuleType, world: Any, name: str
) -> None:
    with pytest.raises((ChainOfProofsBroken, ProofRejected)) as error:
        audit(synthetic, world, manifest=changed_manifest(world, name))
    assert error.value.exit_code == 3
    assert error.value.message


def test_opening_that_binds_nothing_is_rejected(synthetic: ModuleType, world: Any) -> None:
    free = (0, 0, *synthetic.OPENING[2:])
    circuits = replace(
        world.circuits,
        step=replace(world.circuits.step, opening=free),
        inference=replace(world.circuits.inference, opening=free),
    )
    with pytest.raises(ChainOfProofsBroken, match="binds no context"):
        audit(synthetic, world, manifest=world.manifest(circuits=circuits))
