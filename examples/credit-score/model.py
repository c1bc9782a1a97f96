"""A scorecard: logistic regression, whose output is the log-odds of paying back."""

from torch import nn


def build(columns: int) -> nn.Module:
    """Return the model; its output (n, 1) is a logit, as the loss "bce" wants."""
    return nn.Linear(columns, 1)
