"""A stream of payments to serve: when, to whom, how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkdescent.core.records import Record


@dataclass(frozen=True, slots=True)
class Arrival(Record):
    """A payment that is asked for at a tick (one block each), to recipient 0, 1, ..."""

    tick: int
    recipient: int
    quanta: int


@dataclass(frozen=True, slots=True)
class Workload(Record):
    """Arrivals in order of their ticks, and how many recipients there are."""

    name: str
    recipients: int
    arrivals: tuple[Arrival, ...]

    @property
    def quanta(self) -> int:
        """What all payments together come to."""
        return sum(arrival.quanta for arrival in self.arrivals)


@dataclass(frozen=True, slots=True)
class Traffic(Record):
    """The distribution that workloads are drawn from.

    Arrivals in a block are Poisson of mean ``rate``; recipients are Zipf-like, recipient k with
    weight 1 / (k + 1)^``skew``; amounts are log-normal around ``median`` quanta.
    """

    rate: float = 2.0
    recipients: int = 20
    skew: float = 0.7
    median: float = 1024.0
    sigma_octaves: float = 1.5

    def draw(self, name: str, seed: int, *, ticks: int) -> Workload:
        """Draw ``ticks`` blocks of arrivals; the same for the same arguments, anywhere."""
        generator = np.random.RandomState(seed)  # this class's streams never change (NEP 19)
        weights = (np.arange(self.recipients) + 1.0) ** -self.skew
        counts = generator.poisson(self.rate, size=ticks)
        who = generator.choice(self.recipients, size=counts.sum(), p=weights / weights.sum())
        octaves = np.log2(self.median) + self.sigma_octaves * generator.normal(size=counts.sum())
        quanta = np.maximum(1, np.exp2(octaves).astype(np.int64))
        when = np.repeat(np.arange(ticks), counts)
        arrivals = tuple(
            Arrival(int(tick), int(recipient), int(amount))
            for tick, recipient, amount in zip(when, who, quanta, strict=True)
        )
        return Workload(name, self.recipients, arrivals)
