"""A prover ends with the process that asked for its proof, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from zkdescent.circuits.orphans import ending_with_parent

PARENT = """
import subprocess, sys, time
from zkdescent.circuits.orphans import ending_with_parent
child = subprocess.Popen(ending_with_parent(["sleep", "60"]), start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_a_killed_parent_leaves_no_prover() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child lives on")


def test_a_program_that_is_not_there_is_left_to_fail_as_ever() -> None:
    assert ending_with_parent(["/no/such/program", "x"]) == ["/no/such/program", "x"]
