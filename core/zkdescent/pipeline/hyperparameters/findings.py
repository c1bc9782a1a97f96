"""What a search found: settings, which of them nothing beats, and which one to take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from zkdescent.core.records import Record

Cost = Literal["seconds", "gas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Record):
    """One setting with what it reaches and what proving it costs.

    Attributes:
        number: of its trial; 0 is the project file's own.
        metric: of the fixed-point model after the last step, on validation data if there is any.
        seconds: of all proofs on the reference machine, by the prover's cost model.
        gas: of the run on chain, by the same model.
        error: why it can't be proven; the figures are None then.
    """

    number: int
    optimizer: str
    learning_rate: float
    batch_size: int
    l1: float
    l2: float
    fraction_bits: int
    metric: float | None = None
    loss: float | None = None
    seconds: float | None = None
    gas: int | None = None
    steps_per_proof: int | None = None
    block_proofs: int | None = None
    peak_memory_mb: float | None = None
    error: str = ""

    def cost(self, kind: Cost) -> float | None:
        """The figure that the search makes small."""
        return self.seconds if kind == "seconds" else self.gas

    def same_as(self, other: Setting) -> bool:
        """Whether both declare the same."""
        return self.declared == other.declared

    @property
    def declared(self) -> tuple[object, ...]:
        """What the project file would say."""
        return (
            self.optimizer, self.learning_rate, self.batch_size, self.l1, self.l2,
            self.fraction_bits,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult(Record):
    """A search as far as it got.

    Attributes:
        larger_is_better: of the metric; false for a loss.
        settings: every trial by number.
        front: numbers of the settings that no other beats in both metric and cost, cheapest first.
        chosen: the cheapest whose metric is not below the default's; None if nothing is cheaper.
    """

    FORMAT: ClassVar[str | None] = "zkdescent.tune/1"

    metric: str
    part: str
    larger_is_better: bool
    cost: Cost
    seed: int
    settings: tuple[Setting, ...]
    front: tuple[int, ...]
    chosen: int | None

    @property
    def default(self) -> Setting:
        """The project file's own setting."""
        return self.settings[0]

    @property
    def on_front(self) -> tuple[Setting, ...]:
        """The settings of the front, cheapest first."""
        by_number = {setting.number: setting for setting in self.settings}
        return tuple(by_number[number] for number in self.front)

    @property
    def gain(self) -> float | None:
        """How many times cheaper the chosen setting is than the default."""
        cost = self.default.cost(self.cost)
        found = next((s.cost(self.cost) for s in self.settings if s.number == self.chosen), None)
        return None if not cost or not found else cost / found


def front_of(
    settings: Iterable[Setting], cost: Cost, *, larger_is_better: bool
) -> tuple[Setting, ...]:
    """Return the settings that none other beats, cheapest first; of equal ones the first."""
    sign = 1.0 if larger_is_better else -1.0
    whole = [
        (c, -sign * s.metric, s.number, s)
        for s in settings
        if s.metric is not None and (c := s.cost(cost)) is not None
    ]
    front: list[Setting] = []
    best = float("inf")
    for _, loss, _, setting in sorted(whole, key=lambda entry: entry[:3]):
        if loss < best:
            best = loss
            front.append(setting)
    return tuple(front)


def choice_of(
    settings: tuple[Setting, ...], cost: Cost, *, larger_is_better: bool
) -> Setting | None:
    """Return the cheapest setting of the front whose metric is not below the default's.

    None if that is no cheaper than the default, or the default itself can't be proven.
    """
    default, sign = settings[0], 1.0 if larger_is_better else -1.0
    own = default.cost(cost)
    if default.metric is None or own is None:
        return None
    for setting in front_of(settings, cost, larger_is_better=larger_is_better):
        price, metric = setting.cost(cost), setting.metric
        if price is None or metric is None or price >= own:
            continue
        if sign * metric >= sign * default.metric:
            return setting
    return None
