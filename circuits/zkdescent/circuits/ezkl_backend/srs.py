"""Structured reference strings.

A locally generated string is *unsafe*: whoever made it can forge every proof under it. It is what
tests, demos and local chains use, under a name that says so. A *ceremony's* string is used where
`$ZKDESCENT_EZKL_SRS` names a folder of them; each must have the hash that ezkl pins for its rows.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from zkdescent.circuits.cache import cache_directory
from zkdescent.circuits.ezkl_backend.worker import call
from zkdescent.circuits.npm import sha256_of
from zkdescent.core.errors import ArtefactError

SRS_ENV = "ZKDESCENT_EZKL_SRS"
Source = Literal["unsafe-local", "ceremony"]
# logrows -> sha256 of the perpetual-powers-of-tau string that ezkl 23.0.5 takes (its srs_sha.rs).
PINNED = {
    11: "257fa566ed9bc0767d3e63e92b5e966829fa3347d320a32055dc31ee7d33f8a4",
    12: "28b151069f41abc121baa6d2eaa8f9e4c4d8326ddbefee2bd9c0776b80ac6fad",
    13: "d5d94bb25bdc024f649213593027d861042ee807cafd94b49b54f1663f8f267d",
    14: "c09129f064c08ecb07ea3689a2247dcc177de6837e7d2f5f946e30453abbccef",
    15: "90807800a1c3b248a452e1732c45ee5099f38b737356f5542c0584ec9c3ebb45",
    16: "2a1a494630e71bc026dd5c0eab4c1b9a5dbc656228c1f0d48f5dbd3909b161d3",
    17: "41509f380362a8d14401c5ae92073154922fe23e45459ce6f696f58607655db7",
    18: "d0148475717a2ba269784a178cb0ab617bc77f16c58d4a3cbdfe785b591c7034",
    19: "d1a1655b4366a766d1578beb257849a92bf91cb1358c1a2c37ab180c5d3a204d",
    20: "54ef75911da76d7a6b7ea341998aaf66cb06c679c53e0a88a4fe070dd3add963",
}


def select(logrows: int) -> tuple[Path, Source]:
    """The string for 2**logrows rows, and whose it is.

    Raises:
        ArtefactError: the variable names a folder, but the string in it is missing or another.
    """
    if os.environ.get(SRS_ENV):
        return ceremony_srs(logrows), "ceremony"
    return unsafe_srs(logrows), "unsafe-local"


def ceremony_srs(logrows: int) -> Path:
    """Path of the ceremony's string in the folder that the variable names, checked by hash."""
    path = ceremony_path(logrows)
    if not path.is_file():
        raise ArtefactError(
            f"{SRS_ENV} names no folder with the string for these rows",
            expected=path.name,
            path=path.parent,
            hint=f"fetch it with `zkdescent srs fetch ezkl --logrows {logrows}`",
        )
    state = path.stat()
    got = _digest(path, state.st_size, state.st_mtime_ns)
    if got != PINNED.get(logrows):
        raise ArtefactError(
            "the reference string has another hash than ezkl pins",
            expected=PINNED.get(logrows),
            got=got,
            path=path,
        )
    return path


def ceremony_path(logrows: int) -> Path:
    """Where the ceremony's string is looked for: the named folder, else the cache."""
    named = os.environ.get(SRS_ENV)
    return Path(named) / f"kzg{logrows}.srs" if named else cached_ceremony(logrows)


def cached_ceremony(logrows: int) -> Path:
    """Where a fetched string is kept."""
    return cache_directory() / "srs" / "ceremony" / f"kzg{logrows}.srs"


def unsafe_path(logrows: int) -> Path:
    """Where the local string is kept."""
    return cache_directory() / "srs" / f"unsafe-{logrows}.srs"


def unsafe_srs(logrows: int) -> Path:
    """Path of a local reference string for 2**logrows rows, generated on first use."""
    path = unsafe_path(logrows)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            call("gen_srs", path=str(partial), logrows=logrows)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    return sha256_of(path)
