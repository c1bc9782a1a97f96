"""A project that somebody else made: its manifest and folders must not reach outside of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from zkdescent.core.errors import ArtefactError
from zkdescent.core.store import ArtefactStore

EVIL = b"#!/bin/sh"
DIGEST = hashlib.sha256(EVIL).hexdigest()


def hostile(root: Path, name: str) -> ArtefactStore:
    """A store whose manifest lists ``name``, with content waiting to take that name."""
    for folder in ("pending", "proofs"):
        (root / folder).mkdir(parents=True)
    (root / "pending" / DIGEST).write_bytes(EVIL)
    entry = {"sha256": DIGEST, "bytes": len(EVIL)}
    manifest = {"format": "zkdescent.manifest/1", "artefacts": {name: entry}}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return ArtefactStore(root)


NAMES = ["x/../../../victim", "../victim", "proofs/../../../victim", "/victim", "manifest.json"]


@pytest.mark.parametrize("name", NAMES)
def test_a_listed_name_is_no_way_out(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    store = hostile(tmp_path / "project" / ".zkdescent", name)
    with pytest.raises(ArtefactError, match="not a name"):
        store.write_bytes("a.txt", b"anything")
    with pytest.raises(ArtefactError, match="not a name"):
        store.remove("proofs/")
    with pytest.raises(ArtefactError, match="not a name"):
        store.names()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("folder", ["scratch", "pending"])
def test_recovery_does_not_empty_what_a_link_points_to(tmp_path: Path, folder: str) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "thesis").write_text("precious")
    root = tmp_path / ".zkdescent"
    root.mkdir()
    (root / folder).symlink_to(documents, target_is_directory=True)
    with pytest.raises(ArtefactError, match="symbolic link"):
        ArtefactStore(root).write_bytes("a.txt", b"anything")
    assert (documents / "thesis").read_text() == "precious"
