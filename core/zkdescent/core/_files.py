"""Files that are either whole or not there: atomic writes, hashes, and a lock between processes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from zkdescent.core.errors import ArtefactError

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.05


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits, reading it in pieces (keys are large)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError (disk full, no permission) into an ArtefactError that names the path."""
    try:
        yield
    except OSError as error:
        raise ArtefactError(
            "the artefact store could not be read or written",
            got=error.strerror or str(error),
            path=error.filename or path,
            hint="check free space and permissions, then run the command again",
        ) from error


def write_atomic(target: Path, write: Callable[[BinaryIO], None], *, scratch: Path) -> None:
    """Write ``target`` so that a reader, or a crash, sees the old file or the new one, whole.

    The new file grows in ``scratch`` (same file system), is flushed to disk, and then takes the
    name in one rename. A crash leaves at most a file in ``scratch``.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = scratch / f"{os.getpid()}-{threading.get_ident()}-{target.name}"
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def write_bytes_atomic(target: Path, data: bytes, *, scratch: Path) -> None:
    """Write bytes as :func:`write_atomic` does."""

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomic(target, write, scratch=scratch)


def copy_atomic(source: Path, target: Path, *, scratch: Path) -> None:
    """Copy a file as :func:`write_atomic` does."""

    def write(stream: BinaryIO) -> None:
        with source.open("rb") as origin:
            while chunk := origin.read(_CHUNK_BYTES):
                stream.write(chunk)

    write_atomic(target, write, scratch=scratch)


def sync_directory(directory: Path) -> None:
    """Flush a directory, without which a rename may be lost in a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """An exclusive lock between processes (``flock``); re-entrant within one.

    The kernel drops it when its holder ends, however it ends, so there are no stale locks. Threads
    of one process wait for each other. A worker process of the holder cannot take it: workers
    hand their results to the parent, which stores them.
    """

    _known: ClassVar[dict[Path, FileLock]] = {}

    @classmethod
    def of(cls, path: Path) -> FileLock:
        """Return this process's one lock for a path: who holds it may open the store again."""
        return cls._known.setdefault(path.absolute(), cls(path))

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.RLock()
        self._depth = 0
        self._descriptor = -1
        self._holder_pid = 0

    @contextlib.contextmanager
    def hold(self, purpose: str, *, timeout_s: float = 0.0) -> Iterator[bool]:
        """Hold the lock; yields True for the outermost hold of this process.

        Raises:
            ArtefactError: another process held it for all of ``timeout_s``; it is named. Or this
                is a forked worker of the holder.
        """
        with self._threads:
            if self._depth and self._holder_pid != os.getpid():
                # A forked worker inherits the depth and the descriptor, but not the right to write.
                raise ArtefactError(
                    "a worker process may not write the artefact store",
                    expected=f"process {self._holder_pid}",
                    got=f"process {os.getpid()}",
                    path=self._path,
                    hint="hand the result to the parent process, which stores it",
                )
            outermost = self._depth == 0
            if outermost:
                with storage_errors(self._path):
                    self._acquire(purpose, timeout_s)
            self._depth += 1
            try:
                yield outermost
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._descriptor)
                    self._descriptor = -1

    def _acquire(self, purpose: str, timeout_s: float) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        give_up_at = time.monotonic() + timeout_s
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= give_up_at:
                        raise self._taken() from None
                    time.sleep(_POLL_S)
            # Who holds it, for the message of the process that doesn't get it.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "purpose": purpose}).encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._holder_pid = descriptor, os.getpid()

    def holder(self) -> str | None:
        """Say who holds the lock; None if nobody does. Changes nothing."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._who()
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return None

    def _who(self) -> str:
        try:
            holder = json.loads(self._path.read_bytes())
            return f"process {holder['pid']} ({holder['purpose']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def _taken(self) -> ArtefactError:
        who = self._who()
        return ArtefactError(
            "another process is writing this project",
            got=who,
            path=self._path,
            hint="wait for it to end, or end it; the lock goes with the process",
        )
