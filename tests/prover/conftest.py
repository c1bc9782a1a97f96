"""One tiny project, compiled and proven once: the proofs that all tests of this folder attack.

A linear model 3 -> 1, four steps in two block proofs over two batch blocks, one inference. What a
test changes, it changes in a copy.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.proof_system import Proof
from zkdescent.core.config import Project, load_project
from zkdescent.core.records import (
    CircuitRecord,
    InferenceRecord,
    Manifest,
    ProofRecord,
    Role,
    canonical_json,
)
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, load_proof, load_trajectory
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.building import compile_project
from zkdescent.pipeline.inferring import infer_project
from zkdescent.pipeline.proving import prove_project
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier import (
    Chain,
    EvmProofVerifier,
    RunPlan,
    TrainingClient,
    plan_from,
    plan_run,
)
from zkdescent.verifier.twins import from_field

from .honk import Foreign, HonkRun, foreign_circuit, foreign_proof, honk_run

ROW = [0.5, -1.25, 2.0]


@dataclass(frozen=True)
class Proven:
    """The project after train, compile, prove and one inference."""

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

    def proof(self, role: Role, index: int = 0) -> ProofRecord:
        """A range or a block proof."""
        record = load_proof(self.store, role, index)
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

    def replanned(self, **changes: Any) -> RunPlan:
        """The plan of another run or task: what changes, and the rest as it was proven."""
        manifest = replace(
            self.manifest,
            **{k: changes.pop(k) for k in ("dataset", "genesis") if k in changes},
        )
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


@pytest.fixture(scope="session")
def proven(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> Proven:
    """The project that everything here is about; never trained in float, which no proof needs."""
    directory = write_project(tmp_path_factory.mktemp("proven") / "tiny")
    project, report = load_project(directory), Reporter()
    blueprint = make_blueprint(project)
    compile_project(project, report, blueprint=blueprint)
    result = prove_project(project, report, blueprint=blueprint)
    assert (result.made, result.kept) == (4, 0)
    (directory / "row.json").write_text(json.dumps(ROW))
    infer_project(project, directory / "row.json", report)
    return Proven(project, blueprint, project.open_store().read_manifest())


@pytest.fixture(scope="session")
def other_batch(proven: Proven) -> ProofRecord:
    """A valid first block proof, but over a batch block with one changed number."""
    batch = proven.blueprint.fixed_blocks[proven.plan.order()[0]].copy()
    batch[0] += 1
    context = proven.plan.context(0)
    proof = proven.prove("step", [context], proven.states[0], batch)
    return replace(proven.proof("step", 0), proof=proof.proof)


@pytest.fixture(scope="session")
def other_weights(proven: Proven) -> InferenceRecord:
    """A valid inference proof with the right context, but with the genesis weights."""
    inference = proven.inference
    row = [from_field(v) for v in inference.proof.public_values[:3]]
    made = proven.prove("inference", [inference.proof.context], proven.states[0], row)
    return replace(
        inference,
        proof=replace(inference.proof, proof=made.proof, public_values=made.public_values),
    )


@pytest.fixture
def published(proven: Proven, tmp_path: Path) -> Path:
    """A copy of what an auditor gets: project file, manifest, proofs; no data, weights or keys."""
    source, target = proven.project.directory, tmp_path / "published"
    (target / ".zkdescent").mkdir(parents=True)
    shutil.copy(source / "zkdescent.toml", target)
    for name in ("manifest.json", "proofs", "inferences"):
        origin = source / ".zkdescent" / name
        copy = shutil.copytree if origin.is_dir() else shutil.copy
        copy(origin, target / ".zkdescent" / name)
    return target


@pytest.fixture
def copied(proven: Proven, tmp_path: Path) -> Project:
    """A copy of the whole project; its keys are hard links."""
    target = tmp_path / "copied"

    def link(source: str, destination: str) -> None:
        copy: Callable[[str, str], object] = os.link if "/objects/" in source else shutil.copy2
        copy(source, destination)

    shutil.copytree(proven.project.directory, target, copy_function=link)
    return load_project(target)


@pytest.fixture(scope="session", autouse=True)
def remembered() -> Iterator[None]:
    """Verify each distinct proof once: an acceptance by the EVM is remembered, nothing else.

    One verification takes seconds in a Python EVM, and most audits here fail at a later link.
    """
    accepted: set[tuple[bytes, bytes, tuple[int, ...]]] = set()
    original = EvmProofVerifier.verify

    def verify(self: EvmProofVerifier, circuit: CircuitRecord, proof: ProofRecord) -> None:
        if circuit.backend != "ezkl":  # its verifier is an object, which tests replace
            original(self, circuit, proof)
            return
        key = (circuit.vka_digest, proof.proof, proof.public_values)
        if key not in accepted:
            original(self, circuit, proof)
            accepted.add(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvmProofVerifier, "verify", verify)
        yield


@pytest.fixture(scope="session")
def chains(proven: Proven, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a chain with the run open and nothing submitted, and with the model minted."""
    folder = tmp_path_factory.mktemp("chains")
    path, manifest, plan = folder / "chain", proven.manifest, proven.plan
    assert manifest.specs is not None
    assert manifest.circuits.range is not None
    with Chain.tester(path) as chain:
        client = TrainingClient(chain)
        client.ensure_deployed()
        client.register_circuits(manifest.circuits, manifest.specs)
        client.create_task(plan)
        client.admit(
            plan, manifest.circuits.range, manifest.dataset, lambda i: proven.proof("range", i)
        )
        client.open_run(plan)
        shutil.copy(path, folder / "opened")
        client.submit(
            plan, manifest.circuits.step, manifest.dataset, lambda i: proven.proof("step", i)
        )
        client.finalise(plan)
        client.mint(plan)
    return {"opened": folder / "opened", "minted": path}


def _copy(chains: dict[str, Path], stage: str, folder: Path) -> Iterator[TrainingClient]:
    with Chain.tester(shutil.copy(chains[stage], folder / stage)) as chain:
        yield TrainingClient(chain)


@pytest.fixture(scope="session")
def opened(
    chains: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingClient]:
    """The open run, for calls that change nothing."""
    yield from _copy(chains, "opened", tmp_path_factory.mktemp("opened"))


@pytest.fixture(scope="session")
def minted(
    chains: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainingClient]:
    """The minted model, for calls that change nothing."""
    yield from _copy(chains, "minted", tmp_path_factory.mktemp("minted"))


@pytest.fixture
def opened_copy(chains: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The open run, to act on."""
    yield from _copy(chains, "opened", tmp_path)


@pytest.fixture
def minted_copy(chains: dict[str, Path], tmp_path: Path) -> Iterator[TrainingClient]:
    """The minted model, to act on."""
    yield from _copy(chains, "minted", tmp_path)


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, write_project: Callable[..., Path]) -> HonkRun:
    """The same project on the second prover."""
    return honk_run(tmp_path_factory.getbasetemp(), write_project)


@pytest.fixture(scope="session")
def foreign(honest: HonkRun, write_project: Callable[..., Path]) -> Foreign:
    """Another learning rate's circuit, and a valid proof of it."""
    return foreign_circuit(honest, write_project), foreign_proof(honest, write_project)


@pytest.fixture(scope="module")
def acceptances() -> Iterator[None]:
    """An acceptance by the EVM is remembered for the same records, whose objects digests name."""
    accepted: set[tuple[bytes, bytes]] = set()
    original = EvmProofVerifier.verify

    def verify(self: EvmProofVerifier, circuit: CircuitRecord, proof: ProofRecord) -> None:
        key = canonical_json(circuit.to_json()), canonical_json(proof.to_json())
        if key not in accepted:
            original(self, circuit, proof)
            accepted.add(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvmProofVerifier, "verify", verify)
        yield
