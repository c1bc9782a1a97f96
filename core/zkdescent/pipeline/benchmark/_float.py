"""The float computation that proven parameters are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zkdescent.pipeline.benchmark._cases import LEARNING_RATE, LOSS

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def train_float(
    module: torch.nn.Module, batches: Sequence[tuple[Tensor, Tensor]]
) -> NDArray[np.float64]:
    """Return all parameters, flat, after one SGD step on each batch, in double precision."""
    import copy

    import torch

    model = copy.deepcopy(module).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for x, y in batches:
        optimizer.zero_grad()
        loss: Any = LOSS(model(x.double()), y.double())
        loss.backward()
        optimizer.step()
    return np.concatenate([p.detach().numpy().reshape(-1) for p in model.parameters()])
