"""Events and metrics say what happened; a second terminal reads the same from the store."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from zkdescent.core.errors import ArtefactError
from zkdescent.core.store import ArtefactStore
from zkdescent.pipeline.observing import observed
from zkdescent.pipeline.progress import following
from zkdescent.pipeline.reporting import Reporter


def tell(report: Reporter) -> None:
    """What the scheduler says of three proofs, one of which is tried twice."""
    report.start("block proofs", 3)
    for index in range(3):
        report.event("proof started", role="step", index=index, slot=0)
        if index == 1:
            report.event("proof retried", role="step", index=1, reason="gone", tries=1)
        report.event("proof made", role="step", index=index, seconds=2.0, peak_memory_mb=64.0)
        report.advance("block proofs", index + 1, left_s=2.0 * (2 - index))
    report.note("done")


def test_events_are_one_json_object_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_text('{"event":"of before"}\n')
    with observed(Reporter(), events=str(file)) as report:
        tell(report)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"event": "of before"}, "appended"
    assert [line["event"] for line in lines].count("proof made") == 3
    assert all({"time", "elapsed_s"} <= set(line) for line in lines[1:])
    assert [line["left_s"] for line in lines if line["event"] == "task advanced"] == [4, 2, 0]


def test_metrics_in_a_file_and_on_loopback(tmp_path: Path) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "metrics.prom"
    with observed(Reporter(), metrics=file, metrics_port=port) as report:
        tell(report)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            served = answer.read().decode()
    for text in (served, file.read_text()):
        assert 'zkdescent_task_done{task="block proofs"} 3.0' in text
        assert 'zkdescent_proof_seconds_count{role="step"} 3.0' in text
        assert 'zkdescent_proofs_retried_total{role="step"} 1.0' in text
        assert "zkdescent_proof_peak_memory_bytes 6.7108864e+07" in text
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtefactError, match="events"),
        observed(Reporter(), events=str(tmp_path / "no" / "such")),
    ):
        pass


def test_progress_tells_how_it_ended(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path / ".zkdescent")

    def content() -> dict[str, object]:
        parsed = json.loads((store.root / "progress.json").read_text())
        assert isinstance(parsed, dict)
        return parsed

    with following(store, Reporter()) as report:
        assert content()["state"] == "running"
        tell(report)
    assert content()["state"] == "done"
    assert content()["tasks"] == {"block proofs": {"done": 3, "total": 3, "left_s": 0.0}}
    for raised, state in ((ArtefactError("full"), "failed"), (KeyboardInterrupt(), "interrupted")):
        with pytest.raises(type(raised)), following(store, Reporter()):
            raise raised
        assert content()["state"] == state
    with pytest.raises(ArtefactError, match="not a name"):
        store.write_bytes("progress.json", b"")
