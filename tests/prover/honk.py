"""The tiny project on the second prover, made once for the modules that run, attack and fuzz it.

A linear model 3 -> 1, four steps in two block proofs over two batch blocks, one inference. Nobody
changes it: what a test changes, it changes in a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zkdescent.circuits.barretenberg.commitment import HashRole, commitment_bytes, tensor_digest
from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import Project, load_project
from zkdescent.core.records import (
    CircuitRecord,
    CircuitSpecs,
    DatasetRecord,
    InferenceRecord,
    Manifest,
    ProofRecord,
    Role,
)
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, load_proof
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.provers import SALT
from zkdescent.pipeline.proving import load_trajectory, prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.verifiers import Verifiers, project_verifiers
from zkdescent.verifier import Chain, RunPlan, TrainingClient, deploy_code, plan_from, plan_run
from zkdescent.verifier._create2 import predict_address
from zkdescent.verifier.honk_code import load_verifier
from zkdescent.verifier.twins import from_field, leaf, merkle_root, tensor_hash

ROW = [0.5, -1.25, 2.0]
STRANGER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_SALT = hashlib.sha256(b"the same in every run").digest()[:31]
OBJECTS_OF_AN_AUDIT = ("vk", "verifier")

WriteProject = Callable[..., Path]


@dataclass(frozen=True, eq=False)
class HonkRun:
    """The project after compile, prove and one inference; nothing of it is on a chain."""

    project: Project
    blueprint: Blueprint
    manifest: Manifest

    @property
    def store(self) -> ArtefactStore:
        """Its artefact store."""
        return self.project.open_store()

    @cached_property
    def plan(self) -> RunPlan:
        """The run that was proven."""
        return plan_from(self.manifest)

    @cached_property
    def states(self) -> Any:
        """States before and after each block proof, integers."""
        return load_trajectory(self.store)

    @property
    def specs(self) -> CircuitSpecs:
        """Registrations of its circuits."""
        assert self.manifest.specs is not None
        return self.manifest.specs

    @property
    def final(self) -> bytes:
        """The commitment to the trained state."""
        assert self.manifest.final is not None
        return self.manifest.final

    @cached_property
    def verifiers(self) -> Verifiers:
        """Registrations and creation codes of the generated verifiers."""
        return project_verifiers(self.project, self.manifest.circuits)

    @cached_property
    def salt(self) -> int:
        """The project's secret."""
        return int.from_bytes(self.store.read_bytes(SALT), "big")

    def digest(self, role: HashRole, values: Any, *, salt: int | None = None) -> bytes:
        """The commitment to a tensor, recomputed from its numbers and a salt."""
        numbers = [int(v) for v in values]
        capacity = self.blueprint.fixed.data_capacity
        known = self.salt if salt is None else salt
        return commitment_bytes(tensor_digest(role, numbers, capacity, known))

    def proof(self, index: int = 0) -> ProofRecord:
        """A block proof."""
        record = load_proof(self.store, "step", index)
        assert record is not None
        return record

    @cached_property
    def inference(self) -> InferenceRecord:
        """The inference, proven for the project's account and nonce 0."""
        (name,) = self.store.names(inference_folder(self.plan.model_id))
        return InferenceRecord.from_json(self.store.read_json(name))

    def circuit(self, role: Role) -> CircuitRecord:
        """The circuit of a role."""
        circuit = getattr(self.manifest.circuits, role)
        assert isinstance(circuit, CircuitRecord)
        return circuit

    def prove(self, role: Role, *tensors: Any) -> Proof:
        """A valid proof of whatever tensors: what a cheater can make."""
        inputs = [np.asarray(t, dtype=object).reshape(-1) for t in tensors]
        return self.blueprint.backend.prove(self.circuit(role), self.store.path_of, inputs)

    def prove_block(self, context: int, state: Any, batch: Any) -> ProofRecord:
        """A valid step proof, filed as the first."""
        return replace(self.proof(), proof=self.prove("step", [context], state, batch).proof)

    def replanned(self, **changes: Any) -> RunPlan:
        """The plan of another run or task: what changes, and the rest as it was proven."""
        fields = ("dataset", "genesis", "specs")
        manifest = replace(self.manifest, **{k: changes.pop(k) for k in fields if k in changes})
        assert manifest.specs is not None
        assert manifest.task is not None
        return plan_run(
            manifest.specs,
            manifest.dataset,
            genesis=manifest.genesis,
            hyperparameters=manifest.hyperparameters,
            total_proofs=manifest.total_proofs,
            chain_id=self.plan.chain_id,
            sponsor=self.plan.sponsor,
            **{"declared_seed": manifest.task.declared_seed, **changes},
        )

    def open_on(self, chain: Chain) -> TrainingClient:
        """Contracts, verifiers and circuits on a chain, and the run open on it."""
        client = TrainingClient(chain)
        client.ensure_deployed()
        self.verifiers.deploy(chain)
        client.register_circuits(self.manifest.circuits, self.verifiers.specs)
        client.create_task(self.plan)
        client.open_run(self.plan)
        return client

    def submit_to(self, client: TrainingClient) -> None:
        """The honest block proofs, finalised and minted."""
        circuits, dataset = self.manifest.circuits, self.manifest.dataset
        client.submit(self.plan, circuits.step, dataset, self.proof)
        client.finalise(self.plan)
        client.mint(self.plan)

    def copy_to(self, target: Path) -> Project:
        """A copy of the whole project; its objects are hard links."""

        def link(source: str, destination: str) -> None:
            copy: Callable[[str, str], object] = os.link if "/objects/" in source else shutil.copy2
            copy(source, destination)

        shutil.copytree(self.project.directory, target, copy_function=link)
        return load_project(target)

    def publish_to(self, target: Path) -> Path:
        """A copy of what an auditor gets: no data, weights, salt or circuits."""
        source = self.project.directory
        objects = target / ".zkdescent" / "objects"
        objects.mkdir(parents=True)
        shutil.copy(source / "zkdescent.toml", target)
        shutil.copy(source / ".zkdescent" / "manifest.json", target / ".zkdescent")
        for name in ("proofs", "inferences"):
            shutil.copytree(source / ".zkdescent" / name, target / ".zkdescent" / name)
        for circuit in self.manifest.circuits.present():
            for kind in OBJECTS_OF_AN_AUDIT:
                digest = circuit.objects[kind]
                shutil.copy(self.store.path_of(digest), objects / digest)
        return target


@cache
def honk_run(folder: Path, write_project: WriteProject) -> HonkRun:
    """Compile, prove and infer in the session's temporary folder; once."""
    directory = write_project(
        folder / "honk" / "tiny", logrows="auto", extra='backend = "barretenberg"'
    )
    run = proven_run(directory)
    assert run.manifest.total_proofs == 2
    (directory / "row.json").write_text(json.dumps(ROW))
    infer_project(run.project, directory / "row.json", Reporter())
    return run


def proven_run(directory: Path) -> HonkRun:
    """Compile a project for the second prover and prove its run, under one salt."""
    project, report = load_project(directory), Reporter()
    project.open_store().write_bytes(SALT, _SALT)
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    result = prove_project(project, report, blueprint=blueprint)
    store = project.open_store()
    assert (result.made, result.kept) == (store.read_manifest().total_proofs, 0)
    return HonkRun(project, blueprint, store.read_manifest())


Foreign = tuple[HonkRun, ProofRecord]


@cache
def foreign_circuit(run: HonkRun, write_project: WriteProject) -> HonkRun:
    """The same statement for another learning rate, under the same salt; its step circuit only."""
    directory = write_project(
        run.project.directory.parent / "foreign",
        logrows="auto",
        learning_rate=0.125,
        extra='backend = "barretenberg"',
    )
    project = load_project(directory)
    store, blueprint = project.open_store(), make_blueprint(project)
    store.write_bytes(SALT, run.store.read_bytes(SALT))
    with tempfile.TemporaryDirectory() as scratch:
        built = blueprint.backend.build(blueprint.requests()[0], blueprint.size, Path(scratch))
        objects = {name: store.put_file(path) for name, path in built.files.items()}
    for kind in OBJECTS_OF_AN_AUDIT:
        store.put_file(run.store.path_of(run.circuit("inference").objects[kind]))
    step = replace(built.record, objects=objects)
    circuits = replace(run.manifest.circuits, step=step)
    return HonkRun(project, blueprint, replace(run.manifest, circuits=circuits))


@cache
def foreign_proof(run: HonkRun, write_project: WriteProject) -> ProofRecord:
    """A valid proof of the foreign circuit for the first place of this run, and of its tensors."""
    foreign = foreign_circuit(run, write_project)
    batch = run.blueprint.fixed_blocks[run.plan.order()[0]]
    made = foreign.prove("step", [run.plan.context(0)], run.states[0], batch)
    return replace(run.proof(), circuit=foreign.circuit("step").vk_sha256, proof=made.proof)


@cache
def other_batch(run: HonkRun) -> ProofRecord:
    """A valid first block proof, but over a batch block with one changed number."""
    batch = run.blueprint.fixed_blocks[run.plan.order()[0]].copy()
    batch[0] += 1
    return run.prove_block(run.plan.context(0), run.states[0], batch)


@cache
def other_weights(run: HonkRun) -> InferenceRecord:
    """A valid inference proof with the right context, but with the genesis weights."""
    record = run.inference.proof
    row = [from_field(v) for v in record.public_values[: run.circuit("inference").features]]
    made = run.prove("inference", [record.context], run.states[0], row)
    changed = replace(record, proof=made.proof, public_values=made.public_values)
    return replace(run.inference, proof=changed)


def leaves_of(dataset: DatasetRecord) -> list[bytes]:
    """Leaves of the data set's tree."""
    return [leaf(i, tensor_hash(c)) for i, c in enumerate(dataset.leaves)]


def reversed_dataset(dataset: DatasetRecord) -> DatasetRecord:
    """The same batch blocks in the other order, with their own root."""
    turned = replace(dataset, leaves=tuple(reversed(dataset.leaves)))
    return replace(turned, root=merkle_root(leaves_of(turned)))


def flipped(record: ProofRecord, position: int = -1) -> ProofRecord:
    """The record with one bit of one byte changed."""
    data = bytearray(record.proof)
    data[position] ^= 1
    return replace(record, proof=bytes(data))


def with_word(record: ProofRecord, place: int, value: int) -> ProofRecord:
    """The record with another word, 32 bytes, in a place of its proof."""
    data = bytearray(record.proof)
    data[32 * place : 32 * place + 32] = value.to_bytes(32, "big")
    return replace(record, proof=bytes(data))


def word_of(record: ProofRecord, place: int) -> int:
    """The word, 32 bytes, in a place of the proof."""
    return int.from_bytes(record.proof[32 * place : 32 * place + 32], "big")


def deploy_foreign(client: TrainingClient, foreign: HonkRun) -> str:
    """Deploy the foreign step verifier; its address."""
    verifier = load_verifier(foreign.circuit("step"), foreign.store.get)
    deploy_code(client.chain, verifier.creation_code, action="deploy the foreign verifier")
    return str(predict_address(verifier.creation_code))
