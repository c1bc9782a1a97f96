"""A multilayer perceptron with one hidden ReLU layer."""

from torch import nn


def build(in_features: int, hidden: int) -> nn.Module:
    """Return the model; its output (n, 1) estimates the target."""
    return nn.Sequential(
        nn.Linear(in_features, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1),
    )
