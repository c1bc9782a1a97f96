"""A surrogate of what a payment costs: a parabola in each parameter's coordinate.

cost(u) = c + sum of b_k u_k + a_k (u_k^2 - 1/2), least at u_k = -b_k / (2 a_k). It is linear in its
weights, so descent on measured costs has one minimum to go to; u^2 - 1/2 has mean 0 on the design's
grid (-1, -1/2, 0, 1/2, 1), which makes the columns orthogonal and the descent fast.
"""

import torch
from torch import Tensor, nn


class Surrogate(nn.Module):
    """Rows are (u_1 .. u_d, gate); outputs are (cost, gate * b_1 .. gate * b_d, gate * a_1 ..).

    Training rows have gate 0, and 0 as the targets of the last 2 d columns: they add nothing to the
    loss. An inference with gate 1 shows the weights beside the cost at u.
    """

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.parameters_count = parameters
        self.cost = nn.Parameter(torch.zeros(1))
        self.slope = nn.Parameter(torch.zeros(parameters))
        self.curvature = nn.Parameter(torch.zeros(parameters))

    def forward(self, rows: Tensor) -> Tensor:  # (n, d + 1) -> (n, 2 d + 1)
        at, gate = torch.split(rows, [self.parameters_count, 1], dim=1)
        terms = at * self.slope + (at * at - 0.5) * self.curvature
        cost = self.cost + terms.sum(dim=1, keepdim=True)
        return torch.cat([cost, gate * self.slope, gate * self.curvature], dim=1)


def build(parameters: int) -> nn.Module:
    """Return the surrogate of a cost of so many parameters, flat at zero."""
    return Surrogate(parameters)
