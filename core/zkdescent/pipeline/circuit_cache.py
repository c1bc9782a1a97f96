"""Circuits that were built for any project of this user, by what decides them.

Setup takes longer than a proof. Two projects with the same model, sizes and prover have the same
circuits, and a project that is made again has those it had. An entry is a folder named by the key
of `building` together with the sources of this package that make circuits, so that another version
of them never meets it: ``record.json`` and the objects, each under its sha256.

`$ZKDESCENT_CIRCUIT_CACHE_GB` bounds it (default 5; 0: no cache); the entries that were used least
recently go first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from functools import cache
from pathlib import Path

import zkdescent.circuits as package
from zkdescent.circuits.cache import cache_directory, made_whole
from zkdescent.core._files import sha256_of
from zkdescent.core.errors import ArtefactError, ConfigError
from zkdescent.core.records import CircuitRecord, canonical_json, parse_json
from zkdescent.core.store import ArtefactStore

LIMIT_ENV = "ZKDESCENT_CIRCUIT_CACHE_GB"
_DEFAULT_GB = 5.0
_RECORD = "record.json"


def load(key: str, store: ArtefactStore) -> CircuitRecord | None:
    """Bring a circuit's objects into a store; None if it is not cached, or not whole any more."""
    folder = _folder(key)
    if limit_bytes() == 0 or not (folder / _RECORD).is_file():
        return None
    try:
        record = CircuitRecord.from_json(parse_json((folder / _RECORD).read_bytes()))
        for digest in record.objects.values():
            path = folder / digest
            if not store.has(digest) and store.put_file(path) != digest:
                raise ArtefactError("a cached object has another hash", expected=digest, path=path)
    except (ArtefactError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / _RECORD)
    return record


def save(key: str, record: CircuitRecord, store: ArtefactStore) -> None:
    """Keep a circuit for other projects; a full disk is no reason to fail."""
    limit = limit_bytes()
    if limit == 0:
        return
    with contextlib.suppress(OSError):
        with made_whole(_folder(key)) as partial:
            for digest in sorted(set(record.objects.values())):
                shutil.copyfile(store.path_of(digest), partial / digest)
            (partial / _RECORD).write_bytes(canonical_json(record.to_json()))
        _evict(limit)


def limit_bytes() -> int:
    """How large the cache may be.

    Raises:
        ConfigError: the variable holds no number.
    """
    text = os.environ.get(LIMIT_ENV)
    try:
        gigabytes = _DEFAULT_GB if text is None else float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e9:
        raise ConfigError(f"${LIMIT_ENV} is not allowed", expected="a number, 0 or more", got=text)
    return int(gigabytes * (1 << 30))


def _evict(limit: int) -> None:
    """Remove what was used least recently until the rest fits."""
    entries = []
    for record in (cache_directory() / "circuits").glob(f"*/{_RECORD}"):
        size = sum(path.stat().st_size for path in record.parent.iterdir())
        entries.append((record.stat().st_mtime, size, record.parent))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total <= limit:
            return
        shutil.rmtree(folder, ignore_errors=True)
        total -= size


def _folder(key: str) -> Path:
    name = hashlib.sha256(f"{key} {sources_digest()}".encode()).hexdigest()
    return cache_directory() / "circuits" / name


@cache
def sources_digest() -> str:
    """sha256 over the modules that make circuits and keys, in order of their paths."""
    digest = hashlib.sha256()
    for root in package.__path__:
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()
