"""What is measured, where, and what it is worth: the data that the surrogate is trained on.

Parameters are in eighths of an octave (8 units are a factor of two), coordinates are
(parameter - offset) / scale. The design is a full grid of five levels a parameter.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from zkdescent.core.records import Record
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.tuning.serving import Measurement, serve
from zkdescent.pipeline.tuning.workload import Traffic, Workload

if TYPE_CHECKING:
    from zkdescent.verifier import Chain
    from zkdescent.verifier.controllers import ParameterSpec

GAS_PER_BLOCK = 250
"""What a block of waiting is worth to the recipient of a payment, in gas. A choice, not a fact."""

COST_UNIT = 10_000
"""Gas in one unit of the surrogate's cost: the fixed point has 14 fraction bits."""

FLUSH_AGE = 32
COLUMNS = (
    "batch", "hold", "gate",
    "cost", "slope_batch", "slope_hold", "curvature_batch", "curvature_hold",
)  # fmt: skip
TRAFFIC = Traffic(rate=1.5, recipients=6)


@dataclass(frozen=True, slots=True)
class Design(Record):
    """Levels of the two parameters, and how long a workload is in blocks."""

    batch: tuple[int, ...] = (16, 24, 32, 40, 48)
    hold: tuple[int, ...] = (8, 16, 24, 32, 40)
    ticks: int = 64
    training_seed: int = 7
    held_out_seed: int = 1007

    def points(self) -> list[tuple[int, int]]:
        """All pairs of levels."""
        return list(product(self.batch, self.hold))

    def training(self) -> Workload:
        """The workload that the surrogate's data are measured on."""
        return TRAFFIC.draw("training", self.training_seed, ticks=self.ticks)

    def held_out(self) -> Workload:
        """The workload that before and after are measured on, and nothing else."""
        return TRAFFIC.draw("held-out", self.held_out_seed, ticks=self.ticks)


@dataclass(frozen=True, slots=True)
class Point(Record):
    """A measured point of the design: parameters in eighths of an octave, and what they cost."""

    batch: int
    hold: int
    measurement: Measurement


def specs() -> tuple[ParameterSpec, ParameterSpec]:
    """Rails, steps and coordinates of batch size and hold.

    It starts at batches of 4, and at a hold of 1, which is a transfer for each payment: nobody
    waits, nothing is booked, the first flush is easy to check by hand. A step is a factor of two.
    The upper rails (64 payments, 32 blocks) are the bound on what a payment may wait.
    """
    from zkdescent.verifier.controllers import ParameterSpec

    return (
        ParameterSpec(16, 8, 48, max_step=8, smoothing=1, scale=16, offset=32),
        ParameterSpec(0, 0, 40, max_step=8, smoothing=1, scale=16, offset=24),
    )


def measure_design(chain: Chain, design: Design, report: Reporter) -> list[Point]:
    """Serve the training workload at every point, each on a contract of its own."""
    from zkdescent.verifier.batchers import BatcherClient

    workload, points = design.training(), list[Point]()
    report.start("measurements", len(design.points()))
    for batch, hold in design.points():
        label = f"{workload.name} {batch} {hold}"
        batcher = BatcherClient.configured(chain, FLUSH_AGE, (batch, hold), label=label)
        points.append(Point(batch, hold, serve(chain, batcher, workload, label=label)))
        report.advance("measurements", len(points))
    return points


def training_rows(points: list[Point]) -> str:
    """Return the surrogate's CSV: coordinates, gate 0, cost in 10,000 gas, and zeros."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        at = [
            (value - spec.offset) / spec.scale
            for value, spec in zip((point.batch, point.hold), specs(), strict=True)
        ]
        cost = round(point.measurement.cost(GAS_PER_BLOCK) / COST_UNIT, 6)
        writer.writerow([*at, 0, cost, 0, 0, 0, 0])
    return text.getvalue()
