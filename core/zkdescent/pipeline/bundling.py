"""A run in one file: what anybody needs to verify it, and nothing of what was kept secret.

The file's layout is `zkdescent.core.archive`'s; what is in it is in docs/formats.md. Data, weights,
salt, proving keys and circuits are not.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

from zkdescent.core._files import storage_errors, write_bytes_atomic
from zkdescent.core.archive import write_archive
from zkdescent.core.cid import cid_of
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError
from zkdescent.core.records import ArtefactEntry, Manifest, canonical_json
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import inference_folder, proof_name

FORMAT = "zkdescent.bundle/1"
INDEX = "bundle.json"
MANIFEST = "manifest.json"
PUBLIC_OBJECTS = ("settings", "sol", "verifier", "vk")
"""Kinds of a circuit's objects that are published. The rest is the prover's."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A written bundle.

    Attributes:
        cid: of the file as one block of raw bytes.
    """

    path: Path
    bytes: int
    sha256: str
    cid: str
    proofs: int
    inferences: int


def export_bundle(project: Project, target: Path, *, inferences: bool = False) -> Bundle:
    """Write the run of a project to a file; equal runs give equal bytes.

    Args:
        inferences: also the model's inferences, whose rows are readable in them.

    Raises:
        ArtefactError: the run is not complete, an artefact is missing or damaged, or the file
            can't be written.
    """
    store = project.open_store()
    manifest = store.read_manifest()
    if manifest.run is None or manifest.final is None:
        raise ArtefactError(
            "the run is not proven to its end",
            expected="a final state",
            path=store.root,
            hint="run `zkdescent prove` first",
        )
    named = {name: store.read_bytes(name) for name in _proof_names(store, manifest)}
    used = {}
    if inferences:
        folder = inference_folder(int.from_bytes(manifest.run.run_id, "big"))
        used = {name: store.read_bytes(name) for name in store.names(folder)}
    members = bundle_members(manifest, {**named, **used}, store)
    written = io.BytesIO()
    write_archive(written, members)
    data = written.getvalue()
    with storage_errors(target):
        # The scratch file lies beside the target, which may be on another disk than the project.
        write_bytes_atomic(target, data, scratch=target.absolute().parent)
    return Bundle(
        target, len(data), hashlib.sha256(data).hexdigest(), cid_of(data), len(named), len(used)
    )


def bundle_members(
    manifest: Manifest, named: dict[str, bytes], store: ArtefactStore
) -> dict[str, bytes]:
    """All members by name, the index among them."""
    entries = {
        name: ArtefactEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in named.items()
    }
    members = {MANIFEST: canonical_json(replace(manifest, artefacts=entries).to_json()), **named}
    for circuit in manifest.circuits.present():
        for kind in PUBLIC_OBJECTS:
            if kind in circuit.objects:
                digest = circuit.objects[kind]
                members[f"objects/{digest}"] = store.get(digest)
    listed = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in members.items()
    }
    index = {"format": FORMAT, "project": manifest.project, "members": listed}
    return {INDEX: canonical_json(index), **members}


def default_path(project: Project) -> Path:
    """Where a bundle goes if nothing else is said: NAME.zkbundle in the current directory."""
    return Path(os.curdir) / f"{project.config.project.name}.zkbundle"


def _proof_names(store: ArtefactStore, manifest: Manifest) -> list[str]:
    """Range proofs, and of each block the aggregate that covers it, or else its own proof."""
    there = set(store.names("proofs/"))
    names = []
    if manifest.circuits.range is not None:
        names = [proof_name("range", i) for i in range(len(manifest.dataset.leaves))]
    several, first = manifest.circuits.aggregate, 0
    while first < manifest.total_proofs:
        name = proof_name("aggregate", first)
        if several is not None and name in there:
            names.append(name)
            first += several.blocks
        else:
            names.append(proof_name("step", first))
            first += 1
    return names
