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
    """A proof, and the processor seconds of the prover (all threads, its start too) and of us."""

    proof: P
    cpu_seconds: float


def timed(prove: Callable[[], P]) -> Timed[P]:
    """Make a proof and count the time of the prover's process and of this one."""
    before = _seconds()
    proof = prove()
    return Timed(proof, _seconds() - before)


def worst(proven: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """Largest absolute difference."""
    return float(np.abs(proven - expected).max())


def _seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(u.ru_utime + u.ru_stime for u in used)
