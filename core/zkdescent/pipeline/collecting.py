"""Garbage in an artefact store: what no manifest names and no listed artefact speaks of."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core._files import storage_errors
from zkdescent.core.config import Project
from zkdescent.core.errors import ArtefactError
from zkdescent.core.store import ArtefactStore

# Folders that hold artefacts and nothing else. A local chain's database is in `chain`.
_FOLDERS = ("circuits", "inferences", "proofs", "train")
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Garbage:
    """What was found, relative to the store, with sizes in bytes; and whether it is gone."""

    files: tuple[tuple[str, int], ...]
    removed: bool

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for _, size in self.files)


def collect_garbage(project: Project, *, delete: bool = False) -> Garbage:
    """Find objects and files that nothing names; with `delete`, remove them.

    An object is kept if its digest stands anywhere in the manifest or in a listed artefact: the
    keys of circuits that are not of this run, but are still described, among them.

    Raises:
        ArtefactError: another process writes the project, or a listed artefact is damaged, so
            that what it names is not known.
    """
    store = project.open_store()
    if not store.root.is_dir():
        return Garbage((), delete)
    if not delete:
        return Garbage(tuple(_unnamed(store)), False)
    with store.lock("gc"), storage_errors(store.root):
        found = tuple(_unnamed(store))
        for name, _ in found:
            (store.root / name).unlink(missing_ok=True)
    return Garbage(found, True)


def _unnamed(store: ArtefactStore) -> list[tuple[str, int]]:
    listed = set(store.names())
    kept = _named_digests(store)
    found = [path for path in _files(store.root / "objects") if path.name not in kept]
    for folder in _FOLDERS:
        files = _files(store.root / folder)
        found += [p for p in files if p.relative_to(store.root).as_posix() not in listed]
    return sorted((p.relative_to(store.root).as_posix(), p.lstat().st_size) for p in found)


def _files(folder: Path) -> list[Path]:
    """Plain files below a folder; a link is never followed, and never touched."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            found += _files(path)
        elif path.is_file():
            found.append(path)
    return found


def _named_digests(store: ArtefactStore) -> set[str]:
    with contextlib.suppress(FileNotFoundError):
        text = (store.root / "manifest.json").read_bytes()
        digests = {match.decode() for match in _DIGEST.findall(text)}
        for name in store.names():
            if name.endswith(".json"):
                try:
                    data = store.read_bytes(name)
                except ArtefactError:
                    if name.startswith("circuits/"):
                        raise
                    continue
                digests |= {match.decode() for match in _DIGEST.findall(data)}
        return digests
    return set()
