"""Choosing sizes: which circuits prove a whole run soonest, with least gas, or in least memory.

Example:
    >>> job = Job(steps=64, batch_size=32, rows=455)
    >>> job.most_steps, job.range_proofs(8)
    (14, 2)
"""

from zkdescent.circuits.tuner.candidates import (
    OBJECTIVES,
    Candidate,
    Job,
    Limits,
    Objective,
    Overheads,
    Reason,
    Rejection,
    Tuning,
)
from zkdescent.circuits.tuner.costs import CircuitCost, CostModel, Demand
from zkdescent.circuits.tuner.machine import Machine, this_machine, usable_memory_mb
from zkdescent.circuits.tuner.search import preferred, tune

__all__ = [
    "OBJECTIVES",
    "Candidate",
    "CircuitCost",
    "CostModel",
    "Demand",
    "Job",
    "Limits",
    "Machine",
    "Objective",
    "Overheads",
    "Reason",
    "Rejection",
    "Tuning",
    "preferred",
    "this_machine",
    "tune",
    "usable_memory_mb",
]
