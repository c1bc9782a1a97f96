"""Ceremony reference strings: where they are kept, how they are fetched, what they must be.

Nothing is trusted because of where it came from. A string for ezkl must have the sha256 that ezkl
itself pins for its number of rows; one for bb must follow from the ceremony's [tau]_2 (pairings of
a random sample), and have the sha256 that the user gives, if one is given.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

from zkdescent.circuits.barretenberg import srs as honk
from zkdescent.circuits.barretenberg.ceremony import check_ceremony
from zkdescent.circuits.barretenberg.doubling import POINT_BYTES
from zkdescent.circuits.cache import cache_directory
from zkdescent.circuits.ezkl_backend import srs as halo2
from zkdescent.circuits.npm import sha256_of
from zkdescent.core.errors import ArtefactError, ChainError, ConfigError

Prover = Literal["barretenberg", "ezkl"]

HONK_URL = "https://crs.aztec.network/g1.dat"
EZKL_URL = "https://kzg.ezkl.xyz/kzg{logrows}.srs"
LARGEST_HONK = 25
"""log2 of the most points that are fetched: 2 GB."""

_PIECE = 1 << 20
_TIMEOUT_S = 60
_EZKL_BYTES_PER_ROW = 256  # two tables of points, 64 bytes each, and room


@dataclass(frozen=True, slots=True)
class KnownString:
    """A string on this machine.

    Attributes:
        source: "ceremony" or "unsafe-local".
        logrows: log2 of the rows of the largest circuit it serves.
        used: circuits built now would use it.
        problem: why it can't be used; None: it was checked and is what it says.
    """

    prover: Prover
    source: Literal["ceremony", "unsafe-local"]
    logrows: int
    path: Path
    bytes: int
    used: bool
    problem: str | None


def known_strings() -> list[KnownString]:
    """Strings in the cache and those that the environment names, each checked."""
    found = []
    named = os.environ.get(honk.CRS_ENV)
    folders = {honk_folder(), *([Path(named)] if named else [])}
    for folder in sorted(folders):
        file = folder / honk.FILE
        if file.is_file():
            using = named is not None and Path(named) == folder
            found.append(_known("barretenberg", "ceremony", file, _points_log2(file), using))
    for folder in sorted((cache_directory() / "barretenberg" / "srs").glob("unsafe-*")):
        file = folder / honk.FILE
        if file.is_file():
            using = not named
            found.append(_known("barretenberg", "unsafe-local", file, _points_log2(file), using))
    return found + _known_for_ezkl()


def _known_for_ezkl() -> list[KnownString]:
    named = bool(os.environ.get(halo2.SRS_ENV))
    found = []
    for logrows in halo2.PINNED:
        there = sorted({halo2.ceremony_path(logrows), halo2.cached_ceremony(logrows)})
        for path in (p for p in there if p.is_file()):
            using = named and path == halo2.ceremony_path(logrows)
            found.append(_known("ezkl", "ceremony", path, logrows, using))
        path = halo2.unsafe_path(logrows)
        if path.is_file():
            found.append(_known("ezkl", "unsafe-local", path, logrows, not named))
    return found


def check_string(prover: Prover, file: Path, *, sha256: str | None = None) -> str:
    """Check a file as a ceremony's string; returns its sha256.

    Raises:
        ArtefactError: it is not what it should be.
        ConfigError: `sha256` is no digest.
    """
    _check_digest_form(sha256)
    if not file.is_file():
        raise ArtefactError("there is no such file", path=file)
    got = sha256_of(file)
    if sha256 is not None and got != sha256:
        raise ArtefactError(
            "the reference string has another hash", expected=sha256, got=got, path=file
        )
    if prover == "barretenberg":
        check_ceremony(file, honk.CEREMONY_G2_WORDS)
    elif got not in halo2.PINNED.values():
        raise ArtefactError(
            "this is none of the reference strings that ezkl pins",
            got=got,
            path=file,
            hint="fetch it again with `zkdescent srs fetch ezkl`",
        )
    return got


def fetch_string(
    prover: Prover,
    logrows: int,
    *,
    url: str | None = None,
    file: Path | None = None,
    sha256: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Bring a ceremony's string into the cache, from a file or by HTTP; it is checked first.

    Args:
        logrows: log2 of the rows of the largest circuit that it is to serve.
        progress: told bytes there and bytes in all.

    Raises:
        ConfigError: no such size, or not an address.
        ChainError: it could not be fetched.
        ArtefactError: what was fetched is not the ceremony's string; nothing is kept of it.
    """
    _check_digest_form(sha256)
    expected, most = _expected(prover, logrows)
    of_honk = prover == "barretenberg"
    target = honk_folder() / honk.FILE if of_honk else halo2.cached_ceremony(logrows)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as scratch:
        partial = Path(scratch) / target.name
        address = url or (HONK_URL if of_honk else EZKL_URL.format(logrows=logrows))
        with _source(address, file, most if of_honk else None) as stream:
            _copy(stream, partial, most, progress)
        if of_honk and partial.stat().st_size < most:
            raise ArtefactError(
                "the reference string is cut off", expected=most, got=partial.stat().st_size
            )
        got = check_string(prover, partial, sha256=sha256)
        if expected is not None and got != expected:
            raise ArtefactError(
                "the reference string is one for another number of rows",
                expected=expected,
                got=got,
            )
        os.replace(partial, target)
    return target


def honk_folder() -> Path:
    """Where a fetched string for bb is kept; `$ZKDESCENT_BB_CRS` must name it to be used."""
    return cache_directory() / "barretenberg" / "srs" / "ceremony"


def _expected(prover: Prover, logrows: int) -> tuple[str | None, int]:
    """The pinned digest if there is one, and the most bytes that are read."""
    if prover == "barretenberg":
        if not honk.SMALLEST <= logrows <= LARGEST_HONK:
            raise ConfigError(
                "no string of this size is fetched",
                expected=f"{honk.SMALLEST} to {LARGEST_HONK}",
                got=logrows,
            )
        return None, ((1 << logrows) + 1) * POINT_BYTES
    if logrows not in halo2.PINNED:
        raise ConfigError(
            "no string of this size is pinned",
            expected=f"{min(halo2.PINNED)} to {max(halo2.PINNED)}",
            got=logrows,
        )
    return halo2.PINNED[logrows], (_EZKL_BYTES_PER_ROW << logrows) + 4096


@contextmanager
def _source(url: str, file: Path | None, first_bytes: int | None) -> Iterator[BinaryIO]:
    if file is not None:
        if not file.is_file():
            raise ArtefactError("there is no such file", path=file)
        with file.open("rb") as stream:
            yield stream
        return
    import requests

    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError("not an address", expected="http(s)://...", got=url)
    headers = {"Accept-Encoding": "identity"}
    if first_bytes is not None:
        headers["Range"] = f"bytes=0-{first_bytes - 1}"
    try:
        answer = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise ChainError(
            "the reference string could not be fetched",
            got=type(error).__name__,
            path=urlsplit(url).hostname,
            hint="name another address with --url, or a file with --file",
        ) from error
    with answer:
        yield answer.raw


def _copy(
    stream: BinaryIO, target: Path, most: int, progress: Callable[[int, int], None] | None
) -> None:
    done = 0
    with target.open("wb") as out:
        while done < most:
            piece = stream.read(min(_PIECE, most - done))
            if not piece:
                break
            out.write(piece)
            done += len(piece)
            if progress is not None:
                progress(done, most)
        out.flush()
        os.fsync(out.fileno())


def _known(
    prover: Prover,
    source: Literal["ceremony", "unsafe-local"],
    path: Path,
    logrows: int,
    used: bool,
) -> KnownString:
    problem = None
    if source == "ceremony":
        try:
            check_string(prover, path)
        except ArtefactError as error:
            problem = error.message
    elif prover == "barretenberg":
        digest = honk.UNSAFE_SHA256.get(logrows)
        if digest is not None and sha256_of(path) != digest:
            problem = "damaged"
    return KnownString(prover, source, logrows, path, path.stat().st_size, used, problem)


def _points_log2(file: Path) -> int:
    return max(0, (file.stat().st_size // POINT_BYTES).bit_length() - 1)


def _check_digest_form(sha256: str | None) -> None:
    if sha256 is None:
        return
    try:
        right = len(bytes.fromhex(sha256)) == hashlib.sha256().digest_size
    except ValueError:
        right = False
    if not right or sha256 != sha256.lower():
        raise ConfigError("not a sha256", expected="64 lowercase hex digits", got=sha256)
