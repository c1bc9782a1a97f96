"""Measure again what a sponsor says he has measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zkdescent.core.errors import ArtefactError
from zkdescent.pipeline.reporting import Reporter
from zkdescent.pipeline.tuning.design import FLUSH_AGE
from zkdescent.pipeline.tuning.experiment import TuningResult
from zkdescent.pipeline.tuning.serving import serve

if TYPE_CHECKING:
    from zkdescent.verifier import Chain

TOLERANCE = 0.01
"""Share of the gas: block numbers are call data, and have other zero bytes on another chain."""


def check_measurements(
    chain: Chain, result: TuningResult, report: Reporter, *, only: Sequence[int] | None = None
) -> list[float]:
    """Serve the training workload again at the recorded points, and compare the gas.

    Args:
        only: positions of the points; None for all.

    Returns:
        Relative difference of the gas at each point.

    Raises:
        ArtefactError: a point costs other gas than was recorded, beyond the tolerance.
    """
    from zkdescent.verifier import ensure_deployed
    from zkdescent.verifier.batchers import BatcherClient

    ensure_deployed(chain)
    workload, differences = result.design.training(), list[float]()
    positions = range(len(result.points)) if only is None else only
    report.start("measurements", len(positions))
    for position in positions:
        point = result.points[position]
        label = f"again {point.batch} {point.hold}"
        parameters = (point.batch, point.hold)
        batcher = BatcherClient.configured(chain, FLUSH_AGE, parameters, label=label)
        again = serve(chain, batcher, workload, label=label)
        recorded = point.measurement.gas
        differences.append(again.gas / recorded - 1)
        if abs(differences[-1]) > TOLERANCE:
            raise ArtefactError(
                "a point costs other gas than was recorded",
                expected=recorded,
                got=again.gas,
                path=f"point {position}: batch {point.batch}, hold {point.hold}",
                hint="the surrogate was trained on other numbers than this chain gives",
            )
        report.advance("measurements", len(differences))
    return differences
