"""What a worker does: one proof at a time, keys and circuits checked once and kept between proofs.

Neither torch nor the user's files are needed here: the circuit's program is one of its objects.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path

from zkdescent.circuits.backends import make_backend
from zkdescent.circuits.proof_system import Proof, ProofSystem
from zkdescent.core.errors import ArtefactError, ProverError, ZkDescentError
from zkdescent.core.objects import CheckedObjects
from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob, WorkerSettings, digest_of

_PARENT_POLL_S = 0.5
_GRACE_S = 2.0


def make_proof(settings: WorkerSettings, job: ProofJob) -> Outcome:
    """Make one proof; the prover verifies it at once. Errors are returned, not raised."""
    started = time.monotonic()
    proof, error = None, None
    try:
        proof = _prove(settings, job)
    except ZkDescentError as caught:
        error = caught
    except MemoryError:
        error = ProverError("the worker ran out of memory", got="MemoryError")
    except OSError as caught:
        error = ArtefactError("the worker could not read or write a file", got=str(caught))
    return Outcome(
        proof=proof,
        error=error,
        digest="" if proof is None else digest_of(proof),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        resident_mb=resident_mb(),
        seconds=time.monotonic() - started,
    )


def _prove(settings: WorkerSettings, job: ProofJob) -> Proof:
    backend, locate = _backend(settings), _objects(settings.objects).path_of
    if job.step is None:
        return backend.prove(job.circuit, locate, list(job.inputs[0]))
    blocks = [list(block) for block in job.inputs]
    return backend.prove_aggregate(job.circuit, job.step, locate, blocks)


@lru_cache(maxsize=4)
def _backend(settings: WorkerSettings) -> ProofSystem:
    return make_backend(
        settings.backend,
        salt=lambda: settings.salt,
        zero_knowledge=settings.zero_knowledge,
        threads=settings.threads,
    )


@lru_cache(maxsize=4)
def _objects(folder: str) -> CheckedObjects:
    return CheckedObjects(Path(folder))


def resident_mb() -> float:
    """Peak resident memory of this process, mebibytes."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def begin(parent: int) -> None:
    """Initialise a worker process: Ctrl-C is its parent's to handle, and it ends with its parent.

    A parent that is killed can't end its workers. They look for it twice a second; on the way out
    the prover that a worker runs is ended, too.

    Args:
        parent: its process id. Who started this process can't be asked: if that one was killed
            before we came here, we would watch whoever took us over.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _leave(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    with contextlib.suppress(ProcessLookupError):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
