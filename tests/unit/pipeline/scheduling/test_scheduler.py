"""Failures are tried again and then named; memory decides how many proofs are made at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from zkdescent.circuits.proof_system import Proof
from zkdescent.core.errors import CircuitTooLarge, ConfigError, ProverError, RangeOverflow
from zkdescent.pipeline.scheduling import limits as limits_module
from zkdescent.pipeline.scheduling import scheduler as module
from zkdescent.pipeline.scheduling.engines import Answer, Lost
from zkdescent.pipeline.scheduling.jobs import Outcome, ProofJob
from zkdescent.pipeline.scheduling.limits import Limits, parse_jobs
from zkdescent.pipeline.scheduling.scheduler import Scheduler

from .conftest import SETTINGS, Heard, Scripted, job, made


class Bench:
    """A scheduler whose engines are scripted."""

    def __init__(
        self,
        heard: Heard,
        monkeypatch: pytest.MonkeyPatch,
        answer: Callable[[ProofJob, int], Answer],
        limits: Limits,
    ) -> None:
        self.engines: list[Scripted] = []
        self.accepted: list[int] = []
        self.left: list[float | None] = []

        def make(slots: int = 1) -> Scripted:
            self.engines.append(Scripted(slots, answer))
            return self.engines[-1]

        monkeypatch.setattr(module, "LocalEngine", make)
        monkeypatch.setattr(module, "ProcessEngine", make)
        monkeypatch.setattr(limits_module, "cores", lambda: 8)
        monkeypatch.setattr(module, "resident_mb", lambda: 200.0)
        self.scheduler = Scheduler(SETTINGS, limits, self._accept, heard, self._advance)

    def _accept(self, job: ProofJob, proof: Proof) -> None:
        if int.from_bytes(proof.proof[:32], "big") != job.index:
            raise ProverError("another block's proof")
        self.accepted.append(job.index)

    def _advance(self, blocks: int, left_s: float | None) -> None:
        self.left.append(left_s)

    def prove(self, count: int) -> None:
        """Prove so many jobs."""
        self.scheduler.prove([job(i) for i in range(count)])


def honest(job: ProofJob, tried: int) -> Answer:
    return made(job.index)


def test_the_first_is_made_alone_and_the_rest_at_once(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(heard, monkeypatch, honest, Limits(jobs=4, memory_mb=1e6))
    bench.prove(13)
    assert sorted(bench.accepted) == list(range(13))
    first, rest = bench.engines
    assert (first.most_at_once, rest.most_at_once, rest.threads) == (1, 4, {2})
    assert (first.threads, first.closed, rest.closed) == ({None}, True, True)
    assert bench.left[0] == 30.0, "twelve more, four at once, ten seconds each"
    assert bench.left[-1] == 0.0


def test_memory_admits_only_as_many_as_fit(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    # 200 MB are this process's; each proof takes 100 MB and its worker's own 130 MB.
    bench = Bench(heard, monkeypatch, honest, Limits(jobs=8, memory_mb=200 + 3 * 230 + 100))
    bench.prove(10)
    assert [engine.most_at_once for engine in bench.engines] == [1, 3]
    assert "3 proofs at once, not 8" in heard.notes[0]


def test_one_after_the_other_where_two_do_not_fit(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(heard, monkeypatch, honest, Limits(jobs=8, memory_mb=400))
    bench.prove(4)
    assert [engine.most_at_once for engine in bench.engines] == [1, 1]


def test_workers_that_take_more_than_expected_leave_fewer_at_once(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []

    def answer(job: ProofJob, tried: int) -> Answer:
        at_once.append(len(bench.engines[-1].running) + 1)
        return replace(made(job.index), resident_mb=400.0)

    bench = Bench(heard, monkeypatch, answer, Limits(jobs=4, memory_mb=200 + 4 * 230 + 50))
    bench.prove(12)
    assert (max(at_once), at_once[6:]) == (4, [1] * 6)


def test_a_budget_below_one_proof_is_refused(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(heard, monkeypatch, honest, Limits(jobs=8, memory_mb=250))
    with pytest.raises(CircuitTooLarge, match="more memory than the budget"):
        bench.prove(4)
    assert bench.accepted == [0], "what was proven is kept"


@pytest.mark.parametrize(
    "bad",
    [
        Lost("TerminatedWorkerError: signal 9"),
        Outcome(None, ProverError("out of memory", got="MemoryError"), "", "here:2", 0.0, 1.0),
        made(3),  # a good proof, of another block
        Outcome(made(7).proof, None, "0" * 64, "here:3", 0.0, 1.0),  # changed on the way
    ],
)
def test_what_fails_is_tried_again_by_another_worker(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, bad: Answer
) -> None:
    def answer(job: ProofJob, tried: int) -> Answer:
        return bad if (job.index, tried) == (7, 1) else made(job.index)

    bench = Bench(heard, monkeypatch, answer, Limits(jobs=2, memory_mb=1e6))
    bench.prove(10)
    assert sorted(bench.accepted) == list(range(10)), "each once"
    rest = bench.engines[1]
    assert (rest.tries[7], rest.renewed, bench.scheduler.progress.retried) == (2, 1, 1)
    assert any("block proof 7 is tried again" in note for note in heard.notes)


def test_what_fails_always_is_named(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(job: ProofJob, tried: int) -> Answer:
        return Lost("gone") if job.index == 5 else made(job.index)

    bench = Bench(heard, monkeypatch, answer, Limits(jobs=2, memory_mb=1e6, tries=3))
    with pytest.raises(ProverError, match="block proof 5 could not be made") as caught:
        bench.prove(8)
    assert bench.engines[1].tries[5] == 3
    assert "run the command again" in str(caught.value.hint)
    assert bench.engines[1].closed


def test_what_another_try_cannot_mend_is_raised_at_once(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(job: ProofJob, tried: int) -> Answer:
        if job.index == 2:
            return Outcome(None, RangeOverflow("a value leaves its range"), "", "", 0.0, 0.0)
        return made(job.index)

    bench = Bench(heard, monkeypatch, answer, Limits(jobs=2, memory_mb=1e6))
    with pytest.raises(RangeOverflow):
        bench.prove(8)
    assert bench.engines[1].tries[2] == 1


def test_a_prover_that_was_killed_leaves_one_fewer_at_once(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = ProverError("the prover failed", got="signal SIGKILL (too little memory?)")
    at_once: list[int] = []

    def answer(job: ProofJob, tried: int) -> Answer:
        if bench.engines:
            at_once.append(len(bench.engines[-1].running) + 1)
        if (job.index, tried) == (3, 1):
            return Outcome(None, killed, "", "", 0.0, 0.0)
        return made(job.index)

    bench = Bench(heard, monkeypatch, answer, Limits(jobs=3, memory_mb=1e6))
    bench.prove(12)
    assert (max(at_once), max(at_once[6:])) == (3, 2)


def test_few_and_quick_proofs_start_no_workers(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(heard, monkeypatch, honest, Limits(memory_mb=1e6))
    monkeypatch.setattr(module, "_WORTH_S", 25.0)
    bench.prove(3)
    assert [engine.slots for engine in bench.engines] == [1, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5", "99999", "٣"])
def test_other_numbers_of_jobs_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--jobs is not allowed"):
        parse_jobs(text)
    assert (parse_jobs("auto"), parse_jobs("2")) == (None, 2)


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"threads": 0}, {"memory_mb": 0.0}])
def test_impossible_limits_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Limits(**wrong)
