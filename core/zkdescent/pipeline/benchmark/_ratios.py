"""Which measurement is divided by which, and which of the ratios are the headline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zkdescent.pipeline.benchmark.results import Measurement, Ratio

if TYPE_CHECKING:
    from zkdescent.pipeline.benchmark.circom import CircomMeasurement

SECONDS, CPU, GAS = "seconds per step", "CPU seconds per step", "gas per step"


def ratios_of(peer: Measurement, ours: Measurement) -> list[Ratio]:
    """Compare two systems on one case."""
    pairs = [
        (SECONDS, peer.seconds_per_step, ours.seconds_per_step),
        (CPU, peer.cpu_seconds_per_step, ours.cpu_seconds_per_step),
        (GAS, peer.gas_per_step, ours.gas_per_step),
    ]
    if peer.gas_per_step_dedicated and ours.gas_per_step_dedicated:
        pair = (peer.gas_per_step_dedicated, ours.gas_per_step_dedicated)
        pairs.append(("gas per step, dedicated verifiers", *pair))
    if ours.backend == peer.backend:  # a row of one prover is not a gate of the other
        pairs.append(("rows per parameter", peer.rows_per_parameter, ours.rows_per_parameter))
    if ours.key_mb:
        pairs.append(("proving keys", peer.key_mb, ours.key_mb))
    pairs += [
        ("peak memory", peer.peak_memory_mb, ours.peak_memory_mb),
        ("proof bytes per step", peer.proof_bytes, ours.proof_bytes / ours.steps_per_proof),
        ("setup seconds", peer.setup_seconds, ours.setup_seconds),
    ]
    return [Ratio(peer.case, peer.system, ours.system, what, a / b) for what, a, b in pairs]


def headlines(peer: Measurement, ours: Sequence[Measurement]) -> list[Ratio]:
    """For each prover, seconds of the fastest and gas of the cheapest.

    On ezkl with range proofs over the headline's epochs; Barretenberg's step proofs need none.
    Processor time is there because other work on the machine spoils wall-clock ratios: it slows
    one proof and not the next.
    """
    counted = [m for m in ours if m.complete]
    backends = dict.fromkeys(m.backend for m in counted)
    return [r for b in backends for r in _best(peer, [m for m in counted if m.backend == b])]


def _best(peer: Measurement, counted: Sequence[Measurement]) -> list[Ratio]:
    fastest = min(counted, key=lambda m: m.seconds_per_step)
    cheapest = min(counted, key=lambda m: m.gas_per_step)

    def headline(best: Measurement, what: str, a: float, b: float) -> Ratio:
        return Ratio(peer.case, peer.system, best.system, what, a / b, headline=True)

    return [
        headline(fastest, SECONDS, peer.seconds_per_step, fastest.seconds_per_step),
        headline(fastest, CPU, peer.cpu_seconds_per_step, fastest.cpu_seconds_per_step),
        headline(cheapest, GAS, peer.gas_per_step, cheapest.gas_per_step),
    ]


def circom_ratios(circom: CircomMeasurement, ours: Sequence[Measurement]) -> list[Ratio]:
    """Compare a circuit that commits to nothing with every configuration of the same case."""
    return [
        Ratio(m.case, circom.system, m.system, what, theirs / mine)
        for m in ours
        if m.case == circom.case
        for what, theirs, mine in (
            (SECONDS, circom.seconds_per_step, m.seconds_per_step),
            (CPU, circom.cpu_seconds_per_step, m.cpu_seconds_per_step),
        )
    ]
