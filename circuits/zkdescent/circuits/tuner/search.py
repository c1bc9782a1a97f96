"""The search: sizes times steps per proof, each priced for the whole run by the prover's model.

How many blocks of columns a circuit has follows from both: steps beyond one block open another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from zkdescent.circuits.program import Program
from zkdescent.circuits.tuner.candidates import (
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
from zkdescent.core.config import divisors_of
from zkdescent.core.errors import CircuitTooLarge, ProverError, RangeOverflow

NEAR = 1.1
"""Figures within a tenth of the best count as equal: the model is not better than that."""

_WORTH = 1.5  # times cheaper per step: from here on, another number of steps is suggested
_NEARBY = 4  # ... if it differs from the asked number by at most a quarter of it

_ORDERS: dict[Objective, tuple[Callable[[Candidate], float], ...]] = {
    "seconds": (lambda c: c.seconds, lambda c: c.gas, lambda c: c.memory_mb, lambda c: c.key_mb),
    "gas": (lambda c: c.gas, lambda c: c.seconds, lambda c: c.memory_mb, lambda c: c.key_mb),
    "memory": (lambda c: c.memory_mb, lambda c: c.seconds, lambda c: c.gas, lambda c: c.key_mb),
}


class Programs(Protocol):
    """The three circuits as functions of the size and the steps per proof."""

    def step(self, size: int, steps: int) -> Program:
        """`steps` update steps in a row."""

    def range(self, size: int, steps: int) -> Program:
        """Digits of a genesis state and of a batch block of `steps` mini-batches."""

    def inference(self, size: int) -> Program:
        """The model on one row."""

    def fits(self, size: int, steps: int) -> bool:
        """Whether the prover itself takes all three."""


def tune(
    job: Job,
    programs: Programs,
    model: CostModel,
    *,
    sizes: Sequence[int],
    limits: Limits,
    overheads: Overheads,
    objective: Objective = "seconds",
    size: int | None = None,
    steps_per_proof: int | None = None,
) -> Tuning:
    """Choose the size and the steps per proof for which the whole run is cheapest.

    Candidates within a tenth of the best are compared by gas, then by memory, then by their keys.

    Args:
        sizes: that the prover offers, ascending.
        size, steps_per_proof: what the user asks for, which is obeyed or refused; a divisor of
            `job.steps`. A block that the data does not fill is taken only if asked for.

    Raises:
        CircuitTooLarge: no candidate fits; the reasons are named.
    """
    offered = [s for s in sizes if size in (None, s)]
    search = _Search(job, programs, model, limits, overheads)
    for s in offered:
        if not search.examine(s, steps_per_proof):
            search.reject_larger(s, offered)
            break
    ranked = sorted(search.held, key=lambda c: (c.value(objective), c.size, c.steps_per_proof))
    choice = _confirmed(ranked, objective, programs, search.rejected)
    if choice is None:
        raise _too_large(search.rejected, sizes, size, steps_per_proof)
    better = None
    if steps_per_proof is None:
        better = search.better(choice, objective)
    return Tuning(
        objective=objective,
        choice=choice,
        runners_up=tuple(c for c in ranked if c != choice),
        rejected=tuple(search.rejected),
        better=better,
    )


def preferred(candidates: Iterable[Candidate], objective: Objective) -> Candidate:
    """The best candidate; near ties go down the order of the objective."""
    left = list(candidates)
    for figure in _ORDERS[objective]:
        best = min(figure(c) for c in left)
        left = [c for c in left if figure(c) <= NEAR * best]
    return min(left, key=lambda c: (c.value(objective), c.size, c.steps_per_proof))


@dataclass(frozen=True, slots=True)
class _Demands:
    """Demands of a size: of one and two steps and their batch blocks, and of the inference."""

    step: tuple[Demand, Demand]
    range: tuple[Demand, Demand]
    inference: Demand

    def at(self, steps: int) -> tuple[Demand, Demand, Demand]:
        return (
            self.step[0].repeated(self.step[1], steps),
            self.range[0].repeated(self.range[1], steps),
            self.inference,
        )


class _Search:
    def __init__(
        self, job: Job, programs: Programs, model: CostModel, limits: Limits, overheads: Overheads
    ) -> None:
        self.job = job
        self.programs = programs
        self.model = model
        self.limits = limits
        self.overheads = overheads
        self.held: list[Candidate] = []
        self.rejected: list[Rejection] = []
        self._demands: dict[int, _Demands] = {}

    def examine(self, size: int, asked: int | None) -> bool:
        """Price all candidates of a size; false if no larger size can be of use."""
        demands = self._demands_of(size)
        if demands is None:
            return True
        largest = None
        for steps in self._steps(size, asked):
            found = self._candidate(size, steps, self.job.steps // steps, demands)
            if isinstance(found, Rejection):
                self.rejected.append(found)
            else:
                self.held.append(found)
                largest = found
        return largest is None or not self._is_enough(largest, asked)

    def _is_enough(self, candidate: Candidate, asked: int | None) -> bool:
        """Whether one block already holds the most steps: larger circuits only take longer."""
        most = asked or max(k for k in divisors_of(self.job.steps) if k <= self.job.most_steps)
        blocks = candidate.step.blocks, candidate.range.blocks, candidate.inference.blocks
        return candidate.steps_per_proof == most and blocks == (1, 1, 1)

    def reject_larger(self, size: int, offered: Sequence[int]) -> None:
        """Say why sizes beyond one that holds everything were not looked at."""
        for larger in offered:
            if larger > size:
                detail = f"one block of 2^{size} rows holds all steps a proof can have"
                self.rejected.append(Rejection(larger, None, Reason.NEEDLESS, detail))

    def better(self, choice: Candidate, objective: Objective) -> Candidate | None:
        """A candidate for nearby numbers of steps that is markedly cheaper per step."""
        demands = self._demands[choice.size]
        found: list[Candidate] = []
        for steps in range(1, self.job.most_steps + 1):
            proofs = max(1, round(self.job.steps / steps))
            total = steps * proofs
            if total == self.job.steps or _NEARBY * abs(total - self.job.steps) > self.job.steps:
                continue
            candidate = self._candidate(choice.size, steps, proofs, demands)
            if isinstance(candidate, Candidate):
                found.append(candidate)
        cheaper = [
            c for c in found if _WORTH * _per_step(c, objective) <= _per_step(choice, objective)
        ]
        return min(
            cheaper,
            key=lambda c: (abs(c.steps - self.job.steps), _per_step(c, objective)),
            default=None,
        )

    def _demands_of(self, size: int) -> _Demands | None:
        try:
            demands = _Demands(
                (self._step(size, 1), self._step(size, 2)),
                (self._range(size, 1), self._range(size, 2)),
                self.model.demand(self.programs.inference(size), size, public_output=True),
            )
        except (RangeOverflow, ProverError) as error:
            self.rejected.append(Rejection(size, None, Reason.TOO_WIDE, str(error)))
            return None
        named = zip(("step", "range", "inference"), demands.at(1), strict=True)
        for role, demand in named:
            if demand.obstacle:
                detail = f"{role} circuit: {demand.obstacle}"
                self.rejected.append(Rejection(size, None, Reason.TOO_WIDE, detail))
                return None
        self._demands[size] = demands
        return demands

    def _step(self, size: int, steps: int) -> Demand:
        return self.model.demand(self.programs.step(size, steps), size)

    def _range(self, size: int, steps: int) -> Demand:
        return self.model.demand(self.programs.range(size, steps), size)

    def _steps(self, size: int, asked: int | None) -> Iterator[int]:
        """Steps per proof to look at, ascending; refused ones are noted."""
        for steps in (asked,) if asked is not None else divisors_of(self.job.steps):
            if asked is None and steps > self.job.most_steps:
                detail = (
                    f"{self.job.rows} rows fill {self.job.most_steps} batches of "
                    f"{self.job.batch_size}; a larger block would repeat rows"
                )
                self.rejected.append(Rejection(size, steps, Reason.DATA, detail))
            else:
                yield steps

    def _candidate(
        self, size: int, steps: int, proofs: int, demands: _Demands
    ) -> Candidate | Rejection:
        costs: list[CircuitCost] = []
        roles = ("step", "range", "inference")
        for role, demand in zip(roles, demands.at(steps), strict=True):
            obstacle = self.model.obstacle(demand, size)
            if obstacle is not None:
                return Rejection(size, steps, Reason.COLUMN, f"{role} circuit: {obstacle}")
            costs.append(self.model.cost(demand, size))
            excess = self._excess(costs[-1])
            if excess is not None:
                return Rejection(size, steps, excess[0], f"{role} circuit: {excess[1]}")
        step, range_, inference = costs
        return Candidate(
            size=size,
            steps_per_proof=steps,
            block_proofs=proofs,
            range_proofs=self.job.range_proofs(steps) if range_.proof_bytes else 0,
            step=step,
            range=range_,
            inference=inference,
            rows=demands.at(steps)[0].rows,
            overheads=self.overheads,
        )

    def _excess(self, cost: CircuitCost) -> tuple[Reason, str] | None:
        limits = self.limits
        if cost.peak_memory_mb > limits.memory_mb:
            detail = f"{cost.peak_memory_mb:,.0f} MB of memory, {limits.memory_mb:,.0f} may be used"
            return Reason.MEMORY, detail
        if cost.gas > limits.gas:
            return Reason.GAS, f"{cost.gas:,} gas to verify, at most {limits.gas:,}"
        return None


def _per_step(candidate: Candidate, objective: Objective) -> float:
    """The objective per update step; memory does not add up over steps, so seconds stand for it."""
    figure: Objective = "seconds" if objective == "memory" else objective
    return candidate.value(figure) / candidate.steps


def _confirmed(
    ranked: list[Candidate], objective: Objective, programs: Programs, rejected: list[Rejection]
) -> Candidate | None:
    """The preferred candidate that the prover takes; others are moved to the rejected."""
    while ranked:
        choice = preferred(ranked, objective)
        if programs.fits(choice.size, choice.steps_per_proof):
            return choice
        ranked.remove(choice)
        detail = "the model says it fits, the prover's own check that it does not"
        rejected.append(Rejection(choice.size, choice.steps_per_proof, Reason.BACKEND, detail))
    return None


def _too_large(
    rejected: Sequence[Rejection],
    sizes: Sequence[int],
    size: int | None,
    steps_per_proof: int | None,
) -> CircuitTooLarge:
    asked = [] if size is None else [f"logrows = {size}"]
    asked += [] if steps_per_proof is None else [f"steps_per_proof = {steps_per_proof}"]
    if size is not None and size not in sizes:
        return CircuitTooLarge(
            "the prover has no circuits of this size",
            expected=f"logrows from {min(sizes)} to {max(sizes)}",
            got=f"logrows = {size}",
            hint='let [circuit] logrows be "auto"',
        )
    # Of the largest size and the fewest steps: what is still in the way there.
    real = [r for r in rejected if r.reason not in (Reason.NEEDLESS, Reason.DATA)]
    last = max(real, key=lambda r: (r.size, -(r.steps_per_proof or 0)))
    hints = {
        Reason.TOO_WIDE: "use fewer fraction_bits or headroom_bits, or a larger logrows",
        Reason.COLUMN: "use a smaller batch_size or model, or a larger logrows",
        Reason.MEMORY: "use a smaller batch_size or model, fewer steps per proof, or more memory",
        Reason.GAS: "use a larger logrows or fewer steps per proof",
    }
    return CircuitTooLarge(
        "no circuit holds one update step"
        if not asked
        else f"no circuit holds what [circuit] asks for: {', '.join(asked)}",
        expected="a circuit that prover, machine and contracts can hold",
        got=f"logrows {last.size}: {last.detail}",
        hint=hints.get(last.reason, "use a smaller batch_size or model"),
    )
