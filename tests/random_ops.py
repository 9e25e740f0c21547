"""Random operations of every kind and odd geometries, and how large a random network may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from mlspec.core.network import Array, Op, Pair, Shape
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.select import ZERO, Select
from mlspec.ops.weighted import Weighted

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """Limits of random networks."""

    image: int
    """Height and width at most, and at least half of it."""
    channels: int
    labels: int
    """Outputs of a linear op at most."""
    pieces: int
    """ReLU units and pool windows at most, over all ops."""
    units: int
    """Values of one op's output at most."""
    only_relus: bool = False
    """Whether there are no other activations."""


TINY = Size(image=5, channels=2, labels=5, pieces=12, units=30)
"""Small enough to enumerate, with few moving pixels."""

SMALL = Size(image=9, channels=3, labels=6, pieces=400, units=400)
"""For laws that need no oracle."""


def one_of(rng: Rng, choices: tuple[T, ...]) -> T:
    """Return one of ``choices``."""
    return choices[int(rng.integers(len(choices)))]


def parameters(rng: Rng, style: str, *shape: int) -> Array:
    """Return an array of random parameters."""
    values = rng.normal(size=shape)
    match style:
        case "integer":
            values = np.round(values * 1.5)
        case "sparse":
            values = values * (rng.random(shape) < 0.4)
        case "mixed":
            values = values * 10.0 ** rng.integers(-2, 2, shape)
    return np.asarray(values, dtype=np.float64)


def balanced(op: Op, value: Array, rng: Rng) -> Op:
    """Shift the biases of an affine op so that its output at ``value`` is near 0."""
    if not isinstance(op, Weighted):
        return op
    after = op.forward(value)[0]
    mean = after.reshape(len(after), -1).mean(axis=1)
    noise = rng.normal(size=len(mean)) * one_of(rng, (0.3,) * 6 + (0.0,))
    shift = (noise - mean).reshape(-1, *[1] * (after.ndim - 1 if isinstance(op, Scale) else 0))
    return replace(op, bias=op.bias + shift)


def pair(rng: Rng, least: int, most: int) -> Pair:
    return int(rng.integers(least, most + 1)), int(rng.integers(least, most + 1))


def _stride(rng: Rng) -> Pair:
    return one_of(rng, (1, 1, 1, 2, 3)), one_of(rng, (1, 1, 1, 2, 3))


def _conv(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    outputs = int(rng.integers(1, size.channels + 1))
    groups = shape[0] if outputs % shape[0] == 0 and rng.random() < 0.2 else 1
    weight = parameters(rng, style, outputs, shape[0] // groups, *pair(rng, 1, 3))
    bias = _bias(rng, outputs, style)
    return Conv(weight, bias, _stride(rng), pair(rng, 0, 2), groups)


def _same(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return a conv that keeps the shape."""
    (py, px) = pair(rng, 0, 1)
    weight = parameters(rng, style, shape[0], shape[0], 2 * py + 1, 2 * px + 1)
    return Conv(weight, _bias(rng, shape[0], style), (1, 1), (py, px))


def _average(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    (kh, kw) = pair(rng, 1, 3)
    weight = np.full((shape[0], 1, kh, kw), 1.0 / (kh * kw))
    padding = int(rng.integers(0, kh)) // 2, int(rng.integers(0, kw)) // 2
    return Conv(weight, np.zeros(shape[0]), _stride(rng), padding, groups=shape[0])


def _scale(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    per_channel = (shape[0], *[1] * (len(shape) - 1))
    weight = one_of(rng, (per_channel, per_channel, (1,) * len(shape), shape))
    return Scale(parameters(rng, style, *weight), parameters(rng, style, *per_channel))


def _linear(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    outputs = int(rng.integers(2, size.labels + 1))
    return Linear(parameters(rng, style, outputs, shape[0]), _bias(rng, outputs, style))


def _bias(rng: Rng, outputs: int, style: str) -> Array:
    return parameters(rng, style, outputs) * rng.integers(0, 2)


def _pool(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    return MaxPool(pair(rng, 1, 3), _stride(rng), relu=bool(rng.random() < 0.1))


def _activation(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return mostly a ReLU."""
    if size.only_relus:
        return Relu()
    leaky = LeakyRelu(one_of(rng, (0.01, 0.25, 0.9)))
    low = one_of(rng, (0.0, 0.0, -1.0, 0.25, -np.inf))
    clip = Clip(low, max(low, 0.0) + one_of(rng, (1.0, 0.125, 6.0)))
    return one_of(rng, (*(Relu(),) * 6, leaky, clip, clip, Clip(0.5)))


def _channels(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return a choice of whole channels, some of them 0."""
    units = np.arange(np.prod(shape)).reshape(shape)
    outputs = one_of(rng, (shape[0], int(rng.integers(1, size.channels + 1))))
    index = units[rng.integers(0, shape[0], outputs)]
    return Select(np.where(rng.random((outputs, 1, 1)) < 0.2, ZERO, index))


def _select(rng: Rng, shape: Shape, size: Size, style: str) -> Op:
    """Return another order, a crop, a rim of zeros, or any choice."""
    units = np.arange(np.prod(shape)).reshape(shape)
    sizes = [int(rng.integers(1, each + 2)) for each in shape]
    anything = rng.integers(ZERO, units.size, sizes)
    padded = np.pad(units, [(0, int(rng.integers(0, 2))) for _ in shape], constant_values=ZERO)
    choices = rng.permutation(units.ravel()).reshape(shape), units[..., ::-1], units[..., :1]
    return Select(one_of(rng, (*choices, padded, anything, units.swapaxes(0, -1))))


MAKERS: dict[str, Callable[[Rng, Shape, Size, str], Op]] = {
    "conv": _conv,
    "pool": _pool,
    "linear": _linear,
    "same": _same,
    "average": _average,
    "channels": _channels,
    "select": _select,
    "scale": _scale,
    "relu": _activation,
    "flatten": lambda rng, shape, size, style: Flatten(),
}
