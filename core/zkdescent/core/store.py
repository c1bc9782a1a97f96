"""The artefact store of a project: ``DIR/.zkdescent/``.

Two kinds of content, both checked against their sha256 whenever they are read:

- *objects*, ``objects/<sha256>``: keys, compiled circuits, settings. Named by content.
- *artefacts*, files with a name (``proofs/block-00000.proof.json``, ``train/model.onnx``), listed
  with hash and size under ``artefacts`` in ``manifest.json``.

What an interruption leaves: the old content or the new content of a name, never half of one and
never a name that disagrees with the manifest. The write order is what makes it so: the new bytes
go to ``pending/<sha256>``, then the manifest is replaced (the commit point), then the bytes take
their name. A reader that finds the old bytes under the name looks in ``pending``; the next writer
finishes the move, and clears what was never committed. One process writes at a time.

Example:
    >>> import tempfile
    >>> store = ArtefactStore(Path(tempfile.mkdtemp()) / ".zkdescent")
    >>> store.write_json("train/metrics.json", {"loss": 0.5}).bytes
    13
    >>> store.read_json("train/metrics.json")
    {'loss': 0.5}
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zkdescent.core._codec import canonical_json, parse_json
from zkdescent.core._files import (
    FileLock,
    copy_atomic,
    sha256_of,
    storage_errors,
    write_bytes_atomic,
)
from zkdescent.core.errors import ArtefactError, suggestion
from zkdescent.core.records import ArtefactEntry, Manifest

MANIFEST = "manifest.json"
STORE_DIRECTORY = ".zkdescent"
PROGRESS = "progress.json"
"""What the process that works on the project is doing; no artefact, and nobody's input."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_RESERVED = ("objects", "pending", "scratch", "lock", PROGRESS, MANIFEST)


class ArtefactStore:
    """The files under ``root``, which is made by the first write. Reading never changes anything.

    Writers take the lock by themselves; hold it around a whole command with :meth:`lock`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._scratch = root / "scratch"
        self._pending = root / "pending"
        self._lock = FileLock.of(root / "lock")

    @contextlib.contextmanager
    def lock(self, purpose: str = "write", *, timeout_s: float = 10.0) -> Iterator[None]:
        """Keep other processes from writing; finishes or clears what an interruption left.

        Raises:
            ArtefactError: another process writes this project; it is named.
        """
        with self._lock.hold(purpose, timeout_s=timeout_s) as outermost:
            if outermost:
                with storage_errors(self.root):
                    self._recover()
            yield

    def holder(self) -> str | None:
        """Say who writes this project now: "process 7 (prove)"; None if nobody does."""
        return self._lock.holder()

    # objects, named by content

    def put_bytes(self, data: bytes) -> str:
        """Store an object and return its name, the sha256 of ``data`` as 64 hex digits."""
        digest = hashlib.sha256(data).hexdigest()
        target = self._object(digest)
        with self.lock("put_bytes"), storage_errors(target):
            if not self._intact(target, digest):
                write_bytes_atomic(target, data, scratch=self._scratch)
        return digest

    def put_file(self, source: Path) -> str:
        """Store a copy of a file as an object and return its name (sha256, 64 hex digits)."""
        with self.lock("put_file"), storage_errors(source):
            digest = sha256_of(source)
            target = self._object(digest)
            if not self._intact(target, digest):
                copy_atomic(source, target, scratch=self._scratch)
                if sha256_of(target) != digest:
                    target.unlink()
                    raise ArtefactError("a file changed while it was being stored", path=source)
        return digest

    def get(self, digest: str) -> bytes:
        """Return an object's bytes.

        Raises:
            ArtefactError: there is no such object, or its bytes no longer have this hash.
        """
        path = self._existing_object(digest)
        with storage_errors(path):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(path, digest, data)
        return data

    def path_of(self, digest: str) -> Path:
        """Return the path of an object after checking its hash, for tools that want files.

        The file must not be written to.

        Raises:
            ArtefactError: as :meth:`get`.
        """
        path = self._existing_object(digest)
        with storage_errors(path):
            if not self._intact(path, digest):
                raise self._damaged(path, digest, None)
        return path

    def has(self, digest: str) -> bool:
        """Say whether an object of this name is there (its bytes are checked by reading it)."""
        return self._object(digest).is_file()

    # artefacts, named and listed in the manifest

    def write_bytes(self, name: str, data: bytes) -> ArtefactEntry:
        """Write a named artefact and list it in the manifest.

        Raises:
            ArtefactError: the name is not allowed, or the disk refuses.
        """
        self._check_name(name)
        digest = hashlib.sha256(data).hexdigest()
        entry = ArtefactEntry(sha256=digest, bytes=len(data))
        with self.lock(f"write {name}"), storage_errors(self.root / name):
            raw = self._raw_manifest()
            write_bytes_atomic(self._pending / digest, data, scratch=self._scratch)
            raw["artefacts"][name] = entry.to_json()
            self._replace_manifest(raw)
            self._settle(name, digest)
        return entry

    def write_json(self, name: str, value: object) -> ArtefactEntry:
        """Write a record or a JSON-like value as canonical JSON; else as :meth:`write_bytes`."""
        return self.write_bytes(name, canonical_json(value))

    def read_bytes(self, name: str, *, check: bool = True) -> bytes:
        """Return a named artefact.

        ``check=False`` skips the manifest's hash. It is for content that proves itself: an auditor
        reads proofs this way, so that a tampered one is *rejected as a proof* by cryptography and
        not reported as a damaged file.

        Raises:
            ArtefactError: not listed, not there, or its bytes are not the listed ones.
        """
        self._check_name(name)
        path = self.root / name
        with storage_errors(path):
            if not check:
                if not path.is_file():
                    raise self._absent(name)
                return path.read_bytes()
            # A writer may replace name and manifest between our two reads: look again before
            # calling it damage. More than a few changes in a row would be a broken writer.
            for _ in range(5):
                entry = self._entry(name)
                for candidate in (path, self._pending / entry.sha256):
                    with contextlib.suppress(FileNotFoundError):
                        data = candidate.read_bytes()
                        if hashlib.sha256(data).hexdigest() == entry.sha256:
                            return data
                if self._entry(name) == entry:
                    break
            if not path.is_file():
                raise self._absent(name)
            raise self._damaged(path, entry.sha256, path.read_bytes())

    def read_json(self, name: str, *, check: bool = True) -> Any:
        """Return a named artefact parsed as JSON; raises as :meth:`read_bytes`."""
        return parse_json(self.read_bytes(name, check=check), path=str(self.root / name))

    def entry(self, name: str) -> ArtefactEntry:
        """Return what the manifest knows of a name.

        Raises:
            ArtefactError: the name is not listed; the nearest one is suggested.
        """
        self._check_name(name)
        with storage_errors(self.root):
            return self._entry(name)

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Return the listed names that start with ``prefix``, sorted."""
        with storage_errors(self.root):
            return tuple(
                sorted(n for n in self._raw_manifest()["artefacts"] if n.startswith(prefix))
            )

    def remove(self, prefix: str) -> tuple[str, ...]:
        """Remove the named artefacts that start with ``prefix`` and return their names.

        The manifest forgets them first: an interruption leaves unlisted files, which nobody reads.
        """
        with self.lock(f"remove {prefix}"), storage_errors(self.root):
            raw = self._raw_manifest()
            gone = sorted(name for name in raw["artefacts"] if name.startswith(prefix))
            for name in gone:
                del raw["artefacts"][name]
            if gone:
                self._replace_manifest(raw)
            for name in gone:
                (self.root / name).unlink(missing_ok=True)
        return tuple(gone)

    # the manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the statement part of the manifest.

        ``manifest.artefacts`` is ignored: the store's own, current list is what gets written.
        """
        with self.lock("write manifest"), storage_errors(self.root / MANIFEST):
            raw = manifest.to_json()
            raw["artefacts"] = self._raw_manifest()["artefacts"]
            self._replace_manifest(raw)

    def read_manifest(self) -> Manifest:
        """Return the manifest.

        Raises:
            ArtefactError: nothing was compiled yet, or the file is malformed.
        """
        with storage_errors(self.root / MANIFEST):
            raw = self._raw_manifest()
        if "circuits" not in raw:
            raise ArtefactError(
                "this project has no compiled circuits yet",
                expected=MANIFEST,
                path=self.root,
                hint="run `zkdescent compile` (or `zkdescent run`) first",
            )
        return Manifest.from_json(raw, path=str(self.root / MANIFEST))

    # private

    def _raw_manifest(self) -> dict[str, Any]:
        path = self.root / MANIFEST
        try:
            raw = parse_json(path.read_bytes(), path=str(path))
        except FileNotFoundError:
            return {"format": Manifest.FORMAT, "artefacts": {}}
        if not isinstance(raw, dict) or raw.get("format") != Manifest.FORMAT:
            raise ArtefactError(
                "unknown manifest format",
                expected=Manifest.FORMAT,
                got=raw.get("format") if isinstance(raw, dict) else type(raw).__name__,
                path=path,
                hint="the manifest is of another version of zkdescent, or was edited",
            )
        if not isinstance(raw.get("artefacts"), dict):
            raise ArtefactError("the manifest lists no artefacts", expected="artefacts", path=path)
        # A manifest may come from somebody else, and its names become paths to write and delete.
        for name in raw["artefacts"]:
            self._check_name(name)
        return raw

    def _replace_manifest(self, raw: dict[str, Any]) -> None:
        write_bytes_atomic(self.root / MANIFEST, canonical_json(raw), scratch=self._scratch)

    def _entry(self, name: str) -> ArtefactEntry:
        artefacts = self._raw_manifest()["artefacts"]
        if name not in artefacts:
            raise ArtefactError(
                "there is no such artefact",
                got=name,
                path=self.root,
                hint=suggestion(name, artefacts, what="artefacts"),
            )
        return ArtefactEntry.from_json(artefacts[name], path=f"{MANIFEST}.artefacts.{name}")

    def _settle(self, name: str, digest: str) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._pending / digest, target)

    def _recover(self) -> None:
        for folder in (self.root, self._scratch, self._pending):
            # Recovery empties these. In a project from somebody else they could lead elsewhere.
            if folder.is_symlink():
                raise ArtefactError(
                    "a folder of the artefact store is a symbolic link",
                    path=folder,
                    hint="copy the project without links, or remove this one",
                )
        if self._scratch.is_dir():
            for leftover in self._scratch.iterdir():
                leftover.unlink()
        if not self._pending.is_dir() or not any(self._pending.iterdir()):
            return
        for name, value in self._raw_manifest()["artefacts"].items():
            digest = ArtefactEntry.from_json(value, path=f"{MANIFEST}.artefacts.{name}").sha256
            waiting = self._pending / digest
            if waiting.is_file() and not self._intact(self.root / name, digest):
                copy_atomic(waiting, self.root / name, scratch=self._scratch)
        for leftover in self._pending.iterdir():
            leftover.unlink()

    def _object(self, digest: str) -> Path:
        if re.fullmatch(r"[0-9a-f]{64}", digest) is None:
            raise ArtefactError(
                "not an object name", expected="64 lowercase hex digits", got=digest
            )
        return self.root / "objects" / digest

    def _existing_object(self, digest: str) -> Path:
        path = self._object(digest)
        if not path.is_file():
            raise ArtefactError(
                "an object is missing from the store",
                expected=digest,
                path=path.parent,
                hint="run `zkdescent compile` again; an auditor's copy may lack proving keys",
            )
        return path

    @staticmethod
    def _intact(path: Path, digest: str) -> bool:
        return path.is_file() and sha256_of(path) == digest

    def _check_name(self, name: str) -> None:
        if _NAME.fullmatch(name) is None or name.split("/")[0] in _RESERVED:
            raise ArtefactError(
                "not a name for an artefact",
                expected="relative names of letters, digits, '.', '_', '-' and '/'",
                got=name,
                hint=f"reserved: {', '.join(_RESERVED)}",
            )

    def _absent(self, name: str) -> ArtefactError:
        return ArtefactError(
            "an artefact is listed but its file is missing, or was never written",
            expected=name,
            path=self.root / name,
            hint="run the command that makes it again",
        )

    @staticmethod
    def _damaged(path: Path, digest: str, data: bytes | None) -> ArtefactError:
        return ArtefactError(
            "an artefact does not have the content that was stored",
            expected=digest,
            got=sha256_of(path) if data is None else hashlib.sha256(data).hexdigest(),
            path=path,
            hint="it was changed or damaged; delete it and run the command that makes it again",
        )
