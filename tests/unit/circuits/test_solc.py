"""The compiler is fetched once, and only where there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from zkdescent.circuits import solc
from zkdescent.circuits.npm import Package
from zkdescent.core.errors import ProverError, ToolMissing

SOLJSON = b"the compiler"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the compiler of an installed wheel lies; nothing is there yet."""
    monkeypatch.setenv("ZKDESCENT_CACHE", str(tmp_path))
    monkeypatch.delenv(solc.SOLC_ENV, raising=False)
    monkeypatch.setattr(solc, "contracts_folder", lambda: tmp_path / "nowhere")
    # Whether there is a Node.js is another question.
    monkeypatch.setattr(solc, "locate_node", lambda: "node")
    return tmp_path / "solc" / solc.SOLC_VERSION / "soljson.js"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was fetched; each time the same file comes."""
    names: list[str] = []

    def fetch(package: Package, members: Mapping[str, str], folder: Path) -> None:
        names.append(str(package))
        (folder / "soljson.js").write_bytes(SOLJSON)

    digest = hashlib.sha256(SOLJSON).hexdigest()
    monkeypatch.setattr(solc, "fetch", fetch)
    monkeypatch.setattr(solc, "_MEMBERS", {"soljson.js": digest})
    monkeypatch.setattr(solc, "_version", lambda command: solc.SOLC_VERSION)
    return names


def test_it_is_fetched_once(cached: Path, fetched: list[str]) -> None:
    said: list[str] = []
    with pytest.raises(ToolMissing, match="no Solidity compiler") as caught:
        solc.find_compiler()
    assert "zkdescent setup barretenberg" in (caught.value.hint or "")
    solc.install_compiler(said.append)
    solc.install_compiler(said.append)
    assert solc.find_compiler()[-1] == str(cached)
    assert fetched == ["solc@0.8.37"]
    assert said == ["fetching solc@0.8.37"]


def test_a_damaged_one_is_fetched_again(cached: Path, fetched: list[str]) -> None:
    solc.install_compiler(print)
    cached.write_bytes(b"half")
    solc.install_compiler(print)
    assert cached.read_bytes() == SOLJSON
    assert len(fetched) == 2


def test_a_compiler_of_ones_own_is_not_replaced(
    cached: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(solc.SOLC_ENV, "/bin/sh")
    solc.install_compiler(print)
    monkeypatch.setenv(solc.SOLC_ENV, "/nowhere/solc")
    with pytest.raises(ToolMissing, match="names no executable"):
        solc.install_compiler(print)
    assert fetched == []


def test_one_contract_of_a_size_that_can_be_deployed() -> None:
    fits = {"deployedBytecode": "0x" + "00" * solc.EIP170_BYTES}
    large = {"deployedBytecode": fits["deployedBytecode"] + "00"}
    assert solc.only_contract({"A": fits}, hint="") is fits
    with pytest.raises(ProverError, match="too large") as caught:
        solc.only_contract({"A": large}, hint="smaller")
    assert (caught.value.got, caught.value.hint) == (solc.EIP170_BYTES + 1, "smaller")
    for wrong in ({}, {"A": fits, "B": fits}):
        with pytest.raises(ProverError, match="expected one"):
            solc.only_contract(wrong, hint="")
