"""Jobs without a prover: an engine that answers as it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zkdescent.circuits.proof_system import Proof
from zkdescent.core.records import CircuitRecord
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.engines import Answer, Engine
from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob, WorkerSettings, digest_of

SETTINGS = WorkerSettings("barretenberg", True, 0, None, "objects")


def circuit() -> CircuitRecord:
    """A step circuit; nothing of it is looked at here."""
    return CircuitRecord(
        role="step", backend="barretenberg", vk_sha256=bytes(32), vka=(), vka_digest=b"",
        proof_length=160, public_values=0, features=0, outputs=0, fraction_bits=12,
        steps_per_proof=1, logrows=12, opening=(0, 0, 0, 0), srs="unsafe-local",
    )  # fmt: skip


def job(index: int) -> ProofJob:
    """A job that nobody proves."""
    return ProofJob(circuit(), index, 0, (None,) * 4, ((),))


def made(index: int, *, peak: float = 100.0) -> Outcome:
    """What a worker answers: a proof that says whose it is."""
    proof = Proof(
        proof=index.to_bytes(32, "big") * 5,
        public_values=(),
        output=np.zeros(0, dtype=object),
        seconds=10.0,
        verify_seconds=0.1,
        peak_memory_mb=peak,
    )
    return Outcome(proof, None, digest_of(proof), "here:1", 50.0, 10.0)


class Scripted(Engine):
    """Answers by a function of the job and of how often it was tried; counts what runs at once."""

    name, measures_workers = "scripted", True

    def __init__(self, slots: int, answer: Callable[[ProofJob, int], Answer]) -> None:
        self.slots = slots
        self.measures_workers = slots > 1
        self.answer = answer
        self.tries: dict[int, int] = {}
        self.running: deque[tuple[int, ProofJob]] = deque()
        self.most_at_once = 0
        self.threads: set[int | None] = set()
        self.renewed = 0
        self.closed = False

    def start(self, slot: int, settings: WorkerSettings, job: ProofJob) -> None:
        """Remember."""
        assert slot not in {s for s, _ in self.running}
        self.running.append((slot, job))
        self.threads.add(settings.threads)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def wait(self) -> list[tuple[int, Answer]]:
        """Answer the oldest."""
        slot, job = self.running.popleft()
        self.tries[job.index] = self.tries.get(job.index, 0) + 1
        return [(slot, self.answer(job, self.tries[job.index]))]

    def renew(self, slot: int) -> None:
        """Count."""
        self.renewed += 1

    def close(self) -> None:
        """Remember."""
        self.closed = True


class Heard(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def note(self, text: str) -> None:
        """Keep."""
        self.notes.append(text)

    def event(self, name: str, **fields: object) -> None:
        """Keep."""
        self.events.append((name, fields))


@pytest.fixture
def heard() -> Heard:
    """A reporter to ask afterwards."""
    return Heard()
