"""The whole state of a tester chain in one file, so that it outlives the process.

py-evm keeps everything (headers, transactions, receipts, trie nodes, code) in one key-value store
and finds its head there, so the store is the chain. Layout of the file:

    23 bytes   magic, b"zkdescent.tester.v1\\0\\0\\0\\n"
    32 bytes   SHA-256 of all that follows
     8 bytes   number of pairs, big endian
    per pair   key length (4), value length (4), key, value; pairs in ascending key order

Example: an empty store is the magic, sha256 of eight zero bytes (af5570f5a1810b7a...), and eight
zero bytes. The file is written beside the old one, flushed and renamed over it: a reader sees the
old state or the new one, never half of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from zkdescent.core.errors import ChainError

MAGIC = b"zkdescent.tester.v1\0\0\0\n"
_DIGEST_BYTES = 32


def encode_store(store: Mapping[bytes, bytes]) -> bytes:
    """Return the file content for a key-value store; equal stores give equal bytes."""
    parts = [len(store).to_bytes(8, "big")]
    for key in sorted(store):
        value = store[key]
        parts += [len(key).to_bytes(4, "big"), len(value).to_bytes(4, "big"), key, value]
    payload = b"".join(parts)
    return MAGIC + hashlib.sha256(payload).digest() + payload


def decode_store(content: bytes, path: Path) -> dict[bytes, bytes]:
    """Return the key-value store a file holds.

    Raises:
        ChainError: not such a file, or its digest does not match (cut short or changed).
    """
    digest_end = len(MAGIC) + _DIGEST_BYTES
    digest, payload = content[len(MAGIC) : digest_end], content[digest_end:]
    if not content.startswith(MAGIC) or hashlib.sha256(payload).digest() != digest:
        raise ChainError(
            "the file of the tester chain is damaged",
            expected=f"sha256 {digest.hex()}",
            got=hashlib.sha256(payload).hexdigest(),
            path=path,
            hint=f"delete {path} to start a new chain, then deploy and submit again; "
            "proofs stay valid",
        )
    store, offset = {}, 8
    for _ in range(int.from_bytes(payload[:8], "big")):
        key_end = offset + 8 + int.from_bytes(payload[offset : offset + 4], "big")
        value_end = key_end + int.from_bytes(payload[offset + 4 : offset + 8], "big")
        store[payload[offset + 8 : key_end]] = payload[key_end:value_end]
        offset = value_end
    return store


class TesterFile:
    """A tester chain's file, held under an exclusive lock while it is open.

    Two processes on one file would each write a chain without the other's blocks; the second one
    is refused instead. The lock is on a file of its own, because the state file is replaced at
    each block.

    Raises:
        ChainError: another process has the chain open, or the folder can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[bytes] | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(self.path.name + ".lock").open("ab")
        except OSError as error:
            raise ChainError(
                "can't keep the tester chain there",
                got=str(error),
                path=path,
                hint="choose a folder you can write to",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise ChainError(
                "another process is using this tester chain",
                path=path,
                hint="wait until it has finished",
            ) from error
        self._lock = lock

    def read(self) -> dict[bytes, bytes] | None:
        """Return the stored state, or None if there is no file yet.

        Raises:
            ChainError: the file is damaged or can't be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ChainError(
                "can't read the tester chain",
                got=str(error),
                path=self.path,
                hint="check the file's permissions",
            ) from error
        return decode_store(content, self.path)

    def write(self, store: Mapping[bytes, bytes]) -> None:
        """Replace the stored state atomically.

        Raises:
            ChainError: the file can't be written; the old one is untouched.
        """
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(encode_store(store))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except OSError as error:
            Path(name).unlink(missing_ok=True)
            raise ChainError(
                "can't write the tester chain",
                got=str(error),
                path=self.path,
                hint="free some space on the disk",
            ) from error

    def close(self) -> None:
        """Release the lock; the state on disk stays."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
