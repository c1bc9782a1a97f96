"""A prover must not outlive whoever asked for its proof: it would take cores from the next try.

A process that is killed with SIGKILL can't end its children. Linux can be told to do so
(prctl(2), PR_SET_PDEATHSIG); elsewhere a prover that lost its parent runs to its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from functools import cache

_PR_SET_PDEATHSIG = 1


def ending_with_parent(command: Sequence[str]) -> list[str]:
    """Return the command so that the program gets SIGKILL when the process that started it ends.

    Unchanged where there is no `setpriv` (util-linux), or no such program as the command names: it
    is started as ever then, and says what is wrong as ever.
    """
    wrapper = _setpriv()
    if wrapper is None or shutil.which(command[0]) is None:
        return list(command)
    return [wrapper, "--pdeathsig", "KILL", "--", *command]


def end_with_parent() -> None:
    """Let this process get SIGKILL when its parent ends; does nothing where that can't be had."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _setpriv() -> str | None:
    return shutil.which("setpriv") if sys.platform == "linux" else None
