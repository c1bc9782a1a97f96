"""Tables of an estimate: the choice, the runners-up, what was refused and why, and the passes."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from zkdescent.cli.output import pairs, table

if TYPE_CHECKING:
    from zkdescent.circuits.tuner import Candidate
    from zkdescent.pipeline.estimating import Estimate, Refused

_REFUSED_SHOWN = 12


def choice_tables(estimate: Estimate) -> list[Any]:
    """What was chosen and what it will cost, with notes."""
    rows = [(name.replace("_", " "), value) for name, value in estimate.summary().items()]
    title = f"Chosen for {estimate.tuning.objective}; figures are estimates"
    return [pairs(title, rows), *estimate.notes]


def explanation_tables(estimate: Estimate) -> list[Any]:
    """Why: alternatives, refusals, and where the rows went."""
    columns = ("logrows", "steps per proof", "blocks", "seconds", "gas", "memory, MB", "keys, MB")
    slowness = estimate.machine.slowness
    compared = (estimate.choice, *estimate.runners_up)
    alternatives = table(
        "The choice, then runners-up", columns, [_row(c, slowness) for c in compared]
    )
    shown = [_refusal(r) for r in estimate.refused[:_REFUSED_SHOWN]]
    refusals = table("Refused", ("logrows", "steps per proof", "why"), shown)
    tables: list[Any] = [alternatives, refusals]
    hidden = len(estimate.refused) - len(shown)
    if hidden > 0:
        tables.append(f"{hidden} more are in the JSON answer.")
    if estimate.explanation is not None:
        stages = [
            (s.name.replace("_", " "), _rows(s.rows_before), _rows(s.rows_after))
            for s in estimate.explanation.stages
        ]
        tables.append(table("Rows of one update step", ("stage", "before", "after"), stages))
    choice = estimate.choice
    kept = [f"steps_per_proof = {choice.steps_per_proof}"]
    if choice.size:  # else circuits are as large as they need to be
        kept.insert(0, f"logrows = {choice.size}")
    tables.append(f"To keep this choice on any machine: [circuit] {', '.join(kept)}")
    return tables


def _row(candidate: Candidate, slowness: float) -> tuple[object, ...]:
    return (
        candidate.step.logrows,
        candidate.steps_per_proof,
        candidate.step.blocks,
        round(candidate.seconds * slowness),
        candidate.gas,
        round(candidate.memory_mb),
        round(candidate.key_mb),
    )


def _refusal(refused: Refused) -> tuple[object, ...]:
    if refused.steps_per_proof is None:
        steps = "any"
    else:
        first, last = refused.steps_per_proof
        steps = str(first) if first == last else f"{first} to {last}"
    return refused.logrows or "", steps, f"{refused.reason}: {refused.detail}"


def _rows(rows: float) -> str:
    return f"{rows:,.0f}" if isfinite(rows) else "does not fit"
