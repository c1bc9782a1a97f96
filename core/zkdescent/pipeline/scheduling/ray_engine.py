"""Proofs on a Ray cluster; keys and circuits go to each node once, by their sha256.

Ray's object store holds each object once per node. A worker writes it to the node's cache under
its digest and checks it there; the next worker, and the next run, find it. Workers get the
project's salt: they make the commitments, and must be trusted with the data anyhow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from zkdescent.circuits.cache import cache_directory
from zkdescent.core._files import sha256_of, storage_errors, write_bytes_atomic
from zkdescent.core.errors import ArtefactError, ProverError, ToolMissing
from zkdescent.core.objects import CheckedObjects
from zkdescent.pipeline.scheduling.engines import Answer, Engine, Lost
from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob, WorkerSettings

LOCAL = "local"
_QUIET = {
    "RAY_DEDUP_LOGS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayEngine(Engine):
    """As many slots as the cluster has cores for, or as were asked for.

    Raises:
        ToolMissing: Ray is not installed.
        ProverError: there is no cluster at the address.
    """

    name = "Ray"

    def __init__(
        self,
        address: str,
        jobs: int | None,
        threads: int,
        waiting: Iterable[ProofJob],
        settings: WorkerSettings,
    ) -> None:
        self._ray = _connect(address, jobs, threads)
        total = int(self._ray.cluster_resources().get("CPU", 1))
        self.slots = jobs or max(1, total // threads)
        # Nobody retries but the scheduler, which counts, and nothing is kept between the proofs
        # of one worker but what is keyed by content.
        remote = self._ray.remote(max_retries=0, num_cpus=threads)
        self._prove = remote(_prove_on_node)
        folder = CheckedObjects(Path(settings.objects))
        names = sorted({digest for job in waiting for digest in job.objects})
        self._objects = {n: self._ray.put(folder.path_of(n).read_bytes()) for n in names}
        self._running: dict[Any, int] = {}

    def start(self, slot: int, settings: WorkerSettings, job: ProofJob) -> None:
        """Submit the job; Ray places it."""
        # References inside a dictionary are not resolved for the worker: it fetches what it lacks.
        objects = {digest: self._objects[digest] for digest in job.objects}
        self._running[self._prove.remote(settings, job, objects)] = slot

    def wait(self) -> list[tuple[int, Answer]]:
        """Answers of the tasks that are done, or whose worker or node is gone."""
        done, _ = self._ray.wait(list(self._running), num_returns=1)
        answers: list[tuple[int, Answer]] = []
        for reference in done:
            slot = self._running.pop(reference)
            try:
                answers.append((slot, self._ray.get(reference)))
            except self._ray.exceptions.RayError as error:
                first = str(error).strip().splitlines() or [""]
                answers.append((slot, Lost(f"{type(error).__name__}: {first[0]}")))
        return answers

    def close(self) -> None:
        """Cancel what runs and leave the cluster; one that was started here ends."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        self._objects.clear()
        self._ray.shutdown()


def _connect(address: str, jobs: int | None, threads: int) -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ToolMissing("Ray is not installed", hint="pip install 'zkdescent[ray]'") from error
    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    if address == LOCAL:
        # A proof asks for as many of these as it has threads.
        options["num_cpus"] = max(jobs or 1, 1) * threads if jobs else None
        options["address"] = "local"
    else:
        options = {"address": address, "log_to_driver": False}
    try:
        ray.init(**options, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise ProverError(
            "the Ray cluster does not answer",
            got=str(error).strip().splitlines()[0] if str(error).strip() else None,
            path=address,
            hint="start one with `ray start --head`, or say --ray local",
        ) from error
    return ray


def _prove_on_node(settings: WorkerSettings, job: ProofJob, objects: dict[str, Any]) -> Outcome:
    """What a Ray worker runs: bring the objects to this node, then prove as any worker."""
    from dataclasses import replace

    import ray

    from zkdescent.circuits.orphans import end_with_parent
    from zkdescent.pipeline.scheduling.worker import make_proof

    _once(end_with_parent)
    folder = cache_directory() / "objects"
    for digest, reference in objects.items():
        bring(folder, digest, lambda reference=reference: ray.get(reference))
    return make_proof(replace(settings, objects=str(folder)), job)


@lru_cache(maxsize=1)
def _once(function: Any) -> None:
    function()


def bring(folder: Path, digest: str, fetch: Any) -> Path:
    """Return the path of an object in a folder, fetched unless it is there and whole.

    Raises:
        ArtefactError: what was fetched has another digest.
    """
    path = folder / digest
    with storage_errors(path):
        if (
            not path.is_file()
            or _digest(path, path.stat().st_size, path.stat().st_mtime_ns) != digest
        ):
            write_bytes_atomic(path, bytes(fetch()), scratch=folder.parent / "scratch")
            if sha256_of(path) != digest:
                path.unlink()
                raise ArtefactError("an object arrived damaged", expected=digest, path=path)
    return path


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified_ns: int) -> str:
    return sha256_of(path)
