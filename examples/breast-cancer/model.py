"""Logistic regression: one linear layer whose output is a logit."""

from torch import nn


def build(in_features: int) -> nn.Module:
    """Return the model; its output (n, 1) is a logit, as the loss "bce" wants."""
    return nn.Linear(in_features, 1)
