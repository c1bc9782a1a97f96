"""A recurrent network that reads returns one after the other, unrolled, and estimates the next."""

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Elman's network (1990): the state is tanh of the input and of the state before it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.input = nn.Linear(1, hidden)
        self.state = nn.Linear(hidden, hidden, bias=False)
        self.head = nn.Linear(hidden, 1)

    def forward(self, returns: Tensor) -> Tensor:  # (n, window) -> (n, 1)
        first, *later = returns.split(1, dim=1)
        state = torch.tanh(self.input(first))
        for column in later:
            state = torch.tanh(self.input(column) + self.state(state))
        return self.head(state)


def build(hidden: int) -> nn.Module:
    """Return the model; its output (n, 1) estimates the return after the window."""
    return Recurrent(hidden)
