"""Where proofs are made: in this process, or in worker processes of this machine.

An engine has slots; a slot makes one proof at a time. One that loses its worker says so, and has a
new worker for the next proof.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any

from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob, WorkerSettings
from zkdescent.pipeline.scheduling.worker import begin, make_proof


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker ended before it answered."""

    reason: str


Answer = Outcome | Lost


class Engine(ABC):
    """Slots that make proofs; the scheduler starts jobs and waits for answers."""

    name: str
    slots: int
    measures_workers: bool = False
    """Whether its workers take memory of this machine, beside this process."""

    @abstractmethod
    def start(self, slot: int, settings: WorkerSettings, job: ProofJob) -> None:
        """Begin a proof in a free slot."""

    @abstractmethod
    def wait(self) -> list[tuple[int, Answer]]:
        """Wait until something is done; the slots that are free again, with their answers."""

    def renew(self, slot: int) -> None:  # noqa: B027 - an engine without workers has none to renew
        """Let the next proof of a slot be made by another worker."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, and the provers that they run."""


class LocalEngine(Engine):
    """One slot: this process."""

    name, slots = "this process", 1

    def __init__(self) -> None:
        self._next: tuple[WorkerSettings, ProofJob] | None = None

    def start(self, slot: int, settings: WorkerSettings, job: ProofJob) -> None:
        """Remember the job; it is done when it is waited for."""
        self._next = settings, job

    def wait(self) -> list[tuple[int, Answer]]:
        """Make the proof."""
        assert self._next is not None
        (settings, job), self._next = self._next, None
        return [(0, make_proof(settings, job))]

    def close(self) -> None:
        """Nothing to end."""


class ProcessEngine(Engine):
    """Worker processes of joblib's loky, each with a queue of its own.

    One pool of many workers would break as a whole when one of them dies, and would not say whose
    proof was lost.
    """

    name, measures_workers = "worker processes", True

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._pools: dict[int, Any] = {}
        self._running: dict[Future[Outcome], int] = {}

    def start(self, slot: int, settings: WorkerSettings, job: ProofJob) -> None:
        """Hand the job to the slot's worker, which is started on first use."""
        from joblib.externals.loky import ProcessPoolExecutor

        for _ in range(2):
            if slot not in self._pools:
                self._pools[slot] = ProcessPoolExecutor(max_workers=1, initializer=begin)
            try:
                self._running[self._pools[slot].submit(make_proof, settings, job)] = slot
                return
            except BrokenExecutor:  # it died while it had nothing to do
                self.renew(slot)
        raise RuntimeError("a worker process ends as soon as it is started")

    def wait(self) -> list[tuple[int, Answer]]:
        """Answers of the workers that are done, or gone."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        answers: list[tuple[int, Answer]] = []
        for future in done:
            slot = self._running.pop(future)
            error = future.exception()
            if error is None:
                answers.append((slot, future.result()))
                continue
            self.renew(slot)
            first = str(error).strip().splitlines() or [""]
            answers.append((slot, Lost(f"{type(error).__name__}: {first[0]}")))
        return answers

    def renew(self, slot: int) -> None:
        """End the slot's worker; the next job gets a new one."""
        pool = self._pools.pop(slot, None)
        if pool is not None:
            with contextlib.suppress(Exception):
                pool.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """Kill the workers; their provers end with them."""
        for slot in list(self._pools):
            self.renew(slot)
        self._running.clear()
