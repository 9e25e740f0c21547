"""Parts of known range to one network: each score is a weighted sum of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from mlspec.core.network import Array, Network, Op, Shape
from mlspec.ops.add import Add
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from soundness.functions import Part, Pooled


@dataclass(frozen=True, eq=False)
class Front:
    """How dense parts begin."""

    conv: bool
    """With a convolution that sees the whole image, in place of a linear op."""
    activation: Op
    """What comes after it."""


def network_of(
    parts: Sequence[Part | Pooled], gains: Array, biases: Array, shape: Shape, front: Front
) -> Network:
    """Return the network with scores ``gains @ parts + biases``; ``gains`` is ``(M, parts)``."""
    dense = {number: part for number, part in enumerate(parts) if isinstance(part, Part)}
    branches: list[list[Op]] = []
    if dense:
        branches.append(_dense([*dense.values()], gains[:, [*dense]], shape, front))
    for number, part in enumerate(parts):
        if isinstance(part, Pooled):
            branches.append(_pooled(part, gains[:, [number]], shape))
    ops: list[Op] = []
    inputs: list[tuple[int, ...]] = []
    ends = []
    for number, branch in enumerate(branches):
        last = branch[-1]
        assert isinstance(last, Linear)
        branch[-1] = Linear(last.weight, biases if number == 0 else np.zeros(len(biases)))
        inputs += [(0,), *((len(ops) + step,) for step in range(1, len(branch)))]
        ops += branch
        ends.append(len(ops))
    if len(ends) > 1:
        ops.append(Add())
        inputs.append(tuple(ends))
    return Network(tuple(ops), shape, tuple(inputs))


def _dense(parts: Sequence[Part], gains: Array, shape: Shape, front: Front) -> list[Op]:
    first = np.concatenate([part.first.weight for part in parts])
    first_bias = np.concatenate([part.first.bias for part in parts])
    second = Linear(
        block_diag(*(part.second.weight for part in parts)),
        np.concatenate([part.second.bias for part in parts]),
    )
    output = np.concatenate(
        [np.outer(gain, part.output) for gain, part in zip(gains.T, parts, strict=True)], axis=1
    )
    last = Linear(output, np.zeros(len(gains)))
    if front.conv:
        begin: list[Op] = [Conv(first.reshape(-1, *shape), first_bias), front.activation, Flatten()]
    else:
        begin = [Flatten(), Linear(first, first_bias), front.activation]
    return [*begin, second, Relu(), last]


def _pooled(part: Pooled, gain: Array, shape: Shape) -> list[Op]:
    sides = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)
    return [
        Scale(part.scales, part.biases),
        Conv(sides, np.zeros(2)),
        Relu(),
        Conv(part.factors.reshape(1, 2, 1, 1), np.zeros(1)),
        MaxPool((shape[1], shape[2]), (1, 1)),
        Flatten(),
        Linear(np.array([[-1.0]]), np.array([part.top])),
        Relu(),
        Linear(gain, np.zeros(len(gain))),
    ]
