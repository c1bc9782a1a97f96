"""Stage `bench`: the same training steps in ezkl as documented and in zkdescent, in one run.

Example:
    >>> from zkdescent.pipeline.benchmark import run_benchmark       # doctest: +SKIP
    >>> result = run_benchmark(Reporter(), quick=True, out=None)     # doctest: +SKIP
    >>> result.ratios[0].what                                        # doctest: +SKIP
    'seconds per step'
"""

from zkdescent.pipeline.benchmark._run import BACKENDS, run_benchmark
from zkdescent.pipeline.benchmark.results import (
    BenchmarkResult,
    GrowthPoint,
    HonkPoint,
    Measurement,
    Ratio,
)

__all__ = [
    "BACKENDS",
    "BenchmarkResult",
    "GrowthPoint",
    "HonkPoint",
    "Measurement",
    "Ratio",
    "run_benchmark",
]
