"""A linear model of three horizons' volatility: HAR, in the sizes of moves (Corsi 2009)."""

import torch
from torch import nn


def build() -> nn.Module:
    """Return the model of 3 features; its output (n, 1) is the next week's mean daily move.

    It starts as the last month's mean.
    """
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.0, 1.0]]))
        model.bias.zero_()
    return model
