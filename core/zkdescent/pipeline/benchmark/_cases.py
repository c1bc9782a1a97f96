"""What is proven in a benchmark: small models, SGD on mean squared error, fixed batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from zkdescent.circuits.fixed_point import FixedPoint
from zkdescent.train.losses import declared_loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BATCH_SIZE, FEATURES, TARGETS = 32, 8, 1
"""Of the linear case; the others' are in `CASES`."""

LEARNING_RATE = 0.0625
SEED = 0
LOSS = declared_loss("mse").function


@dataclass(frozen=True, slots=True)
class Configuration:
    """How large zkdescent's circuits are; the steps per proof are what fills them.

    Attributes:
        name: what it was chosen for; empty if it is the only one.
        logrows: of the step circuit and of the range circuit.
        blocks: of two columns each, that the steps of one proof fill.
        range_blocks: the same of one range proof; None if whatever it takes.
    """

    name: str
    logrows: int
    blocks: int
    range_blocks: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A model to train, by name, and the geometry of its batches.

    Attributes:
        make: builds the model; called under the seed.
        probabilities: targets are squashed into (0, 1), for models that end in a sigmoid.
        configurations: zkdescent's circuits on ezkl, the fastest first.
        levels: log2 of rows that circuits on Barretenberg may have; steps per proof are chosen.
        arithmetic: data is standard normal, and everything stays below 8.
    """

    name: str
    make: Callable[[], torch.nn.Module]
    batch_size: int = BATCH_SIZE
    features: int = FEATURES
    targets: int = TARGETS
    probabilities: bool = False
    configurations: tuple[Configuration, ...] = ()
    levels: range = range(15, 20)
    arithmetic: FixedPoint = field(
        default_factory=lambda: FixedPoint(headroom_bits=3, comparison_bits=4)
    )

    def module(self) -> torch.nn.Module:
        """The model with its initial parameters, the same at every call."""
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            return self.make()

    def batches(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """Mini-batches x (b, d), y (b, t): standard normal features, a noisy linear target.

        The first batches are the same for every `count`.
        """
        import torch

        generator = torch.Generator().manual_seed(SEED)
        weights = torch.randn(self.features, self.targets, generator=generator) / self.features**0.5
        made = []
        for _ in range(count):
            x = torch.randn(self.batch_size, self.features, generator=generator)
            noise = 0.1 * torch.randn(self.batch_size, self.targets, generator=generator)
            y = x @ weights + noise
            made.append((x, y.sigmoid() if self.probabilities else y))
        return made


def linear_case(features: int, batch_size: int = BATCH_SIZE) -> Case:
    """Linear regression on so many features: features + 1 parameters."""
    name = f"linear {features}-1, batch {batch_size}"
    return Case(name, partial(_linear, features), batch_size, features)


def mlp_case(features: int, hidden: int, batch_size: int = BATCH_SIZE) -> Case:
    """One hidden layer with ReLU: hidden * (features + 2) + 1 parameters."""
    name = f"MLP {features}-{hidden}-1 ReLU, batch {batch_size}"
    return Case(name, partial(_mlp, features, hidden), batch_size, features)


def _linear(features: int) -> torch.nn.Module:
    from torch import nn

    return nn.Linear(features, TARGETS)


def _mlp(features: int, hidden: int) -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, TARGETS))


def _two_hidden() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2), nn.Sigmoid()
    )


FASTEST, LEAST_GAS = "fastest", "least gas"

# By the cost model, and measured: more blocks share a circuit's fixed part and take fewer seconds
# and more gas, more rows take less gas. Chosen so that no proof takes half a minute or 1.5 GB on
# two cores. The linear step stops at one block because its data fills a column first; the third
# case because ezkl compiles its many small nodes in a time that grows with their square.
CASES = (
    replace(
        linear_case(FEATURES),
        configurations=(
            Configuration(FASTEST, logrows=15, blocks=1, range_blocks=2),
            Configuration(LEAST_GAS, logrows=16, blocks=1, range_blocks=2),
        ),
    ),
    replace(
        mlp_case(FEATURES, 8),
        configurations=(
            Configuration(FASTEST, logrows=15, blocks=3),
            Configuration(LEAST_GAS, logrows=16, blocks=2),
        ),
    ),
    Case(
        "MLP 5-8-8-2 ReLU, sigmoid, batch 1",
        _two_hidden,
        batch_size=1,
        features=5,
        targets=2,
        probabilities=True,
        configurations=(Configuration("", logrows=15, blocks=1),),
    ),
)
"""The first is the one that `--quick` measures and that the circom circuit proves."""


def _wide() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))


LARGE = Case(
    "MLP 64-128-16 ReLU, batch 32",
    _wide,
    features=64,
    targets=16,
    levels=range(15, 21),
)
"""10,384 parameters, measured on Barretenberg alone; not attempted with ezkl."""
