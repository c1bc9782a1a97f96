"""The linear training step as a circom circuit written by hand, proven with snarkjs (Groth16).

The peer of another kind: it leaves out what makes training verifiable on a chain (commitments to
data and weights, range checks of data, one setup for all circuits) and shows what a proof of the
bare arithmetic costs. Needs Node.js with npm; circom and snarkjs are installed on first use.

Example:
    >>> from zkdescent.pipeline.benchmark.circom import measure_circom    # doctest: +SKIP
    >>> measure_circom(16).seconds_per_step                               # doctest: +SKIP
    0.09
"""

from zkdescent.pipeline.benchmark.circom._circom import measure_circom
from zkdescent.pipeline.benchmark.circom._measurement import CircomMeasurement

__all__ = ["CircomMeasurement", "measure_circom"]
