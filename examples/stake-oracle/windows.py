"""What a window of epochs shows: the features of LocalStakeSource, off the chain.

Rows to learn from (make_rows.py) and played chains (simulate.py) are both made of these epochs;
StakeRegistry counts the same things.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from validators import ATTESTATION_GAS, CALL_GAS, EPOCH_BLOCKS, HIGH, Parameters

WINDOW = 8
GAS_UNIT = 32_768


@dataclass(frozen=True)
class Epoch:
    """What was counted in an epoch: who was in time and who was seen too late, (n,) bool."""

    timely: np.ndarray
    late: np.ndarray
    waited: int  # blocks, over all in time
    gas: int


def count(
    sends: np.ndarray, arrival: np.ndarray, parameters: Parameters, draw: np.random.Generator
) -> Epoch:
    """Count an epoch, its committees shuffled by a draw; later than its end, nothing is seen."""
    number = len(sends)
    committee = draw.permutation(number) // parameters.committee
    duty = committee * (EPOCH_BLOCKS - parameters.deadline) // (committee.max() + 1)
    timely = sends & (arrival <= parameters.deadline)
    late = sends & ~timely & (duty + arrival < EPOCH_BLOCKS)
    seen = timely | late
    calls = len(set((duty + arrival)[seen].tolist()))
    gas = calls * CALL_GAS + int(seen.sum()) * ATTESTATION_GAS
    return Epoch(timely, late, int(arrival[timely].sum()), gas)


def features(window: Sequence[Epoch], parameters: Parameters) -> np.ndarray:
    """Ten numbers of a window, in the order of LocalStakeSource; its parameters are the last's."""
    timely = np.array([epoch.timely for epoch in window])
    late = np.array([epoch.late for epoch in window])
    waited = sum(epoch.waited for epoch in window)
    gas = sum(epoch.gas for epoch in window)
    shares = (
        timely.mean(),
        4 * late.mean(),
        timely.any(axis=0).mean(),
        timely.all(axis=0).mean(),
        8 * waited / max(1, int(timely.sum())) / EPOCH_BLOCKS,
        gas / timely.size / GAS_UNIT,
        timely.mean() * parameters.reward / HIGH.reward,
        parameters.reward / HIGH.reward,
        parameters.committee / HIGH.committee,
        2 * parameters.deadline / EPOCH_BLOCKS,
    )
    return 2 * np.array(shares) - 1
