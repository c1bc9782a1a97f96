"""The tiny project on the second prover: compiled, proven, audited, submitted, and its twins.

Real proofs throughout: what a cheater changes is a proof that was honest, or an honest proof of
something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.barretenberg.commitment import HashRole, commitment_bytes, tensor_digest
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ChainOfProofsBroken, ContractRejected, ProofRejected, ProverError
from zkdescent.core.records import Manifest, ProofRecord
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.provers import SALT
from zkdescent.pipeline.proving import load_trajectory, prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import Chain, TrainingClient, plan_from
from zkdescent.verifier.twins.layout import StepWord, layout_of

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg]

Honest = tuple[Project, Blueprint, Manifest]
STEP = layout_of("barretenberg", "step")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Honest:
    directory = write_project(
        tmp_path_factory.mktemp("honk") / "tiny",
        logrows="auto",
        extra='backend = "barretenberg"',
    )
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    prove_project(project, report, blueprint=blueprint)
    return project, blueprint, project.open_store().read_manifest()


def block_proof(honest: Honest, index: int) -> ProofRecord:
    record = load_proof(honest[0].open_store(), "step", index)
    assert record is not None
    return record


def prove_block(honest: Honest, context: int, state: Any, block: Any) -> Proof:
    project, blueprint, manifest = honest
    inputs = [np.array([context], dtype=object), state, block]
    return blueprint.backend.prove(manifest.circuits.step, project.open_store().path_of, inputs)


def submitted(honest: Honest, records: dict[int, ProofRecord]) -> None:
    """Lead the run to its end on a fresh chain, with some block proofs replaced."""
    _, _, manifest = honest
    plan = plan_from(manifest)
    from zkdescent.pipeline.verifiers import project_verifiers

    verifiers = project_verifiers(honest[0], manifest.circuits)
    with Chain.tester() as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        verifiers.deploy(chain)
        client.register_circuits(manifest.circuits, verifiers.specs)
        client.create_task(plan)
        client.open_run(plan)
        client.submit(
            plan,
            manifest.circuits.step,
            manifest.dataset,
            lambda index: records.get(index) or block_proof(honest, index),
        )
        client.finalise(plan)
        client.mint(plan)
        assert client.model(plan.model_id) is not None


def test_commitments_are_the_digests_of_the_data(honest: Honest) -> None:
    project, blueprint, manifest = honest
    store = project.open_store()
    salt = int.from_bytes(store.read_bytes(SALT), "big")
    capacity = blueprint.fixed.data_capacity

    def digest(role: HashRole, values: Any, with_salt: int = salt) -> bytes:
        return commitment_bytes(tensor_digest(role, [int(v) for v in values], capacity, with_salt))

    states = load_trajectory(store)
    assert manifest.genesis == digest(HashRole.STATE, blueprint.genesis)
    assert manifest.genesis != digest(HashRole.STATE, blueprint.genesis, salt ^ 1)
    assert manifest.final == digest(HashRole.STATE, states[-1])
    assert list(manifest.dataset.leaves) == [
        digest(HashRole.BATCH, block) for block in blueprint.fixed_blocks
    ]
    for index, state in enumerate(states[:-1]):
        words = STEP.split(block_proof(honest, index).proof)
        assert words[StepWord.STATE_IN] == digest(HashRole.STATE, state)
        assert words[StepWord.STATE_OUT] == digest(HashRole.STATE, states[index + 1])


def test_the_salt_is_not_published(honest: Honest) -> None:
    store = honest[0].open_store()
    salt = store.read_bytes(SALT)
    for path in store.root.rglob("*"):
        if path.is_file() and path.name != SALT and "chain" not in path.parts:
            assert salt not in path.read_bytes(), path
            assert salt.hex().encode() not in path.read_bytes(), path


def test_the_run_is_audited_submitted_and_asked(honest: Honest, tmp_path: Path) -> None:
    project, _, manifest = honest
    verify_project(project, Reporter())
    result = submit_project(project, Reporter())
    assert result.model_id == plan_from(manifest).model_id
    rows = tmp_path / "rows.json"
    rows.write_text("[[0.5, -1.25, 2.0]]")
    (inference,) = infer_project(project, rows, Reporter(), submit=True)
    assert inference.accepted


def test_a_removed_proof_is_the_only_one_made_again(honest: Honest) -> None:
    project, blueprint, _ = honest
    store = project.open_store()
    before = block_proof(honest, 0)
    store.remove(proof_name("step", 1))
    again = prove_project(project, Reporter(), blueprint=blueprint)
    assert (again.made, again.kept) == (1, 1)
    assert block_proof(honest, 0) == before


def test_a_flipped_byte_of_any_part_is_rejected(honest: Honest) -> None:
    project, _, _ = honest
    store = project.open_store()
    record = block_proof(honest, 1)
    name = proof_name("step", 1)
    try:
        for place in (31, 63, 95, 127, STEP.front + 5, STEP.front + 3000, len(record.proof) - 1):
            data = bytearray(record.proof)
            data[place] ^= 1
            store.write_json(name, replace(record, proof=bytes(data)).to_json())
            with pytest.raises((ProofRejected, ChainOfProofsBroken)):
                verify_project(project, Reporter())
    finally:
        store.write_json(name, record.to_json())
    verify_project(project, Reporter())


def test_the_ledger_takes_the_honest_run_and_no_other(honest: Honest) -> None:
    project, blueprint, manifest = honest
    plan = plan_from(manifest)
    states = load_trajectory(project.open_store())
    order, blocks = plan.order(), blueprint.fixed_blocks
    submitted(honest, {})
    first = block_proof(honest, 0)
    lies = {
        "another payee's context": prove_block(
            honest, plan.context(0) ^ 1, states[0], blocks[order[0]]
        ),
        "a context of another place": prove_block(
            honest, plan.context(1), states[0], blocks[order[0]]
        ),
        "another batch": prove_block(honest, plan.context(0), states[0], blocks[1 - order[0]]),
        "another state": prove_block(honest, plan.context(0), states[1], blocks[order[0]]),
    }
    names = []
    for lie in lies.values():
        with pytest.raises(ContractRejected) as caught:
            submitted(honest, {0: replace(first, proof=lie.proof)})
        names.append(caught.value.error_name)
    assert names == ["ContextMismatch", "ContextMismatch", "BlockNotInDataset", "StateInMismatch"]
    other = block_proof(honest, 1)
    mixed = first.proof[: STEP.front] + other.proof[STEP.front :]
    with pytest.raises(ContractRejected) as caught:
        submitted(honest, {0: replace(first, proof=mixed)})
    assert caught.value.error_name == "ProofRejected"


def test_a_false_witness_is_found_before_it_is_kept(honest: Honest) -> None:
    project, blueprint, manifest = honest
    from zkdescent.circuits.barretenberg.backend import BarretenbergBackend
    from zkdescent.circuits.barretenberg.circuits import emit

    backend = blueprint.backend
    assert isinstance(backend, BarretenbergBackend)
    plan = plan_from(manifest)
    emitted = emit(blueprint.step, blueprint.fixed, public_output=False)
    inputs = {
        "context": np.array([plan.context(0)], dtype=object),
        "state": blueprint.genesis,
        "batch": blueprint.fixed_blocks[plan.order()[0]],
    }
    witness = emitted.witness(inputs, 1)
    path_of = project.open_store().path_of
    assert backend.prove_witness(manifest.circuits.step, path_of, witness).proof
    witness[emitted.walk.inputs["state"].start] += 1
    with pytest.raises(ProverError, match="does not verify"):
        backend.prove_witness(manifest.circuits.step, path_of, witness)
