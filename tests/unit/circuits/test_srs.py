"""The cache of local reference strings: where it is, made once, never half-made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zkdescent.circuits.cache import cache_directory
from zkdescent.circuits.ezkl_backend import srs
from zkdescent.core.errors import ProverError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "srs"


def test_the_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZKDESCENT_CACHE", "/explicit")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/explicit")
    monkeypatch.delenv("ZKDESCENT_CACHE")
    assert cache_directory() == Path("/xdg/zkdescent")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "zkdescent"


def test_a_string_is_made_once_and_its_name_says_what_it_is(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def call(operation: str, *, path: str, logrows: int) -> dict[str, Any]:
        calls.append((operation, logrows))
        Path(path).write_bytes(b"string")
        return {}

    monkeypatch.setattr(srs, "call", call)
    assert srs.unsafe_srs(9) == srs.unsafe_srs(9) == cache / "unsafe-9.srs"
    assert srs.unsafe_srs(10) == cache / "unsafe-10.srs"
    assert calls == [("gen_srs", 9), ("gen_srs", 10)]
    assert sorted(p.name for p in cache.iterdir()) == ["unsafe-10.srs", "unsafe-9.srs"]


def test_an_interrupted_string_is_not_taken_for_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(operation: str, *, path: str, logrows: int) -> dict[str, Any]:
        Path(path).write_bytes(b"half")
        raise ProverError("killed")

    monkeypatch.setattr(srs, "call", fails)
    with pytest.raises(ProverError):
        srs.unsafe_srs(9)
    assert not (cache / "unsafe-9.srs").exists()
    assert list(cache.iterdir()) == []
