"""What was signed and is not settled yet, on disk before it leaves: a write-ahead journal.

A process may be killed between any two instructions. Whoever comes next must know which nonces
were given to which calls, or it would make a second transaction for the same call. Each entry is
therefore written, and flushed, before its transaction is broadcast. Signatures are deterministic
(RFC 6979), so an entry holds what was signed and not the signature: the same key gives the same
bytes again, which a node takes only once.

The file belongs to one account on one chain, told apart from another chain of the same id by the
hash of block 0 (a development node that was started anew).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from zkdescent.core._codec import canonical_json, parse_json
from zkdescent.core._files import FileLock, storage_errors, write_bytes_atomic
from zkdescent.core.records import Record
from zkdescent.verifier._fees import Fees

_LOCK_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Entry(Record):
    """One call under one nonce, with ``value`` wei.

    ``offers`` are the fees it was signed with, newest last.
    """

    action: str
    nonce: int
    to: str
    data: bytes
    gas: int
    offers: tuple[Fees, ...]
    value: int = 0


@dataclass(frozen=True, slots=True)
class _Content(Record):
    FORMAT: ClassVar[str | None] = "zkdescent.outbox/1"

    chain_id: int
    genesis: str
    account: str
    entries: tuple[Entry, ...] = ()


class Outbox:
    """The unsettled transactions of an account, in order of their nonces.

    Args:
        folder: where the file is; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None, *, chain_id: int, genesis: str, account: str) -> None:
        self._content = _Content(chain_id, genesis, account)
        self._path, self._lock = None, None
        if folder is not None:
            self._path = folder / f"outbox-{chain_id}-{account.lower()}.json"
            self._lock = FileLock(self._path.with_suffix(".lock"))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is not settled, in order of nonces."""
        return self._content.entries

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes from sending for this account, and read what they left.

        Raises:
            ArtefactError: another process is sending, or the file is damaged.
        """
        if self._lock is None or self._path is None:
            yield
            return
        with self._lock.hold("send transactions", timeout_s=_LOCK_TIMEOUT_S):
            with storage_errors(self._path):
                known = self._path.read_bytes() if self._path.is_file() else None
            if known is not None:
                read = _Content.from_json(
                    parse_json(known, path=str(self._path)), path=str(self._path)
                )
                # Nonces of a chain that is gone mean nothing on its successor.
                if replace(read, entries=()) == replace(self._content, entries=()):
                    self._content = read
            yield

    def put(self, entry: Entry) -> None:
        """Keep an entry, in the place of one with its nonce; on disk when this returns."""
        others = [e for e in self.entries if e.nonce != entry.nonce]
        self._write(tuple(sorted([*others, entry], key=lambda e: e.nonce)))

    def drop(self, nonce: int) -> None:
        """Forget an entry."""
        self._write(tuple(e for e in self.entries if e.nonce != nonce))

    def _write(self, entries: tuple[Entry, ...]) -> None:
        self._content = replace(self._content, entries=entries)
        if self._path is not None:
            with storage_errors(self._path):
                write_bytes_atomic(
                    self._path, canonical_json(self._content), scratch=self._path.parent / "scratch"
                )
