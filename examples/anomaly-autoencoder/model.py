"""An autoencoder: eight columns through three numbers and back."""

from torch import nn


def build(columns: int, code: int) -> nn.Module:
    """Return the model; its output (n, columns) is what it makes of its input."""
    return nn.Sequential(nn.Linear(columns, code), nn.Tanh(), nn.Linear(code, columns))
