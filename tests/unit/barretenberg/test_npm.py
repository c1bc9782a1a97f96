"""What npm brings is checked before a byte of it is kept."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.circuits import npm
from zkdescent.core.errors import ProverError, ToolMissing

CONTENT = b"the program"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], npm.Package]:
    """An npm that gives one package whose only file has this content."""

    def serve(content: bytes) -> npm.Package:
        archive = tmp_path / "served.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo("package/build/bb")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        script = tmp_path / "npm"
        script.write_text(
            f'#!/bin/sh\nwhile [ "$1" != --pack-destination ]; do shift; done\n'
            f'cp {archive} "$2/a.tgz"\n'
        )
        script.chmod(0o755)
        monkeypatch.setattr(npm, "_npm", lambda: [str(script)])
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        return npm.Package("a", "1.0.0", f"sha512-{digest}")

    return serve


def test_a_pinned_file_is_kept(registry: Callable[[bytes], npm.Package], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    npm.fetch(registry(CONTENT), {"build/bb": SHA256}, tmp_path / "out")
    assert (tmp_path / "out" / "bb").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "integrity", "member", "message"),
    [
        (CONTENT, "sha512-AAAA", "build/bb", "a@1.0.0 is not the file"),
        (CONTENT + b"!", None, "build/bb", "build/bb of a@1.0.0 is not the file"),
        (CONTENT, None, "bb", "has no file bb"),
    ],
    ids=["another package", "another file", "no such file"],
)
def test_anything_else_is_refused(
    registry: Callable[[bytes], npm.Package],
    tmp_path: Path,
    content: bytes,
    integrity: str | None,
    member: str,
    message: str,
) -> None:
    served = registry(content)
    package = npm.Package("a", "1.0.0", integrity or served.integrity)
    (tmp_path / "out").mkdir()
    with pytest.raises(ProverError, match=message):
        npm.fetch(package, {member: SHA256}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_npm_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "_npm", lambda: ["/bin/sh", "-c", "echo no network >&2; exit 1"])
    with pytest.raises(ToolMissing, match="could not fetch a@") as caught:
        npm.fetch(npm.Package("a", "1.0.0", "sha512-"), {}, tmp_path)
    assert caught.value.got == "no network"


def test_node_of_the_wheel_is_used_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(npm, "_wheel", lambda: None)
    assert npm.locate_node() is None
    with pytest.raises(ToolMissing, match="npm is not installed"):
        npm.fetch(npm.Package("a", "1.0.0", ""), {}, tmp_path)
    for name in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(npm, "_wheel", lambda: tmp_path)
    assert npm.locate_node() == str(tmp_path / "bin" / "node")
    assert npm._npm() == [
        str(tmp_path / "bin" / "node"),
        str(tmp_path / "lib/node_modules/npm/bin/npm-cli.js"),
    ]
