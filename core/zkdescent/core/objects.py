"""Objects of a store by their sha256, read-only: hashed once while they stay as they are.

A proving key has hundreds of megabytes. A worker that proves with it a hundred times hashes it
when it first meets it, and again only if its size, time or place on disk has changed.
"""

from __future__ import annotations

from pathlib import Path

from zkdescent.core._files import sha256_of, storage_errors
from zkdescent.core.errors import ArtefactError


class CheckedObjects:
    """The folder ``objects/`` of an artefact store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[int, int, int]] = {}

    def path_of(self, digest: str) -> Path:
        """Return the path of an object that has this sha256 (64 hex digits).

        Raises:
            ArtefactError: it is not there, or holds other bytes.
        """
        path = self.folder / digest
        with storage_errors(path):
            if not path.is_file():
                raise ArtefactError(
                    "an object is missing from the store",
                    expected=digest,
                    path=self.folder,
                    hint="run `zkdescent compile` again; an auditor's copy may lack proving keys",
                )
            state = path.stat()
            seen = (state.st_size, state.st_mtime_ns, state.st_ino)
            if self._known.get(digest) != seen:
                got = sha256_of(path)
                if got != digest:
                    raise ArtefactError(
                        "an artefact does not have the content that was stored",
                        expected=digest,
                        got=got,
                        path=path,
                        hint="it was changed or damaged; delete it and run `zkdescent compile`",
                    )
                self._known[digest] = seen
        return path
