"""Finding anvil, without starting it; running it is tested in tests/chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.core.errors import ChainError, ToolMissing
from zkdescent.verifier._anvil import AnvilProcess, find_anvil


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZKDESCENT_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_argument_then_variable_then_path_then_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = program(tmp_path / "repo/contracts/node_modules/.bin/anvil")
    inner = tmp_path / "repo/examples/mine"
    inner.mkdir(parents=True)
    assert find_anvil(start=inner) == npm
    on_path = program(tmp_path / "bin/anvil")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_anvil(start=inner) == on_path
    named = program(tmp_path / "named/my-anvil")
    monkeypatch.setenv("ZKDESCENT_ANVIL", str(named))
    assert find_anvil(start=inner) == named
    assert find_anvil(on_path, start=inner) == on_path


def test_missing_anvil_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="not installed") as error:
        find_anvil(start=tmp_path)
    assert "npm install" in str(error.value.hint)


def test_named_anvil_that_is_not_there_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "contracts/node_modules/.bin/anvil")
    monkeypatch.setenv("ZKDESCENT_ANVIL", str(tmp_path / "gone"))
    with pytest.raises(ToolMissing, match="can't be run"):
        find_anvil(start=tmp_path)


def test_anvil_that_stops_at_once_is_quoted(tmp_path: Path) -> None:
    broken = program(tmp_path / "anvil", "echo 'address in use' >&2; exit 1")
    with pytest.raises(ChainError, match="right after its start") as error:
        AnvilProcess(broken)
    assert "address in use" in str(error.value.got)
