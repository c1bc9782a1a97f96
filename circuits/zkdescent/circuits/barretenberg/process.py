"""Run a native program to its end: measured, limited in time, cut off from the user's home."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zkdescent.circuits.orphans import ending_with_parent
from zkdescent.core.errors import ProverError, ToolMissing

_LAST_LINES = 12
_PAUSE_S = 0.01
_HIGH_WATER = re.compile(rb"^VmHWM:\s*([0-9]+) kB$", re.MULTILINE)
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took and printed.

    Attributes:
        seconds: wall-clock time.
        peak_memory_mb: peak resident memory of the program alone, mebibytes.
    """

    seconds: float
    peak_memory_mb: float
    stdout: str


def execute(command: Sequence[str], *, what: str, timeout: float, threads: int | None) -> Run:
    """Run a command; it and all it started are killed when time is up or we are interrupted.

    Args:
        what: names the run in errors.
        timeout: seconds.
        threads: how many the program may use; None: as many as it finds cores.

    Raises:
        ToolMissing: it can't be started.
        ProverError: it failed, or took too long; the hint is the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="zkdescent-run-") as scratch:
        # The program keeps settings and downloads below its home; this one is empty and goes away.
        environment = {"HOME": scratch, "CRS_PATH": scratch, "PATH": os.defpath, "LC_ALL": "C"}
        if threads is not None:
            environment["HARDWARE_CONCURRENCY"] = str(threads)
        out, err = Path(scratch) / "stdout", Path(scratch) / "stderr"
        started = time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            try:
                process = subprocess.Popen(
                    ending_with_parent(command),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolMissing(f"cannot run {command[0]}: {error}") from error
            try:
                peak = _wait(process, started + timeout)
            except BaseException:
                _kill(process)
                raise
        seconds = time.monotonic() - started
        if process.returncode is None:
            _kill(process)
            raise ProverError(
                f"the prover took too long during {what}",
                expected=f"at most {timeout:g} s",
                hint=_tail(err) or None,
            )
        if process.returncode != 0:
            raise ProverError(
                f"the prover failed during {what}",
                got=_reason(process.returncode),
                hint=_tail(err) or _tail(out) or None,
            )
        return Run(seconds, peak, out.read_text(encoding="utf-8", errors="replace"))


def _wait(process: subprocess.Popen[bytes], deadline: float) -> float:
    """Wait for the end, which sets `returncode`, or for the deadline; return peak memory, MiB.

    `ru_maxrss` is exact, but on Linux a child begins with the high-water mark of the parent that
    started it. Where that hides the child's own, the mark of its address space is sampled.
    """
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sampled = 0
    with _pausing(process.pid) as pause, _sampling(process.pid) as high_water_kib:
        while True:
            sampled = max(sampled, high_water_kib())
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                if usage.ru_maxrss > inherited or not sampled:
                    return usage.ru_maxrss * _MAXRSS_BYTES / (1 << 20)
                return sampled / 1024
            if time.monotonic() > deadline:
                return 0.0
            pause()


@contextlib.contextmanager
def _pausing(pid: int) -> Iterator[Callable[[], object]]:
    """Sleep for a pause; where a process has a descriptor (Linux), not beyond its end."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        yield lambda: time.sleep(_PAUSE_S)
        return
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    try:
        yield lambda: ended.poll(1000 * _PAUSE_S)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _sampling(pid: int) -> Iterator[Callable[[], int]]:
    """High-water mark of a process's address space, KiB; 0: the system does not say."""
    try:
        status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield int
        return

    def sample() -> int:
        with contextlib.suppress(OSError):
            found = _HIGH_WATER.search(os.pread(status, 4096, 0))
            if found is not None:
                return int(found[1])
        return 0

    try:
        yield sample
    finally:
        os.close(status)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: the group has its number
        process.wait()


def _reason(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    killed = " (too little memory?)" if -returncode == signal.SIGKILL else ""
    return f"signal {signal.Signals(-returncode).name}{killed}"


def _tail(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.strip().splitlines()[-_LAST_LINES:])
