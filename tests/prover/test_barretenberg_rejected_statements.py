"""Rejected twins of the second prover, off-chain: another statement over the honest proofs.

Another data set, genesis, circuit, key, verifier or reference string; `zkdescent verify` ends with
3 and names the first break.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.core.errors import ChainOfProofsBroken, ProofRejected
from zkdescent.core.records import CircuitRecord, CircuitSpecRecord
from zkdescent.verifier._audit_statement import check_circuits
from zkdescent.verifier.twins.layout import StepWord

from .honk import OBJECTS_OF_AN_AUDIT, Foreign, HonkRun, reversed_dataset, with_word
from .honk_published import block_file, change_manifest, rejected, restate, with_step, write

pytestmark = [
    pytest.mark.prover,
    pytest.mark.barretenberg,
    pytest.mark.usefixtures("acceptances"),
]

Cli = Callable[..., Any]


@pytest.fixture
def published(honest: HonkRun, tmp_path: Path) -> Path:
    return honest.publish_to(tmp_path / "published")


def test_another_dataset_genesis_final_state_or_hyperparameter(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    manifest = honest.manifest
    dataset = reversed_dataset(manifest.dataset)
    other = {**manifest.hyperparameters, "learning_rate": 0.2}
    for field, value, said in (
        ("dataset", dataset, "dataset root"),
        ("genesis", manifest.final, "genesis state"),
        ("final", manifest.genesis, "final state"),
        ("hyperparameters", other, "hyperparameters"),
    ):
        change_manifest(published, **{field: value})
        where = "manifest.final" if field == "final" else "manifest.task"
        rejected(cli, published, "ChainOfProofsBroken", said, where)
        change_manifest(published, **{field: getattr(manifest, field)})
    restate(honest, published, genesis=manifest.final)
    rejected(cli, published, "ChainOfProofsBroken", "state before the step", "block proof 0")


def test_a_whole_statement_about_the_reversed_dataset(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    dataset = reversed_dataset(honest.manifest.dataset)
    plan = restate(honest, published, dataset=dataset)
    context, (due, other) = plan.context(0), plan.order()
    record = replace(honest.proof(), context=context)
    record = with_word(record, StepWord.CONTEXT, context)
    for block_said, error, said in (
        (other, "ChainOfProofsBroken", "batch (block"),
        (due, "ProofRejected", "rejects the proof"),
    ):
        batch = int.from_bytes(dataset.leaves[block_said], "big")
        write(block_file(published, 0), with_word(record, StepWord.BATCH, batch))
        rejected(cli, published, error, said, "proof 0")


def test_a_foreign_circuit(cli: Cli, honest: HonkRun, published: Path, foreign: Foreign) -> None:
    """Another learning rate: its registration, a statement on it, its name on our proofs."""
    run, record = foreign
    circuit, step = run.circuit("step"), honest.circuit("step")
    for kind in OBJECTS_OF_AN_AUDIT:
        digest = circuit.objects[kind]
        shutil.copy(run.store.path_of(digest), published / ".zkdescent" / "objects" / digest)
    write(block_file(published, 0), record)
    rejected(cli, published, "ChainOfProofsBroken", "circuit of the proof", "block proof 0")
    write(block_file(published, 0), replace(record, circuit=step.vk_sha256))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")

    write(block_file(published, 0), honest.proof(0))
    circuits, specs = with_step(honest, circuit, honest.specs.step)
    change_manifest(published, circuits=circuits)
    rejected(cli, published, "ChainOfProofsBroken", "verifying key", "registration of circuit step")
    spec = run.verifiers.specs.step
    circuits, specs = with_step(honest, circuit, spec)
    change_manifest(published, circuits=circuits, specs=specs)
    rejected(cli, published, "ChainOfProofsBroken", "step circuit", "manifest.task")
    plan = restate(honest, published, specs=specs)
    for index, due in enumerate(plan.order()):
        context = plan.context(index)
        forged = replace(honest.proof(index), circuit=circuit.vk_sha256, context=context)
        forged = with_word(forged, StepWord.CONTEXT, context)
        leaf_due = int.from_bytes(honest.manifest.dataset.leaves[due], "big")
        write(block_file(published, index), with_word(forged, StepWord.BATCH, leaf_due))
    rejected(cli, published, "ProofRejected", "rejects the proof", "step proof 0")


def test_a_verifier_or_key_that_is_not_the_circuits(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    step, inference = honest.circuit("step"), honest.circuit("inference")
    spec, other = honest.specs.step, honest.specs.inference

    def state(circuit: CircuitRecord, registration: CircuitSpecRecord) -> None:
        circuits, specs = with_step(honest, circuit, registration)
        change_manifest(published, circuits=circuits, specs=specs)

    state(step, replace(spec, verifier_code_hash=bytes(32)))
    rejected(cli, published, "ChainOfProofsBroken", "verifier code", "registration of circuit step")
    elsewhere = replace(step, objects={**step.objects, "verifier": inference.objects["verifier"]})
    state(elsewhere, spec)
    rejected(cli, published, "ChainOfProofsBroken", "verifier code", "registration of circuit step")
    state(elsewhere, replace(spec, verifier_code_hash=other.verifier_code_hash))
    rejected(cli, published, "ProofRejected", "circuit step")
    state(replace(step, objects={**step.objects, "vk": inference.objects["vk"]}), spec)
    rejected(cli, published, "ProofRejected", "verifying key is not the one", "circuit step")
    vkless = {k: v for k, v in step.objects.items() if k != "vk"}
    state(replace(step, objects=vkless), spec)
    answer = cli("verify", "-C", published, "--json")
    assert (answer.code, answer.json["error"]) == (1, "ArtefactError"), "missing, not false"


def test_an_unsafe_circuit_that_calls_itself_production(
    cli: Cli, honest: HonkRun, published: Path
) -> None:
    specs, circuits = honest.specs, honest.manifest.circuits
    assert circuits.step.srs == "unsafe-local"
    change_manifest(published, specs=replace(specs, step=replace(specs.step, production=True)))
    rejected(cli, published, "ChainOfProofsBroken", "production", "registration of circuit step")
    ceremonial = replace(
        circuits,
        step=replace(circuits.step, srs="ceremony"),
        inference=replace(circuits.inference, srs="ceremony"),
    )
    change_manifest(published, circuits=ceremonial, specs=specs)
    rejected(cli, published, "ChainOfProofsBroken", "reference string")


def test_ezkl_needs_a_range_circuit_and_hashes_take_none(honest: HonkRun) -> None:
    circuits, specs = honest.manifest.circuits, honest.specs
    check_circuits(circuits, specs)
    points = {
        c.role: replace(c, backend="ezkl", logrows=12, opening=(1, 2, 1, 2))
        for c in circuits.present()
    }
    pretended = replace(circuits, step=points["step"], inference=points["inference"])
    with pytest.raises(ChainOfProofsBroken, match="no range circuit"):
        check_circuits(pretended, specs)
    ranged = replace(circuits, range=replace(circuits.step, role="range"))
    with pytest.raises(ProofRejected, match="no proofs of this kind"):
        check_circuits(ranged, specs)
