"""What a fidelity measurement returns, stores and says in short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from zkdescent.core.records import Record
from zkdescent.pipeline.fidelity_findings import Finding
from zkdescent.pipeline.fidelity_watch import LostShare, Peak


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFidelity(Record):
    """Both trajectories after ``step`` update steps.

    Differences are absolute, of parameters. Losses are of the training data; the metric is of the
    validation data if any is held back. Figures that are not finite are None.
    """

    step: int
    max_difference: float
    mean_difference: float
    float_loss: float | None
    fixed_loss: float | None
    float_metric: float | None
    fixed_metric: float | None
    unmoved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstElement(Record):
    """The parameter that is farthest from its float twin, and after which step."""

    parameter: str
    index: tuple[int, ...]
    step: int
    float_value: float
    fixed_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Record):
    """The same steps at other fraction bits.

    Attributes:
        metric: after the last step; None if the run ended early.
        within: whether it is as close to float as the report's tolerance asks.
        cost: of one step, in the prover's unit; None if a circuit of this size can't hold it with
            the rescales of the declared fraction bits.
        error: what ended the run.
    """

    fraction_bits: int
    metric: float | None
    within: bool
    cost: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FidelityReport(Record):
    """Float against fixed point.

    Attributes:
        steps: update steps that were examined, of ``total_steps``.
        float_metric: the headline metric of float after them; None if it diverged.
        tolerance: by how much a fixed-point run may miss it.
        trajectory: as far as both runs got; the first entry is step 0.
        sufficient_bits: the fewest fraction bits that, like all more that were tried and ran
            through, end within the tolerance; None if there are none.
    """

    FORMAT: ClassVar[str | None] = "zkdescent.fidelity/1"

    fraction_bits: int
    steps: int
    total_steps: int
    headline: str
    part: str
    float_metric: float | None
    tolerance: float
    trajectory: tuple[StepFidelity, ...]
    worst: WorstElement
    peaks: tuple[Peak, ...]
    lost: tuple[LostShare, ...]
    trials: tuple[Trial, ...]
    sufficient_bits: int | None
    findings: tuple[Finding, ...]

    @property
    def fixed_metric(self) -> float | None:
        """The headline metric of fixed point at the declared bits; None if it overflowed."""
        last = self.trajectory[-1]
        return last.fixed_metric if last.step == self.steps else None

    def gap(self, metric: float | None) -> float | None:
        """Distance of a metric from float's."""
        if metric is None or self.float_metric is None:
            return None
        return abs(metric - self.float_metric)

    def summary(self) -> list[tuple[str, object]]:
        """The report in a few named values for people."""
        last, worst = self.trajectory[-1], self.worst
        place = f"{worst.parameter}{list(worst.index)}, step {worst.step}"
        tightest = self.peaks[0] if self.peaks else None
        rows: list[tuple[str, object]] = [
            ("steps examined", f"{last.step} of {self.total_steps}"),
            (f"{self.headline}, {self.part}: float", _shown(self.float_metric)),
            (f"{self.headline}, {self.part}: {self.fraction_bits} bits", _shown(self.fixed_metric)),
            (
                "parameter difference",
                f"max {last.max_difference:.2g}, mean {last.mean_difference:.2g}",
            ),
            (
                "worst parameter",
                f"{place}: {worst.fixed_value:.5g} instead of {worst.float_value:.5g}",
            ),
            ("fraction bits that suffice", self.sufficient_bits or "none of those tried"),
        ]
        if tightest is not None and tightest.bits_left is not None:
            text = f"{tightest.bits_left:.1f} bits, {tightest.value} ({tightest.use})"
            rows.append(("least headroom", text))
        return rows

    def brief(self) -> dict[str, Any]:
        """The report in a few named values for programs."""
        last = self.trajectory[-1]
        return {
            "steps": last.step,
            "metric": self.headline,
            "float": self.float_metric,
            "fixed": self.fixed_metric,
            "max_difference": last.max_difference,
            "sufficient_bits": self.sufficient_bits,
            "findings": [finding.to_json() for finding in self.findings],
        }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
