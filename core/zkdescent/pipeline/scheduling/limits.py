"""How many proofs at once, with how many threads each, and within how much memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zkdescent.core.errors import ConfigError

SHARE_OF_FREE_MEMORY = 0.8
_CPU_QUOTAS = (Path("/sys/fs/cgroup/cpu.max"),)


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used.

    Attributes:
        jobs: proofs at once; None: as many as there are cores.
        threads: of each proof; None: the cores divided among the proofs.
        memory_mb: resident memory of everything together; None: a share of what is free.
        tries: how often a proof is tried before the run is given up.
        ray: where the proofs are made instead: an address, or "local"; None: on this machine.
    """

    jobs: int | None = None
    threads: int | None = None
    memory_mb: float | None = None
    tries: int = 3
    ray: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("jobs", self.jobs), ("threads", self.threads)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is not allowed", expected="1 or more", got=value)
        if self.memory_mb is not None and self.memory_mb <= 0:
            raise ConfigError("the memory budget is not allowed", expected="more than 0 GB")

    def wanted(self, pending: int) -> int:
        """Proofs at once, before memory is looked at."""
        return max(1, min(self.jobs or cores(), pending))

    def threads_of(self, at_once: int) -> int:
        """Threads of each proof if so many are made at once."""
        return self.threads or max(1, cores() // at_once)

    def budget_mb(self) -> float | None:
        """The memory that may be used from now on, this process included; None: unknown."""
        if self.memory_mb is not None:
            return self.memory_mb
        free = available_memory_mb()
        return None if free is None else SHARE_OF_FREE_MEMORY * free


def parse_jobs(text: str) -> int | None:
    """Read ``--jobs``: "auto" (None) or a number.

    Raises:
        ConfigError: neither.
    """
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 4096:
        raise ConfigError(
            "--jobs is not allowed", expected="auto, or a number from 1 to 4096", got=text
        )
    return int(text)


def cores() -> int:
    """Cores that this process may use: by its affinity and by its group's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    for file in _CPU_QUOTAS:
        try:
            quota, period = file.read_text().split()
            count = min(count, max(1, -(-int(quota) // int(period))))
        except (OSError, ValueError):
            continue
    return count


def available_memory_mb() -> float | None:
    """What the machine can still give without swapping, mebibytes; None: it does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
    except OSError:
        return None
    return None
