"""The native prover `bb`: pinned, fetched once by package name, checked, run.

npm's package @aztec/bb.js carries `bb` for four platforms. Only the one for this machine is kept;
no JavaScript of the package is ever run.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from zkdescent.circuits.barretenberg.doubling import POINT_BYTES
from zkdescent.circuits.barretenberg.process import Run, execute
from zkdescent.circuits.barretenberg.srs import FILE, points_for
from zkdescent.circuits.cache import cache_directory, made_whole
from zkdescent.circuits.npm import Package, fetch, sha256_of
from zkdescent.core.errors import ProverError, ToolMissing

VERSION = "5.0.0"
BUILD = "5.0.0-nightly.20260710"  # what `bb --version` prints
BB_ENV = "ZKDESCENT_BB"
PACKAGE = Package(
    "@aztec/bb.js",
    VERSION,
    "sha512-O4HDjzrjXMvM44+VbgDG1GaDUztWGEVujbBmwZAEVJh6BHpmJfMxBB2/69h1oi4kX2adgaowlJNFhpzcz1MHSA==",
)
# The package's folder for a platform -> sha256 of `bb` in it.
BINARIES = {
    "amd64-linux": "c3a4a1125d99953694ab6a7f09e368db5525c368b372e63c3eb7bda4cc5697d5",
    "arm64-linux": "fbe47d7697bf3f0891d844eba58c5d1fcb1c85d5024fe0ad50e1bb132237611f",
    "amd64-macos": "c2d4da29f736cbfc9b899d548cd3a702a1f65fce907c0b369db2d9266e52a851",
    "arm64-macos": "fe63e7fce08bd8368773ab7bc956f3aae618cb3cb05a9b5b8db71a92553511be",
}
_LICENCE = "package.json"  # names the licence (MIT); the package has no text of it
_LICENCE_SHA256 = "0c6b4571e650e2deef6f1ce24b1be0347f7fb5fcf2b16bbfae1cb689c5476651"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"Linux": "linux", "Darwin": "macos"}
_SETUP = "run `zkdescent setup barretenberg`"
_OTHER_VERSION = (
    f"{_SETUP}; proofs of another version of bb do not verify under these circuits, and circuits "
    "compiled with it must be compiled and registered again"
)
_USES_STRING = ("prove", "verify", "write_vk")
_TINY_S = 30


def find() -> Path:
    """Return the pinned prover: `$ZKDESCENT_BB`, else the one in the cache.

    Raises:
        ToolMissing: there is none, or it is another version; the hint says what to do.
    """
    expected = BINARIES[_platform()]
    explicit = os.environ.get(BB_ENV)
    if explicit:
        found = shutil.which(explicit)
        if found is None:
            raise ToolMissing(f"${BB_ENV} names no executable", got=explicit, hint=_SETUP)
        path = Path(found)
    else:
        path = _folder() / "bb"
        if not path.is_file():
            raise ToolMissing("the prover bb is not installed", expected=f"bb {BUILD}", hint=_SETUP)
    got = _digest(path, path.stat().st_size, path.stat().st_mtime_ns)
    if got != expected:
        raise ToolMissing(
            "another version of the prover bb, or a damaged one",
            expected=f"bb {BUILD}, sha256 {expected}",
            got=f"{_told_version(path) if explicit else 'bb'}, sha256 {got}",
            path=path,
            hint=_OTHER_VERSION,
        )
    return path


def install(progress: Callable[[str], None]) -> Path:
    """Fetch the prover into the cache, unless it is there; return it.

    Args:
        progress: is told, in words, when something takes time.

    Raises:
        ToolMissing: `$ZKDESCENT_BB` names another version, this platform has no prover, there is no
            npm, or npm could not fetch the package.
        ProverError: what npm fetched is not the pinned package.
    """
    try:
        return find()
    except ToolMissing:
        if os.environ.get(BB_ENV):
            raise
    name = _platform()
    progress(f"fetching {PACKAGE}, about 50 MB")
    members = {f"build/{name}/bb": BINARIES[name], _LICENCE: _LICENCE_SHA256}
    with made_whole(_folder()) as partial:
        fetch(PACKAGE, members, partial)
        (partial / "bb").chmod(0o755)
    return find()


def run(arguments: Sequence[str | Path], *, timeout: float, threads: int | None = None) -> Run:
    """Run the prover; it never has a reason to ask the network for anything.

    Args:
        arguments: the subcommand and its options. One that reads the reference string must name a
            folder of it with `-c`, long enough for the circuit: else bb would download one.
        timeout: seconds.
        threads: how many to use; None: as many as there are cores.

    Raises:
        ToolMissing: the prover is not installed, or another version.
        ProverError: it failed, took too long, or would have downloaded a reference string.
    """
    words = [str(argument) for argument in arguments]
    if words[0] in _USES_STRING:
        _require_string(words, timeout)
    return execute([str(find()), *words], what=words[0], timeout=timeout, threads=threads)


def count_gates(program: Path, *, timeout: float, target: str = "evm") -> int:
    """Return the number of gates of an ACIR program, as `srs.points_for` takes it.

    Raises:
        ToolMissing: the prover is not installed, or another version.
        ProverError: bb does not understand the program, or took too long.
    """
    state = program.stat()
    return _counted(program, state.st_size, state.st_mtime_ns, target, timeout)


@lru_cache(maxsize=64)
def _counted(program: Path, size: int, modified_ns: int, target: str, timeout: float) -> int:
    done = run(["gates", "-b", program, "-t", target], timeout=timeout)
    try:
        return int(json.loads(done.stdout)["functions"][0]["circuit_size"])
    except (ValueError, LookupError, TypeError) as error:
        raise ProverError("bb gates gave no number of gates", got=done.stdout[:200]) from error


def _require_string(words: Sequence[str], timeout: float) -> None:
    folder = _option(words, "-c")
    file = Path(folder or "") / FILE
    if folder is None or not file.is_file():
        raise ProverError(
            f"bb {words[0]} needs a reference string on this machine",
            expected=f"-c FOLDER with {FILE}",
            got=folder or "no -c",
        )
    needed, there = _points_needed(words, timeout), file.stat().st_size // POINT_BYTES
    if there < needed:
        raise ProverError(
            "the reference string is too short for this circuit",
            expected=f"at least {needed} points",
            got=there,
            path=file,
        )


def _points_needed(words: Sequence[str], timeout: float) -> int:
    """What bb will read: as many points as the circuit has rows, a power of two."""
    key, program = _option(words, "-k"), _option(words, "-b")
    if key is not None:
        with Path(key).open("rb") as file:
            return 1 << min(int.from_bytes(file.read(32), "big"), 64)
    if program is None:
        return 1
    target = _option(words, "-t") or "evm"
    return points_for(count_gates(Path(program), timeout=timeout, target=target))


def _option(words: Sequence[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words[:-1] else None


def _platform() -> str:
    system, machine = platform.system(), platform.machine()
    name = f"{_MACHINES.get(machine.lower(), '')}-{_SYSTEMS.get(system, '')}"
    if name not in BINARIES:
        raise ToolMissing(
            "there is no native prover bb for this platform",
            expected=", ".join(BINARIES),
            got=f"{system} on {machine}",
            hint="use the backend ezkl",
        )
    return name


def _folder() -> Path:
    return cache_directory() / "barretenberg" / VERSION


@lru_cache(maxsize=8)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    """sha256 of a file; size and time are in the key so that a replaced file is read again."""
    return sha256_of(path)


def _told_version(path: Path) -> str:
    try:
        said = execute([str(path), "--version"], what="--version", timeout=_TINY_S, threads=None)
    except (ProverError, ToolMissing):
        return "a program that does not tell its version"
    return f"bb {said.stdout.strip()[:80]}"
