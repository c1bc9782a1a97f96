"""Worker processes: they end with their parent, load little, and are replaced when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from zkdescent.core.errors import ConfigError
from zkdescent.pipeline.scheduling.engines import Lost, ProcessEngine
from zkdescent.pipeline.scheduling.jobs import Outcome, WorkerSettings

from .conftest import job

# No prover has this name: a worker answers with an error as soon as it gets a job.
NOWHERE = WorkerSettings("none", True, 0, None, "objects")


def python(code: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_worker_whose_parent_is_gone_before_it_begins_ends() -> None:
    """Its parent was killed while it was being started: its process is somebody else's child."""
    gone = python("")
    gone.communicate()
    code = "import time\nfrom zkdescent.pipeline.scheduling.worker import begin\n"
    orphan = python(f"{code}begin({gone.pid})\nprint('begun', flush=True)\ntime.sleep(300)")
    orphan.communicate(timeout=60)
    assert orphan.returncode == 128 + signal.SIGTERM
    ours = python(f"{code}begin({os.getpid()})\nprint('begun', flush=True)\ntime.sleep(300)")
    assert ours.stdout is not None
    assert ours.stdout.readline() == "begun\n"
    time.sleep(1.2)  # it has looked twice
    assert ours.poll() is None
    ours.kill()
    ours.communicate()


def test_a_worker_loads_neither_torch_nor_curves_nor_abi_encoding() -> None:
    heavy = {"torch", "ezkl", "onnx", "py_ecc", "eth_abi", "eth_utils", "web3", "pydantic"}
    code = (
        "import sys\nimport zkdescent.pipeline.scheduling.worker\n"
        "import zkdescent.circuits.barretenberg.backend\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    assert python(code).communicate()[0] == "[]\n"


def test_a_worker_that_dies_is_told_and_replaced() -> None:
    engine = ProcessEngine(2)
    try:
        for slot in range(2):
            engine.start(slot, NOWHERE, job(slot))
        answered: list[int] = []
        while len(answered) < 2:
            for slot, answer in engine.wait():
                assert isinstance(answer, Outcome)
                assert isinstance(answer.error, ConfigError)
                answered.append(slot)
        assert sorted(answered) == [0, 1]

        (victim,) = engine._pools[0]._processes  # one worker a pool
        os.kill(victim, signal.SIGSTOP)  # busy until it is killed
        threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
        engine.start(0, NOWHERE, job(2))
        ((slot, lost),) = engine.wait()
        assert slot == 0
        assert isinstance(lost, Lost)
        engine.start(0, NOWHERE, job(2))
        ((_, again),) = engine.wait()
        assert isinstance(again, Outcome)
        assert again.worker.rpartition(":")[2] != str(victim)
    finally:
        engine.close()


def test_an_interrupt_is_the_parents_to_handle() -> None:
    """Ctrl-C goes to the whole process group; workers go on, and end when they are told to."""
    engine = ProcessEngine(1)
    engine.start(0, NOWHERE, job(0))
    engine.wait()
    (worker,) = engine._pools[0]._processes
    os.kill(worker, signal.SIGINT)
    engine.start(0, NOWHERE, job(1))
    ((_, answer),) = engine.wait()
    assert isinstance(answer, Outcome)
    assert answer.worker.endswith(f":{worker}")
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
