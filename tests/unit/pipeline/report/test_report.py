"""Reports: what they say of a run that is whole, half, damaged, or somebody's attack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdescent.core.config import load_project
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.artefacts import FIDELITY, GAS, MEASUREMENTS, METRICS
from zkdescent.pipeline.report import gather, render_report, write_report
from zkdescent.pipeline.report.model import Check
from zkdescent.pipeline.report.verification import audit_verdict, unverified
from zkdescent.pipeline.report.writing import declined
from zkdescent.pipeline.reporting import Reporter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PageOf = Callable[[Path], Any]
Tamper = Callable[[Path, int], None]


@pytest.fixture
def page_of(page: ModuleType) -> PageOf:
    """The page of a project's report, without an audit."""

    def made(directory: Path) -> Any:
        return page.Page(render_report(gather(load_project(directory), declined(), now=NOW)))

    return made


@pytest.mark.usefixtures("synthetic_verifier")
def test_a_finished_run_is_verified_and_shown_whole(
    run: Path, synthetic: ModuleType, page: ModuleType
) -> None:
    written = write_report(load_project(run), Reporter())
    assert written.path == run / "report.html"
    shown, world = page.Page(written.path.read_text()), synthetic.World()
    shown.check_harmless()
    verdict = written.data.verdict
    assert verdict.state == "verified"
    assert [c.state for c in verdict.checks] == ["passed"] * 9 + ["not asked"]
    assert verdict.proofs == 3 + 5 + 1
    for commitment in (world.plan.run_id, world.dataset.root, world.genesis, world.final):
        assert commitment.hex() in written.path.read_text()
    assert "Verified when this page was made" in shown.words
    assert "whoever made it can forge these proofs" in shown.words
    assert "5 block proofs, 4 update steps each" in shown.words
    assert written.data.gaps == ()


@pytest.mark.usefixtures("synthetic_verifier")
def test_a_changed_proof_is_rejected_at_its_step(
    run: Path, cli: Callable[..., Any], page: ModuleType, tamper: Tamper
) -> None:
    tamper(run, 2)
    answer = cli("report", "-C", run, "--json")
    assert answer.code == 3
    assert answer.json["verdict"]["state"] == "rejected"
    assert [c["state"] for c in answer.json["verdict"]["checks"]][4:7] == [
        "passed", "failed", "not reached",
    ]  # fmt: skip
    shown = page.Page((run / "report.html").read_text())
    shown.check_harmless()
    assert "Rejected: the run does not verify" in shown.words
    assert "step 2: synthetic proof rejected" in shown.words
    assert "Verified" not in shown.words
    assert "It claims 20 update steps" in shown.words
    assert "update steps claimed" in shown.words


def test_without_an_audit_it_says_so(run: Path, cli: Callable[..., Any], page: ModuleType) -> None:
    answer = cli("report", "-C", run, "--no-verify", "--out", run / "other.html", "--json")
    assert answer.code == 0
    assert answer.json["format"] == "zkdescent.report/1"
    assert "Not verified here" in page.Page((run / "other.html").read_text()).words
    assert not (run / "report.html").exists()


def test_a_half_proven_run_says_what_is_missing(run: Path, page_of: PageOf) -> None:
    store = ArtefactStore(run / ".zkdescent")
    store.remove("proofs/block-00003")
    store.remove("proofs/block-00004")
    store.remove("chain/")
    store.write_manifest(replace(store.read_manifest(), final=None))
    data = write_report(load_project(run), Reporter()).data
    assert (data.stage, data.verdict.state) == ("proving", "incomplete")
    assert data.custody is not None
    assert [b.artefact is not None for b in data.custody.blocks] == [True] * 3 + [False] * 2
    assert {gap.what for gap in data.gaps} == {"the proven model", "gas and addresses"}
    shown = page_of(run)
    shown.check_harmless()
    assert "3 of 5 block proofs are there" in shown.words


def test_a_project_with_nothing_has_a_report(unmade: Path, page_of: PageOf) -> None:
    data = write_report(load_project(unmade), Reporter()).data
    assert (data.stage, data.verdict.state) == ("not compiled", "incomplete")
    page_of(unmade).check_harmless()
    assert not (unmade / ".zkdescent").exists()


def test_the_same_run_makes_the_same_page(run: Path, page_of: PageOf) -> None:
    assert page_of(run).html == page_of(run).html


HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>" onload="x" \'{{7*7}}'
HIDDEN = "safe‮gpj.exe​\x1b[31m\x00"


def test_hostile_strings_are_shown_and_not_obeyed(run: Path, page_of: PageOf) -> None:
    store = ArtefactStore(run / ".zkdescent")
    store.write_manifest(replace(store.read_manifest(), project=HOSTILE + HIDDEN))
    gas = {f"{HOSTILE}:{HOSTILE}": {HOSTILE: 5, HIDDEN: 7}}
    store.write_json(GAS, gas)
    report = store.read_json(FIDELITY)
    report["headline"] = report["part"] = HOSTILE
    report["findings"] = [{"kind": HIDDEN, "message": HOSTILE, "hint": HOSTILE}]
    report["worst"]["parameter"] = HIDDEN
    store.write_json(FIDELITY, report)
    shown = page_of(run)
    shown.check_harmless()
    assert "<script>alert(1)</script>" in shown.words  # as text
    assert "49" not in shown.words.split("alert(2)")[1][:40]
    assert "[U+202E]gpj.exe[U+200B][U+001B][31m[U+0000]" in shown.words
    assert not {"‮", "​", "\x1b", "\x00"} & set(shown.html)


def test_a_hostile_error_is_shown_and_not_obeyed(run: Path, page: ModuleType) -> None:
    verdict = replace(
        unverified("rejected", HOSTILE + HIDDEN),
        checks=(Check(number=1, title=HOSTILE, state="failed"),),
    )
    shown = page.Page(render_report(gather(load_project(run), verdict, now=NOW)))
    shown.check_harmless()
    assert "[U+202E]gpj" in shown.words


def test_huge_values_and_wrong_types_do_not_break_it(run: Path, page_of: PageOf) -> None:
    store = ArtefactStore(run / ".zkdescent")
    huge = {"seconds": 1e308, "verify_seconds": "x", "peak_memory_mb": True, "bytes": 10**300}
    store.write_json(MEASUREMENTS, {"proofs/block-00000.proof.json": huge, "no": [1]})
    store.write_json(GAS, {"1:x": {"submit block proof 0": 10**400, "a": "b"}, "y": []})
    store.write_json(METRICS, {"float": {"evaluations": [{"step": 10**40}, 5, None]}})
    store.write_json(FIDELITY, {"trials": [{"metric": 1e300}], "trajectory": [{"step": 1}]})
    shown = page_of(run)
    shown.check_harmless()
    assert "about 10^400" in shown.words
    assert "nan" not in shown.words.lower()


def test_not_a_number_in_a_file_is_a_gap(run: Path) -> None:
    # No stage writes NaN, so the file and its listed hash are written by hand.
    store = ArtefactStore(run / ".zkdescent")
    store.write_bytes(MEASUREMENTS, b'{"proofs/block-00000.proof.json":{"seconds":NaN}}')
    data = gather(load_project(run), declined())
    assert [gap.what for gap in data.gaps] == ["times and memory of proofs"]
    assert all(proof.seconds is None for proof in data.proofs)


def test_missing_and_damaged_files_are_gaps_without_paths(run: Path, page_of: PageOf) -> None:
    root = run / ".zkdescent"
    (root / METRICS).unlink()
    (root / FIDELITY).write_text("{")
    (root / "proofs/block-00001.proof.json").unlink()
    data = gather(load_project(run), declined())
    assert {"loss and metric curves", "fidelity of fixed point", "step proof 1"} == {
        gap.what for gap in data.gaps
    }
    assert str(run) not in render_report(data)
    page_of(run).check_harmless()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"artefacts":{"../../x":{}}}', b"\xff"])
def test_a_damaged_manifest_is_no_traceback(run: Path, content: bytes, page_of: PageOf) -> None:
    (run / ".zkdescent" / "manifest.json").write_bytes(content)
    data = write_report(load_project(run), Reporter()).data
    assert data.verdict.state in ("unreadable", "incomplete")
    page_of(run).check_harmless()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["float", "proven", "evaluations", "train", "validation", "values", "loss", "step",
             "accuracy", "task", "trials", "trajectory", "findings", "worst", "peaks", "metric",
             "fraction_bits", "max_difference", "1:x", "seconds", "bytes"]
        ), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("examples", [5, pytest.param(400, marks=pytest.mark.slow)])
def test_no_content_of_a_stored_file_breaks_it(run: Path, page_of: PageOf, examples: int) -> None:
    store = ArtefactStore(run / ".zkdescent")

    def renders(contents: list[Any]) -> None:
        for name, content in zip((METRICS, FIDELITY, GAS, MEASUREMENTS), contents, strict=True):
            store.write_json(name, content)
        page_of(run).check_harmless()

    drawn = given(contents=st.lists(JSON, min_size=4, max_size=4))
    settings(max_examples=examples, deadline=None)(drawn(renders))()


def test_an_audit_of_a_damaged_store_is_a_verdict(run: Path) -> None:
    (run / ".zkdescent" / "proofs/block-00001.proof.json").write_text("not json")
    verdict = audit_verdict(load_project(run), Reporter())
    assert verdict.state in ("unreadable", "rejected")


def test_the_file_can_not_be_written(run: Path, cli: Callable[..., Any]) -> None:
    answer = cli("report", "-C", run, "--no-verify", "--out", run / "zkdescent.toml" / "x.html")
    assert answer.code == 1
    assert "the report can't be written" in answer.err


def test_a_report_needs_neither_torch_nor_a_prover(run: Path) -> None:
    code = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"torch", "ezkl", "onnx", "sklearn", "matplotlib", "optuna"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
from zkdescent.cli import main
main(["report", "-C", {str(run)!r}, "--no-verify"])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
