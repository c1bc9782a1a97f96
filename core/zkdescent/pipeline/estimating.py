"""Stage `estimate`: what a whole run will cost, before any setup; and why sizes were chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from zkdescent.circuits.passes.explain import Explanation
from zkdescent.circuits.tuner import (
    Candidate,
    Machine,
    Objective,
    Rejection,
    Tuning,
    this_machine,
)
from zkdescent.core.config import Project
from zkdescent.core.errors import RangeOverflow
from zkdescent.pipeline.blueprint import Blueprint, make_blueprint
from zkdescent.pipeline.sizing import remember_objective

_SHOWN = 5  # runners-up
_DEDICATED_BYTES = 6_700  # longest proof whose own verifier is below the 24,576 bytes of EIP-170


@dataclass(frozen=True, slots=True)
class Refused:
    """Candidates of one size that were refused for one reason.

    Attributes:
        logrows: 0 where each circuit is as large as it needs to be.
        steps_per_proof: fewest and most; None if the size was refused for any number.
        detail: of the fewest.
    """

    logrows: int
    steps_per_proof: tuple[int, int] | None
    reason: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        steps = None if self.steps_per_proof is None else list(self.steps_per_proof)
        return {**asdict(self), "steps_per_proof": steps}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will cost on this machine.

    Attributes:
        explanation: rows of one update step after each stage of compiling; None if the naive
            program, with which that table begins, does not fit the declared arithmetic.
        notes: what else the user should know.
    """

    tuning: Tuning
    machine: Machine
    explanation: Explanation | None
    notes: tuple[str, ...]

    @property
    def choice(self) -> Candidate:
        """The chosen candidate."""
        return self.tuning.choice

    @property
    def seconds(self) -> float:
        """Setup and all proofs, on this machine when nothing else runs."""
        return self.choice.seconds * self.machine.slowness

    @property
    def proving_seconds(self) -> float:
        """All proofs, without setup."""
        return self.choice.proving_seconds * self.machine.slowness

    @property
    def runners_up(self) -> tuple[Candidate, ...]:
        """The next best."""
        return self.tuning.runners_up[:_SHOWN]

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Everything that was refused, by size and reason."""
        groups: dict[tuple[int, str], list[Rejection]] = {}
        for rejection in self.tuning.rejected:
            groups.setdefault((rejection.size, rejection.reason.value), []).append(rejection)
        return tuple(_refused(size, reason, group) for (size, reason), group in groups.items())

    def summary(self) -> dict[str, Any]:
        """The choice as names and values."""
        choice = self.choice
        return {
            "objective": self.tuning.objective,
            "logrows": choice.step.logrows,
            "steps_per_proof": choice.steps_per_proof,
            "block_proofs": choice.block_proofs,
            "range_proofs": choice.range_proofs,
            "rows": round(choice.rows),
            "column_blocks": choice.step.blocks,
            "seconds": round(self.seconds, 1),
            "proving_seconds": round(self.proving_seconds, 1),
            "seconds_per_block_proof": round(choice.step.seconds * self.machine.slowness, 2),
            "peak_memory_mb": round(choice.memory_mb),
            "memory_limit_mb": round(self.machine.memory_mb),
            "proving_keys_mb": round(choice.key_mb),
            "proof_bytes": choice.step.proof_bytes,
            "gas_per_block_proof": choice.step.gas,
            "gas": choice.gas,
        }

    def to_json(self) -> dict[str, Any]:
        """The summary, what it is made of, and what was decided against."""
        stages = () if self.explanation is None else self.explanation.stages
        return {
            **self.summary(),
            "circuits": {
                role: asdict(cost)
                for role, cost in zip(
                    ("step", "range", "inference"), self.choice.circuits, strict=True
                )
            },
            "runners_up": [_brief(c) for c in self.runners_up],
            "refused": [r.to_json() for r in self.refused],
            "passes": [
                {
                    "name": stage.name,
                    "rows_before": _finite(stage.rows_before),
                    "rows_after": _finite(stage.rows_after),
                }
                for stage in stages
            ],
            "slowness": round(self.machine.slowness, 2),
            "notes": list(self.notes),
        }


def estimate_project(project: Project, *, objective: Objective | None = None) -> Estimate:
    """Estimate the run of a project; nothing is written.

    Raises:
        CircuitTooLarge: no circuit holds the job on this machine; the hint says what to change.
        ZkDescentError: as `make_blueprint`.
    """
    return estimate(make_blueprint(project, objective=objective))


def estimate(blueprint: Blueprint) -> Estimate:
    """Estimate the run of a blueprint."""
    try:
        explanation = blueprint.programs.explained(blueprint.size)
    except RangeOverflow:
        explanation = None
    return Estimate(blueprint.tuning, this_machine(), explanation, _notes(blueprint))


def blueprint_to_compile(project: Project, objective: Objective | None) -> Blueprint:
    """Make the blueprint that `compile` builds, and have later stages make the same.

    Args:
        objective: the project file's if not given, whatever was asked before.
    """
    wanted = objective or project.config.circuit.objective
    blueprint = make_blueprint(project, objective=wanted)
    blueprint.requests()  # nothing is written for a project that can't be proven
    remember_objective(project, wanted)
    return blueprint


def _notes(blueprint: Blueprint) -> tuple[str, ...]:
    notes = [] if blueprint.advice is None else [blueprint.advice]
    longest = max(circuit.proof_bytes for circuit in blueprint.tuning.choice.circuits)
    if blueprint.project.config.chain.verifier == "dedicated" and longest > _DEDICATED_BYTES:
        notes.append(
            f"a proof of {longest:,} bytes needs a verifier contract of its own that no chain "
            f'takes; use [chain] verifier = "reusable", or a larger logrows'
        )
    return tuple(notes)


def _refused(size: int, reason: str, group: list[Rejection]) -> Refused:
    numbers = [r.steps_per_proof for r in group if r.steps_per_proof is not None]
    return Refused(
        logrows=size,
        steps_per_proof=(min(numbers), max(numbers)) if numbers else None,
        reason=reason,
        detail=group[0].detail,
    )


def _brief(candidate: Candidate) -> dict[str, Any]:
    return {
        "logrows": candidate.step.logrows,
        "steps_per_proof": candidate.steps_per_proof,
        "column_blocks": candidate.step.blocks,
        "seconds": round(candidate.seconds, 1),
        "gas": candidate.gas,
        "peak_memory_mb": round(candidate.memory_mb),
        "proving_keys_mb": round(candidate.key_mb),
    }


def _finite(rows: float) -> float | None:
    """JSON has no infinity."""
    return rows if isfinite(rows) else None
