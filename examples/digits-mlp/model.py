"""A multilayer perceptron with one hidden ReLU layer."""

from torch import nn


def build(hidden: int) -> nn.Module:
    """Return the model: 64 pixels in, ten logits (n, 10) out."""
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
