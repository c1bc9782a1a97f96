"""A small convolutional network: 3x3 convolution, ReLU, average pooling, linear."""

from torch import Tensor, nn


class Network(nn.Module):
    """Images come flat, as data columns do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, channels, 3)
        self.pooling = nn.AvgPool2d(2)
        self.linear = nn.Linear(9 * channels, 10)

    def forward(self, pixels: Tensor) -> Tensor:  # (n, 64) -> (n, 10)
        maps = self.convolution(pixels.reshape(-1, 1, 8, 8)).relu()
        return self.linear(self.pooling(maps).flatten(1))


def build(channels: int) -> nn.Module:
    """Return the model: 64 pixels in, ten logits (n, 10) out."""
    return Network(channels)
