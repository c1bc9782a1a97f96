"""Proofs with the processor time they took."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Timed(Generic[P]):
    """A proof, and the processor time of the process that made it (all threads, its start too)."""

    proof: P
    cpu_seconds: float


def timed(prove: Callable[[], P]) -> Timed[P]:
    """Make a proof in a process of its own and count that process's time."""
    before = _children_seconds()
    proof = prove()
    return Timed(proof, _children_seconds() - before)


def worst(proven: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """Largest absolute difference."""
    return float(np.abs(proven - expected).max())


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
