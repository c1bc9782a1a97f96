"""Stage `compile`: circuits, keys and commitments; the manifest begins here.

Keys are expensive and depend on little: a circuit whose program, arithmetic, size and reference
string are what they were is taken from the store.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zkdescent.circuits import assemble
from zkdescent.circuits.proof_system import BuiltCircuit, CircuitRequest
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError, ProverError
from zkdescent.core.records import (
    CircuitRecord,
    Circuits,
    DatasetRecord,
    Manifest,
    canonical_json,
)
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline import circuit_cache
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.reporting import Reporter
from zkdescent.verifier.twins.commitment import tensor_hash
from zkdescent.verifier.twins.merkle import leaf, merkle_root


def compile_project(
    project: Project, report: Reporter, *, blueprint: Blueprint | None = None
) -> Manifest:
    """Build (or reuse) the three circuits, commit to genesis and data, write the manifest.

    A manifest of the same statement keeps its plan and final state; of another, it is begun anew.

    Raises:
        ZkDescentError: as `make_blueprint`, or the prover failed.
    """
    blueprint = blueprint or make_blueprint(project)
    store = project.open_store()
    requests = blueprint.requests()
    chosen = blueprint.size
    if blueprint.advice is not None:
        report.note(blueprint.advice)
    report.start("compile", len(requests))
    records: dict[str, CircuitRecord] = {}
    for count, request in enumerate(requests, start=1):
        records[request.role] = _circuit(blueprint, store, request, chosen)
        report.advance("compile", count, f"{request.role} circuit")
    circuits = Circuits(
        step=records["step"],
        range=records.get("range"),
        inference=records["inference"],
        aggregate=_aggregate(blueprint, store, records["step"], report),
    )
    genesis, leaves = _commitments(blueprint, store, circuits)
    hashes = [leaf(i, tensor_hash(c)) for i, c in enumerate(leaves)]
    manifest = Manifest(
        project=project.config.project.name,
        config_sha256=project.config_sha256,
        circuits=circuits,
        dataset=DatasetRecord(
            root=merkle_root(hashes),
            leaves=leaves,
            rows=len(blueprint.data.train),
            features=blueprint.batch.features,
            targets=blueprint.batch.targets,
            blocks_per_epoch=len(leaves),
        ),
        genesis=genesis,
        final=None,
        total_proofs=blueprint.total_proofs,
        hyperparameters=blueprint.hyperparameters(),
    )
    kept = _earlier(store)
    if (
        kept is not None
        and replace(kept, final=None, specs=None, task=None, run=None, artefacts={}) == manifest
    ):
        return kept
    store.write_manifest(replace(manifest, artefacts=kept.artefacts if kept else {}))
    return store.read_manifest()


def check_compiled(blueprint: Blueprint, manifest: Manifest) -> None:
    """Refuse to spend proofs on circuits or commitments of another model, data or project file.

    Raises:
        ArtefactError: something changed since `compile`; it is named.
    """
    project, store = blueprint.project, blueprint.project.open_store()
    changed = None
    if manifest.config_sha256 != project.config_sha256:
        changed = "the project file"
    else:
        size = blueprint.size
        for request in blueprint.requests():
            stored = store.read_json(f"circuits/{request.role}.json")
            if stored["key"] != _key(blueprint, request, size):
                changed = f"the model (its {request.role} circuit)"
                break
        else:
            found = _commitments(blueprint, store, manifest.circuits)
            if found != (manifest.genesis, manifest.dataset.leaves):
                changed = "the data or the initial weights"
    if changed is not None:
        raise ArtefactError(
            f"{changed} changed since the circuits were compiled",
            path=project.file,
            hint="run `zkdescent compile` (or `zkdescent run`) first",
        )


def _earlier(store: ArtefactStore) -> Manifest | None:
    try:
        return store.read_manifest()
    except ArtefactError:
        return None


def _circuit(
    blueprint: Blueprint, store: ArtefactStore, request: CircuitRequest, size: int
) -> CircuitRecord:
    return _made(
        store,
        f"circuits/{request.role}.json",
        _key(blueprint, request, size),
        lambda directory: blueprint.backend.build(request, size, directory),
    )


def _aggregate(
    blueprint: Blueprint, store: ArtefactStore, step: CircuitRecord, report: Reporter
) -> CircuitRecord | None:
    """The circuit that verifies several proofs of the step circuit, if the project wants one."""
    blocks = blueprint.project.config.circuit.blocks_per_aggregate
    if blocks == 0:
        return None
    report.note(f"an aggregate of {blocks} block proofs is a large circuit: this takes a while")
    said = {
        "child": step.vk_sha256.hex(),
        "blocks": blocks,
        "zero_knowledge": step.zero_knowledge,
    }
    key = hashlib.sha256(canonical_json(said))
    return _made(
        store,
        "circuits/aggregate.json",
        key.hexdigest(),
        lambda directory: blueprint.backend.build_aggregate(step, store.path_of, blocks, directory),
    )


def _made(
    store: ArtefactStore, name: str, key: str, build: Callable[[Path], BuiltCircuit]
) -> CircuitRecord:
    """A circuit with this key: from the store, from the cache of all projects, or else built."""
    if name in store.names("circuits/"):
        stored = store.read_json(name)
        if stored["key"] == key:
            record = CircuitRecord.from_json(stored["record"])
            if _whole(store, record):
                return record
    cached = circuit_cache.load(key, store)
    if cached is not None:
        record = cached
    else:
        with tempfile.TemporaryDirectory(prefix="zkdescent-") as directory:
            built = build(Path(directory))
            objects = {name: store.put_file(path) for name, path in built.files.items()}
        record = replace(built.record, objects=objects)
        circuit_cache.save(key, record, store)
    store.write_json(name, {"key": key, "record": record.to_json()})
    return record


def _whole(store: ArtefactStore, record: CircuitRecord) -> bool:
    """Whether a circuit's objects are there and hold what they held; else they are made again."""
    try:
        for digest in record.objects.values():
            store.path_of(digest)
    except ArtefactError:
        return False
    return True


def _key(blueprint: Blueprint, request: CircuitRequest, size: int) -> str:
    """Digest of all that decides a circuit and its keys."""
    described = {
        "backend": blueprint.backend.fingerprint(size),
        "program": hashlib.sha256(blueprint.backend.identify(request, size)).hexdigest(),
        "arithmetic": request.fixed.to_json(),
        "size": size,
        "role": request.role,
    }
    return hashlib.sha256(canonical_json(described)).hexdigest()


def _commitments(
    blueprint: Blueprint, store: ArtefactStore, circuits: Circuits
) -> tuple[bytes, tuple[bytes, ...]]:
    """Commit to the genesis state and to each batch block, in the same way for all circuits.

    Raises:
        ProverError: two circuits of the project commit differently to one tensor, so that no
            proof could be chained to another.
    """
    backend = blueprint.backend
    genesis = (assemble.STATE, blueprint.genesis)
    tensors = [genesis, *((assemble.BATCH, block) for block in blueprint.fixed_blocks)]
    points = backend.commit(circuits.step, store.path_of, tensors)
    for circuit in (circuits.range, circuits.inference):
        if circuit is None:
            continue
        if backend.commit(circuit, store.path_of, [genesis]) != points[:1]:
            raise ProverError(
                f"the {circuit.role} circuit commits to a state differently from the step circuit",
                expected="one reference string and one size for the circuits of a project",
            )
    return points[0], tuple(points[1:])
