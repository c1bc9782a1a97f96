"""scripts/triage_slither.py: what was looked at stays so until the code says something else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "triage_slither.py"
OLD = ("timestamp", "Ledger.abort(RunId) uses timestamp")
NEW = ("calls-loop", "Ledger.submit(RunId) has external calls inside a loop")


@pytest.fixture(scope="module")
def triage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("triage_slither", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_places_in_files_do_not_count(triage: ModuleType) -> None:
    text = "A.f(uint256) (src/stake/A.sol#{}) uses timestamp\n\t- x == 0 (src/stake/A.sol#{})\n"
    assert triage.normalised(text.format("1-9", 3)) == triage.normalised(text.format("2-10", 4))
    assert triage.normalised(text) != triage.normalised(text.replace("x == 0", "x == 1"))


def test_what_was_looked_at_is_no_complaint(triage: ModuleType) -> None:
    assert triage.complaints({OLD}, {OLD: "a deadline of hours"}) == []


def test_new_stale_and_unexplained_results_are_complaints(triage: ModuleType) -> None:
    assert triage.complaints({OLD, NEW}, {OLD: "why"})[0].startswith("new: calls-loop")
    assert triage.complaints(set(), {OLD: "why"})[0].startswith("not found any more: timestamp")
    assert triage.complaints({OLD}, {OLD: " "})[0].startswith("no reason given: timestamp")


def test_the_file_is_read_as_it_is_written(triage: ModuleType, tmp_path: Path) -> None:
    reasons = {OLD: "why", NEW: "because"}
    triage.write_triage(tmp_path / "triage.json", reasons)
    assert triage.read_triage(tmp_path / "triage.json") == reasons
    assert triage.read_triage(tmp_path / "none.json") == {}


def test_every_result_of_the_committed_file_has_a_reason(triage: ModuleType) -> None:
    reasons = triage.read_triage(triage.TRIAGE)
    assert len(reasons) > 50
    assert all(reason.strip() for reason in reasons.values())
