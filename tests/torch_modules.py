"""Parts that models in torch are made of, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Model:
    """A model, the images it takes, and what stands between its scores and its output."""

    make: Callable[[], nn.Module]
    shape: Shape = (2, 8, 8)
    flat: bool = False
    """Whether it takes ``(batch, C H W)``."""


class Of(nn.Module):
    """A module of a function; ``parts`` are the modules it uses."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, **self.parts)


def seq(*parts: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*parts)


def of(function: Callable[..., Tensor], **parts: nn.Module) -> Callable[[], nn.Module]:
    return lambda: Of(function, **parts)


def conv(i: int, o: int, k: int = 3, **options: object) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, **options)  # type: ignore[arg-type]


def head(n: int, labels: int = 3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(n, labels))


def after(*parts: nn.Module, n: int) -> Callable[[], nn.Module]:
    """Return a conv, ``parts``, and a head over ``n`` numbers."""
    return seq(conv(2, 4, padding=1), *parts, nn.Flatten(), nn.Linear(n, 3))


class BasicBlock(nn.Module):
    """As in torchvision's ResNet."""

    def __init__(self, i: int, o: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(i, o, 3, stride=stride, padding=1, bias=False), norm(o)
        self.conv2, self.bn2 = conv(o, o, 3, padding=1, bias=False), norm(o)
        self.down = None
        if stride != 1 or i != o:
            self.down = nn.Sequential(conv(i, o, 1, stride=stride, bias=False), norm(o))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.down is None else self.down(x)))


def norm(channels: int) -> nn.Module:
    """Return a batch normalisation with statistics as if it were trained."""
    made = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for each in (made.running_mean, made.weight, made.bias):
            assert each is not None
            each.copy_(torch.rand(channels))
        assert made.running_var is not None
        made.running_var.copy_(torch.rand(channels) + 0.5)
    return made


class Fire(nn.Module):
    """As in SqueezeNet."""

    def __init__(self, i: int, s: int, e: int) -> None:
        super().__init__()
        self.squeeze, self.one, self.three = conv(i, s, 1), conv(s, e, 1), conv(s, e, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class Dense(nn.Module):
    """A block of DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(norm(2 + 3 * k), nn.ReLU(), conv(2 + 3 * k, 3, padding=1))
            for k in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Inverted(nn.Module):
    """As in MobileNetV2."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(conv(4, 8, 1, bias=False), norm(8), nn.ReLU6()),
            *(conv(8, 8, 3, padding=1, groups=8, bias=False), norm(8), nn.ReLU6()),
            *(conv(8, 4, 1, bias=False), norm(4)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


def shuffled(x: Tensor, groups: int = 2) -> Tensor:
    """Shuffle channels, as ShuffleNet does."""
    b, c, h, w = x.size()
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, -1, h, w)


class Normalised(nn.Module):
    """Mean and standard deviation in the network."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.tensor([0.4, 0.5]).view(1, 2, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3]).view(1, 2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x - self.mean) / self.std)


def swapped(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
