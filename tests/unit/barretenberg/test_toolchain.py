"""The prover is the pinned one or none, and nothing half-fetched is ever taken for it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import toolchain
from zkdescent.circuits.npm import Package
from zkdescent.core.errors import ProverError, ToolMissing

Program = Callable[[str], Path]


def test_the_pinned_program_is_found_and_run(program: Program) -> None:
    path = program('echo "$@"')
    assert toolchain.find() == path
    assert toolchain.run(["gates", "-b", Path("x")], timeout=20).stdout == "gates -b x\n"


def test_no_prover(cache: Path) -> None:
    with pytest.raises(ToolMissing, match="not installed") as caught:
        toolchain.find()
    assert "zkdescent setup barretenberg" in (caught.value.hint or "")


def test_a_variable_that_names_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(toolchain.BB_ENV, "/nowhere/bb")
    with pytest.raises(ToolMissing, match="names no executable"):
        toolchain.find()
    with pytest.raises(ToolMissing, match="names no executable"):
        toolchain.install(print)


def test_another_version_is_refused_and_told_by_name(program: Program) -> None:
    path = program("echo 5.0.0")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text("#!/bin/sh\necho 4.9.9\n")
    with pytest.raises(ToolMissing, match="another version") as caught:
        toolchain.run(["gates"], timeout=20)
    assert str(caught.value.expected) == f"bb {toolchain.BUILD}, sha256 {expected}"
    assert str(caught.value.got).startswith("bb 4.9.9, sha256 ")
    assert "registered again" in (caught.value.hint or "")


def test_a_damaged_prover_in_the_cache_is_refused_and_fetched_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"#!/bin/sh\nexit 0\n"
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(toolchain, "BINARIES", dict.fromkeys(toolchain.BINARIES, digest))
    fetched: list[str] = []

    def fetch(package: Package, members: Mapping[str, str], folder: Path) -> None:
        fetched.append(str(package))
        for name in members:
            (folder / Path(name).name).write_bytes(content)

    monkeypatch.setattr(toolchain, "fetch", fetch)
    said: list[str] = []
    path = toolchain.install(said.append)
    assert toolchain.install(said.append) == path == toolchain.find()
    assert path.stat().st_mode & 0o111
    assert fetched == ["@aztec/bb.js@5.0.0"]
    assert len(said) == 1
    path.write_bytes(b"half")
    with pytest.raises(ToolMissing, match="damaged") as caught:
        toolchain.find()
    assert caught.value.path == str(path)
    assert toolchain.install(said.append) == toolchain.find()
    assert len(fetched) == 2
    assert [p.name for p in path.parent.parent.iterdir()] == [toolchain.VERSION]


def test_an_interrupted_installation_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(package: Package, members: Mapping[str, str], folder: Path) -> None:
        (folder / "bb").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(toolchain, "fetch", fetch)
    with pytest.raises(KeyboardInterrupt):
        toolchain.install(print)
    assert list((cache / "barretenberg").iterdir()) == []


def test_a_platform_without_a_prover(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ToolMissing, match="no native prover") as caught:
        toolchain.find()
    assert "riscv64" in str(caught.value.got)


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Darwin", "x86_64")],
)
def test_every_published_platform_has_a_prover(
    cache: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ToolMissing, match="not installed"):
        toolchain.find()


@pytest.mark.parametrize("subcommand", ["prove", "verify", "write_vk"])
def test_the_network_is_never_asked_for_a_reference_string(
    program: Program, tmp_path: Path, subcommand: str
) -> None:
    program('echo "$@"')
    for arguments in ([subcommand], [subcommand, "-c"], [subcommand, "-c", str(tmp_path)]):
        with pytest.raises(ProverError, match="needs a reference string"):
            toolchain.run(arguments, timeout=20)
    (tmp_path / "bn254_g1.dat").write_bytes(bytes(64))
    assert toolchain.run([subcommand, "-c", tmp_path], timeout=20).stdout


@pytest.fixture
def counting(program: Program, tmp_path: Path) -> Path:
    """A program of 4,091 gates, a key of 2**12 rows, a string of 4,095 points."""
    program("""echo '{"functions": [{"circuit_size": 4091}]}'""")
    (tmp_path / "program.json").write_text("{}")
    (tmp_path / "vk").write_bytes((12).to_bytes(32, "big"))
    (tmp_path / "bn254_g1.dat").write_bytes(bytes(64 * 4095))
    return tmp_path


@pytest.mark.parametrize(
    "arguments", [["prove", "-b", "program.json", "-k", "vk"], ["write_vk", "-b", "program.json"]]
)
def test_a_string_that_is_too_short_is_refused_before_bb_starts(
    counting: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(counting)
    with pytest.raises(ProverError, match="too short") as caught:
        toolchain.run([*arguments, "-c", counting], timeout=20)
    assert (caught.value.expected, caught.value.got) == ("at least 4096 points", 4095)
    (counting / "bn254_g1.dat").write_bytes(bytes(64 * 4096))
    assert "4091" in toolchain.run([*arguments, "-c", counting], timeout=20).stdout


def test_gates_are_counted_once_for_each_program(counting: Path, program: Program) -> None:
    path = counting / "program.json"
    assert toolchain.count_gates(path, timeout=20) == 4091
    program("echo nothing")
    assert toolchain.count_gates(path, timeout=20) == 4091
    path.write_text("{ }")
    with pytest.raises(ProverError, match="no number of gates"):
        toolchain.count_gates(path, timeout=20)
