"""What is proven in a benchmark: two small models, SGD on mean squared error, batches of 32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdescent.train.losses import declared_loss

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BATCH_SIZE, FEATURES, TARGETS = 32, 8, 1
LEARNING_RATE = 0.0625
SEED = 0
LOSS = declared_loss("mse").function


def _linear() -> torch.nn.Module:
    from torch import nn

    return nn.Linear(FEATURES, TARGETS)


def _mlp() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, TARGETS))


@dataclass(frozen=True, slots=True)
class Case:
    """A model to train, by name."""

    name: str
    make: Callable[[], torch.nn.Module]

    def module(self) -> torch.nn.Module:
        """The model with its initial parameters, the same at every call."""
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            return self.make()

    def batches(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """Mini-batches x (32, 8), y (32, 1): standard normal features, a noisy linear target.

        The first batches are the same for every `count`.
        """
        import torch

        generator = torch.Generator().manual_seed(SEED)
        weights = torch.randn(FEATURES, TARGETS, generator=generator) / FEATURES**0.5
        made = []
        for _ in range(count):
            x = torch.randn(BATCH_SIZE, FEATURES, generator=generator)
            noise = 0.1 * torch.randn(BATCH_SIZE, TARGETS, generator=generator)
            made.append((x, x @ weights + noise))
        return made


CASES = (
    Case("linear 8-1, batch 32", _linear),
    Case("MLP 8-8-1 ReLU, batch 32", _mlp),
)
