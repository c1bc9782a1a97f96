"""A program that stands for bb, and a cache of its own for each test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg import toolchain


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; no variable points elsewhere."""
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path / "cache"))
    for name in ("ZKDESCENT_BB", "ZKDESCENT_BB_CRS", "ZKDESCENT_SOLC"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def program(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a shell script and make it the pinned prover."""

    def write(script: str) -> Path:
        path = tmp_path / "bb"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setattr(toolchain, "BINARIES", dict.fromkeys(toolchain.BINARIES, digest))
        monkeypatch.setenv(toolchain.BB_ENV, str(path))
        return path

    return write
