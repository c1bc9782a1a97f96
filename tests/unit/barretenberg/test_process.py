"""A run ends: well, with what the program said, or by force."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from zkdescent.circuits.barretenberg.process import Run, execute
from zkdescent.core.errors import ProverError, ToolMissing


def shell(script: str, *, timeout: float = 30, threads: int | None = None) -> Run:
    return execute(["/bin/sh", "-c", script], what="test", timeout=timeout, threads=threads)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody collects does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_the_home_of_the_user_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "somewhere")
    home, path, threads, proxy = (
        shell('echo "$HOME|$CRS_PATH|$HARDWARE_CONCURRENCY|$HTTP_PROXY"', threads=3)
        .stdout.strip()
        .split("|")
    )
    assert home == path != os.environ.get("HOME")
    assert not Path(home).exists(), "it goes away with the run"
    assert (threads, proxy) == ("3", "")


def test_seconds_and_memory_are_those_of_the_program() -> None:
    # The parent is made larger than the child, whose own peak must show nevertheless.
    ballast = bytearray(200 << 20)
    script = "x = bytearray(100 << 20); import time; time.sleep(0.2)"
    run = execute([sys.executable, "-c", script], what="test", timeout=60, threads=None)
    assert len(ballast) == 200 << 20
    assert 100 < run.peak_memory_mb < 160
    assert 0.2 < run.seconds < 30


def test_a_failure_says_what_the_program_said() -> None:
    with pytest.raises(ProverError, match="failed during test") as caught:
        shell("for i in $(seq 30); do echo line $i >&2; done; exit 3")
    assert caught.value.got == "exit status 3"
    assert (caught.value.hint or "").splitlines()[-1] == "line 30"
    assert len((caught.value.hint or "").splitlines()) == 12
    with pytest.raises(ProverError) as caught:
        shell("kill -KILL $$")
    assert "SIGKILL (too little memory?)" in str(caught.value.got)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ToolMissing, match="cannot run"):
        execute(["/nowhere/bb"], what="test", timeout=1, threads=None)


def test_time_runs_out_for_the_program_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(ProverError, match="took too long") as caught:
        shell(f"sleep 600 & echo $! $$ > {pids}; echo slow >&2; wait", timeout=0.5)
    assert time.monotonic() - started < 20
    assert (caught.value.expected, caught.value.hint) == ("at most 0.5 s", "slow")
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_an_interruption_ends_the_program(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    def interrupt() -> None:
        while not pids.exists() or not pids.read_text().endswith("\n"):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # Whoever starts the tests in the background has them ignore interruptions.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            shell(f"echo $$ > {pids}; exec sleep 600")
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert gone(int(pids.read_text()))
