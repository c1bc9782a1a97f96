"""Keep the slots busy, within memory; try again what failed; say what could not be proven.

The first proof is made alone. What it took says how many can be made at once, and whether worker
processes are worth their start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from zkdescent.circuits.proof_system import Proof
from zkdescent.core.errors import CircuitTooLarge, ProofRejected, ProverError
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.engines import Answer, Engine, LocalEngine, Lost, ProcessEngine
from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob, WorkerSettings
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.scheduling.worker import resident_mb

Accept = Callable[[ProofJob, Proof], None]
"""Stores a proof; raises ProverError or ProofRejected if it is not the one that is needed."""

# What a worker is taken to need without its prover, until one has answered: 66 MB after its imports
# (measured, Linux), and as much again for circuits and witnesses.
WORKER_MB = 130.0
# Starting workers takes about as long; below, this process alone is done sooner.
_WORTH_S = 4.0
_KILLED = "SIGKILL"


@dataclass
class Progress:
    """What has been measured since the scheduler began."""

    made: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    resident_mb: float = 0.0
    retried: int = 0

    def add(self, outcome: Outcome, proof: Proof) -> None:
        """Count a proof."""
        self.made += 1
        self.seconds += outcome.seconds
        self.peak_memory_mb = max(self.peak_memory_mb, proof.peak_memory_mb)

    def left_s(self, pending: int, at_once: int) -> float | None:
        """Time left by the proofs made so far; None before the first."""
        if not self.made:
            return None
        rounds = -(-pending // at_once)
        return rounds * self.seconds / self.made


@dataclass
class Scheduler:
    """Makes the proofs of jobs that don't depend on each other.

    Attributes:
        accept: called here, in this process, for each proof.
        advance: told how many jobs are done, and how many seconds the rest will take if known.
    """

    settings: WorkerSettings
    limits: Limits
    accept: Accept
    report: Reporter
    advance: Callable[[int, float | None], None]
    progress: Progress = field(default_factory=Progress)
    _missing: int = 0

    def prove(self, jobs: Sequence[ProofJob]) -> None:
        """Make all proofs; those that are made before something fails have been accepted.

        Raises:
            ProverError: a proof failed as often as it may; it is named.
            CircuitTooLarge: not even one proof fits the memory budget.
        """
        waiting = deque(jobs)
        self._missing = len(waiting)
        if self.limits.ray is not None and waiting:
            from zkdescent.pipeline.scheduling.ray_engine import RayEngine

            wanted = self.limits.wanted(len(waiting))
            threads = self.limits.threads_of(wanted)
            engine = RayEngine(self.limits.ray, self.limits.jobs, threads, waiting, self.settings)
            self._run(engine, waiting, engine.slots, threads)
            return
        if waiting and not self.progress.made:
            # Alone, with everything: its peak is what the others are admitted by.
            self._run(LocalEngine(), deque([waiting.popleft()]), 1, self.limits.threads)
        if not waiting:
            return
        wanted = self.limits.wanted(len(waiting))
        expected_s = self.progress.seconds / self.progress.made * len(waiting)
        if wanted == 1 or (self.limits.jobs is None and expected_s < _WORTH_S):
            self._run(LocalEngine(), waiting, 1, self.limits.threads)
            return
        admitted = self._admitted(wanted)
        if admitted == 1:
            self._run(LocalEngine(), waiting, 1, self.limits.threads)
            return
        self._run(ProcessEngine(admitted), waiting, admitted, self.limits.threads_of(admitted))

    def _admitted(self, wanted: int) -> int:
        """How many proofs fit the memory, by the largest that was measured."""
        budget = self.limits.budget_mb()
        if budget is None:
            return wanted
        peak, own = self.progress.peak_memory_mb, 0.0
        if self.limits.memory_mb is not None:
            own = resident_mb()  # what is free does not hold it any more
            if own + peak > budget:
                raise CircuitTooLarge(
                    "one proof needs more memory than the budget allows",
                    expected=f"at most {budget:,.0f} MB, {own:,.0f} of them for this process",
                    got=f"{peak:,.0f} MB",
                    hint="raise --memory-gb, or take fewer steps per proof",
                )
        each = self._each_mb()
        fitting = int((budget - own) // each)
        if fitting < wanted:
            self.report.note(
                f"{max(1, fitting)} proofs at once, not {wanted}: "
                f"one takes {each:,.0f} MB of {budget - own:,.0f}"
            )
        return max(1, min(wanted, fitting))

    def _each_mb(self) -> float:
        return self.progress.peak_memory_mb + max(WORKER_MB, self.progress.resident_mb)

    def _still_fitting(self, at_once: int, answer: Outcome) -> int:
        """How many may go on, now that a worker has said how much it takes itself."""
        self.progress.resident_mb = max(self.progress.resident_mb, answer.resident_mb)
        if self.limits.memory_mb is None:
            return at_once
        room = self.limits.memory_mb - resident_mb()
        return max(1, min(at_once, int(room // self._each_mb())))

    def _run(
        self, engine: Engine, waiting: deque[ProofJob], at_once: int, threads: int | None
    ) -> None:
        settings = replace(self.settings, threads=threads)
        running: dict[int, ProofJob] = {}
        failures: dict[ProofJob, int] = {}
        self.report.event("engine", engine=engine.name, at_once=at_once, threads=threads)
        try:
            while waiting or running:
                free = [slot for slot in range(engine.slots) if slot not in running]
                while waiting and free and len(running) < at_once:
                    slot = free.pop(0)
                    running[slot] = waiting.popleft()
                    engine.start(slot, settings, running[slot])
                    self._tell("proof started", running[slot], slot=slot)
                for slot, answer in engine.wait():
                    job = running.pop(slot)
                    reason = self._reason(job, answer)
                    if reason is None:
                        self._missing -= 1
                        self.advance(max(1, job.circuit.blocks), self._left_s(at_once))
                        if isinstance(answer, Outcome) and engine.measures_workers:
                            at_once = self._still_fitting(at_once, answer)
                        continue
                    failures[job] = failures.get(job, 0) + 1
                    self._give_up(job, failures[job], reason)
                    self.progress.retried += 1
                    self.report.note(f"{job.title} is tried again: {reason}")
                    self._tell("proof retried", job, reason=reason, tries=failures[job])
                    engine.renew(slot)
                    waiting.append(job)
                    if _KILLED in reason and not isinstance(answer, Lost):
                        at_once = max(1, at_once - 1)  # most likely memory
        finally:
            engine.close()

    def _left_s(self, at_once: int) -> float | None:
        """By the proofs made so far, and as many at once as there will be."""
        if self.progress.made == 1 and self._missing:
            at_once = max(at_once, self.limits.wanted(self._missing))
        return self.progress.left_s(self._missing, at_once)

    def _reason(self, job: ProofJob, answer: Answer) -> str | None:
        """Accept the answer's proof and return None, or return why there is none.

        Raises:
            ZkDescentError: trying again can't help.
        """
        if isinstance(answer, Lost):
            return f"the worker ended: {answer.reason}"
        if answer.error is not None:
            if not isinstance(answer.error, ProverError | ProofRejected):
                raise answer.error
            return str(answer.error)
        if answer.proof is None or not answer.intact:
            return "the proof that arrived is not the one that was verified"
        try:
            self.accept(job, answer.proof)
        except (ProverError, ProofRejected) as error:
            return str(error)
        self.progress.add(answer, answer.proof)
        self._tell(
            "proof made",
            job,
            seconds=round(answer.proof.seconds, 3),
            worker_seconds=round(answer.seconds, 3),
            verify_seconds=round(answer.proof.verify_seconds, 3),
            peak_memory_mb=round(answer.proof.peak_memory_mb, 1),
            worker=answer.worker,
        )
        return None

    def _give_up(self, job: ProofJob, failed: int, reason: str) -> None:
        if failed < self.limits.tries:
            return
        raise ProverError(
            f"{job.title} could not be made",
            expected=f"a proof within {self.limits.tries} tries",
            got=reason,
            path=job.title,
            hint="what was proven is kept; run the command again to go on",
        )

    def _tell(self, event: str, job: ProofJob, **fields: object) -> None:
        self.report.event(event, role=job.circuit.role, index=job.index, **fields)
