"""Run ezkl in a process of its own.

Rust panics cross its Python border as exceptions that are no `Exception`, it holds the GIL for the
whole of a proof, and memory it took comes back only when the process ends. So each call is one
process: `python -m zkdescent.circuits.ezkl_backend.worker` reads a JSON request on stdin and
writes a JSON answer as the last line of stdout.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from zkdescent.circuits.orphans import end_with_parent
from zkdescent.core.errors import ProverError, ToolMissing

_MODULE = "zkdescent.circuits.ezkl_backend.worker"
_LAST_LINES = 12


def call(operation: str, threads: int | None = None, /, **arguments: Any) -> dict[str, Any]:
    """Run one operation of `operations` in a fresh process and return its answer.

    Args:
        threads: how many the prover may use; None: as many as there are cores.

    Raises:
        ToolMissing: ezkl is not installed.
        ProverError: the prover failed, panicked or was killed; the last lines it printed are named.
    """
    environment = dict(os.environ)
    # The default buffer makes reading a proving key many thousand system calls.
    environment.setdefault("EZKL_BUF_CAPACITY", str(1 << 22))
    if threads is not None:
        environment["RAYON_NUM_THREADS"] = str(threads)
    # ezkl keeps lookup tables under this path and trusts them at setup. An empty folder for each
    # call, whatever the user has set: no table of another project or person is ever believed.
    with tempfile.TemporaryDirectory(prefix="zkdescent-ezkl-") as repository:
        process = subprocess.run(
            [sys.executable, "-m", _MODULE],
            input=json.dumps({"operation": operation, "arguments": arguments}),
            capture_output=True,
            text=True,
            env=environment | {"EZKL_REPO_PATH": repository},
            check=False,
        )
    answer = _answer(process.stdout)
    if process.returncode == 0 and answer is not None and "error" not in answer:
        return answer
    if answer is not None and answer.get("missing"):
        raise ToolMissing("the prover ezkl is not installed", hint="pip install 'zkdescent[prove]'")
    if process.returncode < 0:
        number = signal.Signals(-process.returncode)
        hint = "most likely out of memory: use fewer steps per proof or a smaller logrows"
        raise ProverError(
            f"the prover was killed during {operation}",
            got=number.name,
            hint=hint if number is signal.SIGKILL else None,
        )
    tail = "\n".join(process.stderr.strip().splitlines()[-_LAST_LINES:])
    reason = answer["error"] if answer is not None else f"exit status {process.returncode}"
    raise ProverError(f"the prover failed during {operation}", got=reason, hint=tail or None)


def _answer(stdout: str) -> dict[str, Any] | None:
    lines = stdout.strip().splitlines()
    try:
        return dict(json.loads(lines[-1]))
    except (IndexError, ValueError):
        return None


def _peak_memory_mb() -> float:
    """Peak resident memory of this process, mebibytes.

    Linux hands `ru_maxrss` on through fork and exec, so a worker of a parent that has torch loaded
    would report the parent's memory; the high-water mark of the address space starts anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def main() -> int:
    """Serve one request."""
    end_with_parent()
    request = json.load(sys.stdin)
    try:
        from zkdescent.circuits.ezkl_backend import operations, peer_operations
    except ImportError as error:
        # Our own modules have "ezkl" in their names too: only the package itself counts.
        missing = (error.name or "").partition(".")[0] == "ezkl"
        print(json.dumps({"error": f"{type(error).__name__}: {error}", "missing": missing}))
        return 1
    started = time.perf_counter()
    try:
        module = peer_operations if request["operation"].startswith("peer_") else operations
        answer = getattr(module, request["operation"])(**request["arguments"]) or {}
    except BaseException as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return 1
    answer["seconds"] = time.perf_counter() - started
    answer["peak_memory_mb"] = _peak_memory_mb()
    print("\n" + json.dumps(answer))
    return 0


if __name__ == "__main__":
    status = main()
    # ezkl's async functions leave runtime threads behind that can crash the interpreter's exit.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
