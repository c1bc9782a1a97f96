"""Proving in parallel is interrupted by Ctrl-C, and loses a Ray worker; slow."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zkdescent.circuits.proof_system import Proof
from zkdescent.pipeline.planning import plan_project
from zkdescent.pipeline.provers import project_salt
from zkdescent.pipeline.proving import block_jobs, commitments, trajectory
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.jobs import ProofJob, WorkerSettings
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.scheduling.scheduler import Scheduler

from .honk import HonkRun

pytestmark = [pytest.mark.prover, pytest.mark.barretenberg, pytest.mark.slow]
PROOFS = 8
# A process that proves, says each event, and ends as the command does.
PROVING = """
import pickle, sys
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.scheduling.limits import Limits
from zkdescent.pipeline.scheduling.scheduler import Scheduler

class Saying(Reporter):
    def event(self, name, **fields):
        print(name, fields.get("worker", ""), flush=True)

settings, jobs = pickle.load(open(sys.argv[1], "rb"))
quiet = lambda *_: None
try:
    Scheduler(settings, Limits(jobs=2), quiet, Saying(), quiet).prove(jobs)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(scope="module")
def work(honest: HonkRun) -> tuple[WorkerSettings, list[ProofJob]]:
    """The honest run's block proofs, over and over."""
    blueprint, manifest = honest.blueprint, honest.store.read_manifest()
    plan, _ = plan_project(honest.project, manifest)
    states = trajectory(blueprint, plan.order())
    heads = commitments(blueprint, manifest, honest.store, states)
    jobs = block_jobs(blueprint, manifest, plan, states, heads)
    objects = str(honest.store.root / "objects")
    settings = WorkerSettings("barretenberg", True, project_salt(honest.project), 1, objects)
    return settings, [replace(jobs[i % len(jobs)], index=i) for i in range(PROOFS)]


def in_group(group: int) -> list[int]:
    """Processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group and words[0] != "Z":
            found.append(int(folder.name))
    return found


def test_an_interrupt_ends_workers_and_provers(
    work: tuple[WorkerSettings, list[ProofJob]], tmp_path: Path
) -> None:
    (tmp_path / "work").write_bytes(pickle.dumps(work))
    process = subprocess.Popen(
        [sys.executable, "-c", PROVING, str(tmp_path / "work")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    workers = set()
    for line in process.stdout:
        name, _, worker = line.strip().rpartition(" ")
        if name == "proof made":
            workers.add(int(worker.rpartition(":")[2]))
        if len(workers) == 2:  # the first is made alone, in the process itself
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.communicate(timeout=120)
    assert process.returncode == 130
    deadline = time.monotonic() + 30  # the trackers of shared memory end when they are alone
    while in_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_group(process.pid) == []


class Killing(Reporter):
    """Kills the first Ray worker that has made a proof."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self.retried = 0

    def event(self, name: str, **fields: Any) -> None:
        """Kill once, while its next proof is made."""
        if name == "proof retried":
            self.retried += 1
        if name == "proof made" and not self.killed:
            self.killed.append(int(fields["worker"].rpartition(":")[2]))
        elif name == "proof started" and self.killed and self.killed[-1]:
            time.sleep(0.2)
            os.kill(self.killed[-1], signal.SIGKILL)
            self.killed.append(0)


def test_a_ray_worker_that_dies_costs_its_proof_alone(
    work: tuple[WorkerSettings, list[ProofJob]],
) -> None:
    pytest.importorskip("ray")
    settings, jobs = work
    made: list[int] = []

    def accept(job: ProofJob, proof: Proof) -> None:
        made.append(job.index)

    report = Killing()
    scheduler = Scheduler(settings, Limits(jobs=2, ray="local"), accept, report, lambda *_: None)
    scheduler.prove(jobs)
    assert sorted(made) == list(range(PROOFS))
    assert len(report.killed) == 2
    assert report.retried == scheduler.progress.retried == 1
