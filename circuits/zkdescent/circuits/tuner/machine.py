"""This machine: memory that a proof may take, and speed beside the reference machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core.records import FIELD_MODULUS

_SHARE = 0.85  # of the memory; the rest is for the system and this process
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_REFERENCE_SECONDS = 0.0247  # processor time of `_work` on the reference machine


@dataclass(frozen=True, slots=True)
class Machine:
    """What the estimate needs to know.

    Attributes:
        memory_mb: memory that a proving process may take, mebibytes.
        slowness: seconds here for one on the reference machine; only what is shown is scaled by
            it, never what is chosen.
    """

    memory_mb: float
    slowness: float = 1.0


def this_machine() -> Machine:
    """Measure this machine; takes about a tenth of a second."""
    return Machine(usable_memory_mb(), _slowness())


def usable_memory_mb(*, limits: tuple[Path, ...] = _CONTAINER_LIMITS) -> float:
    """Memory that a proving process may take, mebibytes.

    Of what is installed, or of a container's limit if that is less, and not of what happens to be
    free: the choice of circuits must not change from one call to the next.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in limits:
        text = file.read_text().strip() if file.exists() else ""
        if text.isdigit():  # "max" means no limit
            total = min(total, int(text))
    return _SHARE * total / (1 << 20)


def _slowness() -> float:
    """Modular arithmetic, which is what proving is, in processor time: other load hardly counts."""
    times = []
    for _ in range(3):
        started = time.process_time()
        _work()
        times.append(time.process_time() - started)
    return min(times) / _REFERENCE_SECONDS


def _work() -> None:
    value = 3
    for _ in range(300):
        value = pow(value, FIELD_MODULUS - 2, FIELD_MODULUS)
