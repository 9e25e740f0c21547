"""Scores, margins and layers by their definitions: slow, plain, sharing no code with mlspec.

Only the op classes, as containers of parameters, come from mlspec.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array, Network
from mlspec.core.property import Property
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale
from mlspec.ops.select import ZERO, Select


def selected(op: Select, value: Array) -> Array:
    units = value.reshape(-1, value.shape[-1])
    after = np.zeros((*op.index.shape, value.shape[-1]))
    for place in np.ndindex(*op.index.shape):
        if op.index[place] != ZERO:
            after[place] = units[op.index[place]]
    return after


def convolved(op: Conv, value: Array) -> Array:
    (py, px), (sy, sx) = op.padding, op.stride
    outputs, _, kh, kw = op.weight.shape
    per_group = len(value) // op.groups
    padded = np.pad(value, ((0, 0), (py, py), (px, px), (0, 0)))
    rows = (padded.shape[1] - kh) // sy + 1
    columns = (padded.shape[2] - kw) // sx + 1
    after = np.zeros((outputs, rows, columns, value.shape[-1]))
    for o, i, j in product(range(outputs), range(rows), range(columns)):
        first = o * op.groups // outputs * per_group
        rows_, columns_ = slice(i * sy, i * sy + kh), slice(j * sx, j * sx + kw)
        window = padded[first : first + per_group, rows_, columns_]
        after[o, i, j] = (op.weight[o][..., None] * window).sum((0, 1, 2))
        after[o, i, j, -1] += op.bias[o]
    return after


def plain_scores(network: Network, image: Array) -> Array:
    """Return the scores ``(M,)`` of ``image`` ``(C, H, W)``, one unit at a time."""
    values = [np.asarray(image, dtype=np.float64)]
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        value, *others = (values[number] for number in inputs)
        match op:
            case Add():
                for other in others:
                    value = value + other
            case Scale():
                value = np.broadcast_to(op.weight, value.shape) * value + op.bias
            case Conv():
                value = convolved(op, value[..., None])[..., 0]
            case Linear():
                value = np.array(
                    [
                        sum(w * v for w, v in zip(row, value, strict=True)) + bias
                        for row, bias in zip(op.weight, op.bias, strict=True)
                    ]
                )
            case Flatten():
                value = value.ravel()
            case Select():
                value = selected(op, value[..., None])[..., 0]
            case Relu():
                value = np.where(value > 0, value, 0.0)
            case LeakyRelu():
                value = np.where(value > 0, value, op.slope * value)
            case Clip():
                value = np.where(value < op.low, op.low, value)
                value = np.where(value > op.high, op.high, value)
            case MaxPool():
                (kh, kw), (sh, sw) = op.kernel, op.stride
                value = np.array(
                    [
                        [
                            [
                                max([*plane[i : i + kh, j : j + kw].ravel(), *([0.0] * op.relu)])
                                for j in range(0, plane.shape[1] - kw + 1, sw)
                            ]
                            for i in range(0, plane.shape[0] - kh + 1, sh)
                        ]
                        for plane in value
                    ]
                )
            case _:
                raise TypeError(op)
        values.append(value)
    return values[-1]


def plain_margin(property_: Property, scores: Sequence[float] | Array) -> float:
    """Return the margin of ``property_`` by the definition, on plain floats."""
    found = []
    for target in property_.targets:
        rule = property_.rule
        if hasattr(rule, "tau"):
            found.append(scores[target] - rule.tau[target])
        else:
            others = sorted((s for c, s in enumerate(scores) if c != target), reverse=True)
            found.append(scores[target] - others[rule.k - 1])
    return float(min(found))


def plain_layers(mask: NDArray[np.bool_], norm: str) -> NDArray[np.int64]:
    """Return each pixel's layer by the definition, pixel by pixel, in whole numbers."""
    objects = list(zip(*np.nonzero(mask), strict=True))
    index = np.zeros(mask.shape, dtype=np.int64)
    for y, x in np.ndindex(*mask.shape):
        steps = [(abs(y - int(oy)), abs(x - int(ox))) for oy, ox in objects]
        match norm:
            case "l1":
                index[y, x] = min(dy + dx for dy, dx in steps)
            case "linf":
                index[y, x] = min(max(dy, dx) for dy, dx in steps)
            case "l2":
                squared = min(dy * dy + dx * dx for dy, dx in steps)
                index[y, x] = next(d for d in range(squared + 1) if squared <= d * d)
    return index
