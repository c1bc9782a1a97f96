"""Hardening of generated verifiers: the checks go in once, or the build fails.

That the hardened code refuses every non-canonical encoding is shown on chain in tests/prover.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from zkdescent.circuits import solc
from zkdescent.circuits.ezkl_backend.harden import harden
from zkdescent.core.errors import ProverError, ToolMissing

# The places that hardening looks for, as ezkl 23.0.5 writes them; the rest does not matter.
DEDICATED = """
    function verifyProof(
        bytes calldata proof,
        uint256[] calldata instances
    ) public returns (bool) {
        assembly {
            success := and(success, eq(0x0ea0, proof.length))
            success := and(success, eq(num_instances, instances.length))
        }
"""
REUSABLE = """
    function verifyProof(
        bytes calldata proof,
        uint256[] calldata instances,
        bytes32[] memory vka
    ) external returns (bool success, bytes32 vka_digest, int256[] memory rescaled_instances) {
        assembly {
            success := and(success, eq(sub(instance_cptr, 0xa4), proof.length))
            success := and(success, eq(num_instances, instances.length))
            success, proof_cptr, hash_mptr := read_ec_point(success, proof_cptr, hash_mptr) // W'
        }
"""


@pytest.mark.parametrize(("source", "reusable"), [(DEDICATED, False), (REUSABLE, True)])
def test_the_checks_are_inserted_and_nothing_else_changes(source: str, reusable: bool) -> None:
    hardened = harden(source, reusable)
    assert hardened.count("canonical calldata only") == 1
    assert hardened.index("calldatasize()") < hardened.index("success := and(success")
    assert ("the whole proof was consumed" in hardened) == reusable
    kept = iter(hardened.splitlines())
    assert all(line in kept for line in source.splitlines()), "a line of the source is gone"


@pytest.mark.parametrize(("source", "reusable"), [(DEDICATED, True), (REUSABLE, False)])
def test_the_other_kind_of_verifier_is_refused(source: str, reusable: bool) -> None:
    with pytest.raises(ProverError, match="cannot harden"):
        harden(source, reusable)


@pytest.mark.parametrize(("source", "reusable"), [(DEDICATED, False), (REUSABLE, True)])
def test_every_place_must_be_there_exactly_once(source: str, reusable: bool) -> None:
    with pytest.raises(ProverError, match="not found exactly once") as caught:
        harden(source + source, reusable)
    assert (caught.value.expected, caught.value.got) == (1, 2)
    for line in source.splitlines():
        marks = ("verifyProof", "proof.length)", "instances.length)", "// W'")
        if any(mark in line for mark in marks):
            with pytest.raises(ProverError, match="not found exactly once"):
                harden(source.replace(line, ""), reusable)


def test_hardening_twice_is_refused() -> None:
    with pytest.raises(ProverError, match="hardened already"):
        harden(harden(DEDICATED, False), False)


def test_a_compiler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(solc.SOLC_ENV, "/nowhere/solc")
    with pytest.raises(ToolMissing, match="names no executable"):
        solc.find_compiler()
    monkeypatch.delenv(solc.SOLC_ENV)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match="no Solidity compiler") as caught:
        solc.find_compiler()
    assert "npm ci" in (caught.value.hint or "")


def test_another_compiler_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "solc"
    old.write_text("#!/bin/sh\necho 'Version: 0.8.20+commit.a1b79de6.Linux.g++'\n")
    old.chmod(0o755)
    monkeypatch.setenv(solc.SOLC_ENV, str(old))
    with pytest.raises(ToolMissing, match="another Solidity compiler") as caught:
        solc.compile_solidity({"A.sol": "contract A {}"}, settings={})
    assert caught.value.expected == solc.SOLC_VERSION
