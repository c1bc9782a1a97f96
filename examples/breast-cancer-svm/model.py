"""A linear support vector machine: one linear layer whose output is a score."""

from torch import nn


def build(in_features: int) -> nn.Module:
    """Return the model; the sign of its output (n, 1) is the class, as the loss "hinge" wants."""
    return nn.Linear(in_features, 1)
