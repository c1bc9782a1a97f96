"""A run whose block proofs go to the chain as aggregates: proven, resumed, audited, submitted.

Five block proofs: two aggregates of two blocks, and a block proof that is left over.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg.backend import BarretenbergBackend
from zkdescent.core.config import Project, load_project
from zkdescent.core.errors import ChainOfProofsBroken, ConfigError, ProofRejected
from zkdescent.core.records import ProofRecord
from zkdescent.pipeline.artefacts import load_proof, proof_name
from zkdescent.pipeline.auditing import verify_project
from zkdescent.pipeline.benchmark._cases import linear_case
from zkdescent.pipeline.benchmark._ours import build_step, trace_case
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.onchain import submit_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.rebuilding import rebuild_aggregate
from zkdescent.pipeline.reporting import Reporter

from .honk import HonkRun, flipped

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.slow]

QUIET = Reporter()


@pytest.fixture(scope="module")
def project(
    write_project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    folder = write_project(
        tmp_path_factory.mktemp("aggregates"),
        steps=10,
        logrows="auto",
        extra='backend = "barretenberg"\nblocks_per_aggregate = 2',
    )
    made = load_project(folder)
    compile_project(made, QUIET)
    result = prove_project(made, QUIET)
    assert (result.made, result.kept) == (3, 0)
    return made


@pytest.fixture
def copied(project: Project, tmp_path: Path) -> Project:
    shutil.copytree(project.directory, tmp_path / "copied")
    return load_project(tmp_path / "copied")


def aggregate_proof(project: Project, index: int) -> ProofRecord:
    record = load_proof(project.open_store(), "aggregate", index)
    assert record is not None
    return record


def test_a_run_in_aggregates_is_audited_and_submitted(copied: Project) -> None:
    audit = verify_project(copied, QUIET)
    assert (audit.block_proofs, audit.aggregates, audit.steps) == (5, 2, 10)
    assert not audit.rebuilt_aggregate
    actions = submit_project(copied, QUIET).actions
    assert len([a for a in actions if a.name.startswith("submit")]) == 3
    assert not any(action.sent for action in submit_project(copied, QUIET).actions)


def test_what_was_proven_before_a_stop_is_kept(copied: Project) -> None:
    """The second aggregate and the last block are missing or damaged: they are made again."""
    store = copied.open_store()
    first, last = aggregate_proof(copied, 0), load_proof(store, "step", 4)
    store.remove(proof_name("aggregate", 2))
    result = prove_project(copied, QUIET)
    assert (result.made, result.kept) == (1, 2)
    assert (aggregate_proof(copied, 0), load_proof(store, "step", 4)) == (first, last)
    assert verify_project(copied, QUIET).aggregates == 2


def test_a_changed_aggregate_is_rejected(copied: Project) -> None:
    store = copied.open_store()
    record = aggregate_proof(copied, 2)
    for place in (31, 32 * 9 + 31, len(record.proof) - 1):
        changed = flipped(record, place)
        store.write_json(proof_name("aggregate", 2), changed.to_json())
        with pytest.raises((ProofRejected, ChainOfProofsBroken)):
            verify_project(copied, QUIET)


def test_the_aggregate_follows_from_the_step_circuits_key(copied: Project) -> None:
    assert verify_project(copied, QUIET, rebuild=True).rebuilt_aggregate


def test_an_aggregate_of_another_step_circuit_is_refused(copied: Project, tmp_path: Path) -> None:
    """Same number of words, said to be of this step circuit: only making it again tells."""
    store, circuits = copied.open_store(), copied.open_store().read_manifest().circuits
    backend = BarretenbergBackend(int)
    other = build_step(trace_case(linear_case(3, 2), backend, 0), 1, tmp_path)
    posing = replace(circuits.step, objects=circuits.step.objects | {
        "vk": store.put_bytes(other.locate(other.record.objects["vk"]).read_bytes())
    })  # fmt: skip
    with pytest.raises(ProofRejected, match="not the circuit that verifies the step") as caught:
        rebuild_aggregate(store, replace(circuits, step=posing))
    assert str(caught.value.expected).startswith("vk_sha256")


def test_a_verifier_that_bb_did_not_generate_is_refused(copied: Project) -> None:
    store, circuits = copied.open_store(), copied.open_store().read_manifest().circuits
    assert circuits.aggregate is not None
    objects = circuits.aggregate.objects | {"verifier": circuits.step.objects["verifier"]}
    posing = replace(circuits.aggregate, objects=objects)
    with pytest.raises(ProofRejected, match="not what bb generates"):
        rebuild_aggregate(store, replace(circuits, aggregate=posing))


def test_without_an_aggregate_there_is_nothing_to_rebuild(honest: HonkRun) -> None:
    with pytest.raises(ConfigError, match="no aggregate"):
        rebuild_aggregate(honest.store, honest.manifest.circuits)
