"""The classifiers' architectures, of operations that a verifier can read.

All are convolutions and ReLUs, one pool and one linear op. Each takes the height and the width of
an image and the number ``M`` of labels, and maps ``(B, 1, H, W)`` to scores ``(B, M)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Op = TypeVar("Op", bound=nn.Module)


def small(height: int, width: int, labels: int) -> nn.Sequential:
    """Return the network of the proposal: 3,818 parameters for 64×64 pixels and ten labels.

    conv 1→8, ReLU, conv 8→16 (both 3×3, stride 2, padding 1), ReLU, max-pool 4, linear. Images have
    at least 13×13 pixels.
    """
    return nn.Sequential(
        _conv(1, 8, kernel=3, stride=2),
        nn.ReLU(),
        _conv(8, 16, kernel=3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Flatten(),
        _linear(16 * _pooled(height, width, 4), labels),
    )


def large(height: int, width: int, labels: int) -> nn.Sequential:
    """Return a more accurate network: 46,898 parameters for 64×64 pixels and ten labels.

    conv 1→16, ReLU, conv 16→32 (both 5×5, stride 2, padding 2), ReLU, conv 32→40 (5×5, padding 2),
    ReLU, max-pool 8, linear. The last convolution sees 29×29 pixels, one whole digit, and
    images have at least as many.
    """
    return nn.Sequential(
        _conv(1, 16, kernel=5, stride=2),
        nn.ReLU(),
        _conv(16, 32, kernel=5, stride=2),
        nn.ReLU(),
        _conv(32, 40, kernel=5, stride=1),
        nn.ReLU(),
        nn.MaxPool2d(8),
        nn.Flatten(),
        _linear(40 * _pooled(height, width, 8), labels),
    )


class Residual(nn.Module):
    """``body(x) + skip(x)`` (He et al. 2016); an empty ``skip`` is the identity."""

    def __init__(self, body: nn.Sequential, skip: nn.Sequential) -> None:
        super().__init__()
        self.body = body
        self.skip = skip

    def forward(self, value: Tensor) -> Tensor:
        """Return the sum of what body and skip map ``value`` ``(B, C, H, W)`` to."""
        return torch.add(self.body(value), self.skip(value))


def resnet_tiny(height: int, width: int, labels: int) -> nn.Sequential:
    """Return a residual network: 10,922 parameters for 64×64 pixels and ten labels.

    conv 1→8 (stride 2), ReLU, a residual block 8→16 (stride 2, its skip a 1×1 convolution), ReLU, a
    residual block 16→16, ReLU, average pool 4, linear. A block is conv, ReLU, conv; kernels are
    3×3, padding 1. Images have at least 13×13 pixels.
    """
    return nn.Sequential(
        _conv(1, 8, kernel=3, stride=2),
        nn.ReLU(),
        Residual(_block(8, 16, stride=2), nn.Sequential(_conv(8, 16, kernel=1, stride=2))),
        nn.ReLU(),
        Residual(_block(16, 16, stride=1), nn.Sequential()),
        nn.ReLU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        _linear(16 * _pooled(height, width, 4), labels),
    )


ARCHITECTURES: dict[str, Callable[[int, int, int], nn.Sequential]] = {
    "small": small,
    "large": large,
    "resnet-tiny": resnet_tiny,
}
"""Every architecture a training spec can name; each takes H, W and M."""


def initialise(network: nn.Sequential, generator: torch.Generator) -> None:
    """Draw all parameters from ``generator``: He's normal weights (He et al. 2015), zero biases."""
    for op in network.modules():
        if isinstance(op, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(op.weight, nonlinearity="relu", generator=generator)
            if op.bias is not None:
                nn.init.zeros_(op.bias)


def _pooled(height: int, width: int, pool: int) -> int:
    """Return the number of pixels after two convolutions of stride 2, padded by half their kernels,
    and a pool."""
    return math.prod((size + 3) // 4 // pool for size in (height, width))


def _conv(channels: int, filters: int, *, kernel: int, stride: int) -> nn.Conv2d:
    return _blank(nn.Conv2d(channels, filters, kernel, stride, kernel // 2, device="meta"))


def _block(channels: int, filters: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(channels, filters, kernel=3, stride=stride),
        nn.ReLU(),
        _conv(filters, filters, kernel=3, stride=1),
    )


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return _blank(nn.Linear(inputs, outputs, device="meta"))


def _blank(op: Op) -> Op:
    """Return ``op``, which was made without values: constructors would draw them from the global
    generator."""
    return op.to_empty(device="cpu")
