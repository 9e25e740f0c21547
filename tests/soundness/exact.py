"""The forward pass in rational numbers: no rounding, and no code shared with mlspec.

The parameters of a network and the pixels of an image are floats, hence fractions: the margin of
the real-valued function is a fraction too. Arrays of dtype ``object`` hold Fractions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array, Network, Op
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

Exact = NDArray[Any]
"""Fractions, dtype ``object``."""


def fractions(values: Array) -> Exact:
    """Return ``values`` as Fractions, in the same shape."""
    flat = [Fraction(value) for value in np.asarray(values, dtype=np.float64).ravel().tolist()]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(np.shape(values))


def affine(weight: Array, bias: Array, value: Exact) -> Exact:
    """Return ``weight @ value + bias`` for a vector ``value``."""
    found = np.empty(len(bias), dtype=object)
    for number, (row, constant) in enumerate(zip(weight, bias, strict=True)):
        used = np.flatnonzero(row).tolist()
        found[number] = sum((Fraction(row[i]) * value[i] for i in used), Fraction(constant))
    return found


def positive(value: Exact) -> Exact:
    """Return ``max(value, 0)``, entry by entry."""
    return np.maximum(value, fractions(np.zeros(value.shape)))


def scores(network: Network, image: Array) -> Exact:
    """Return the scores ``(M,)`` of ``image`` ``(C, H, W)``."""
    return values(network, image)[-1]


def values(network: Network, image: Array) -> list[Exact]:
    """Return every value of the network for ``image``: its own first, the scores last."""
    found = [fractions(image)]
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        found.append(output(op, *(found[number] for number in inputs)))
    return found


def output(op: Op, value: Exact, *others: Exact) -> Exact:
    """Return the output of one op."""
    match op:
        case Flatten():
            return value.ravel()
        case Select():
            units = np.append(value.ravel(), Fraction(0))
            return np.asarray(units[np.where(op.index == ZERO, -1, op.index)])
        case Linear():
            return affine(op.weight, op.bias, value)
        case Scale():
            return np.asarray(value * fractions(op.weight) + fractions(op.bias))
        case Relu():
            return positive(value)
        case LeakyRelu():
            return np.asarray(np.maximum(value, Fraction(op.slope) * value))
        case Clip():
            after = value
            if np.isfinite(op.low):
                after = np.maximum(after, Fraction(op.low))
            if np.isfinite(op.high):
                after = np.minimum(after, Fraction(op.high))
            return after
        case Add():
            return np.asarray(sum(others, start=value))
        case MaxPool():
            return _pooled(op, value)
        case Conv():
            return _filtered(op, value)
        case _:
            raise TypeError(op)


def margin(network: Network, property_: Property, image: Array) -> Fraction:
    """Return the margin of ``property_`` at ``image`` ``(C, H, W)``."""
    found = scores(network, image)
    margins = [sorted(affine(claim.rows, claim.offsets, found)) for claim in property_.claims]
    ends: list[Fraction] = [
        each[claim.k - 1] for each, claim in zip(margins, property_.claims, strict=True)
    ]
    return min(ends)


def _pooled(op: MaxPool, value: Exact) -> Exact:
    (kh, kw), (sh, sw) = op.kernel, op.stride
    found = np.empty(op.shape_after(value.shape), dtype=object)
    for c, i, j in np.ndindex(found.shape):
        window = value[c, i * sh : i * sh + kh, j * sw : j * sw + kw].ravel().tolist()
        found[c, i, j] = max([*window, *([Fraction(0)] * op.relu)])
    return found


def _filtered(op: Conv, value: Exact) -> Exact:
    (sy, sx), (py, px), (kh, kw) = op.stride, op.padding, op.weight.shape[2:]
    zeros = fractions(np.zeros((len(value), value.shape[1] + 2 * py, value.shape[2] + 2 * px)))
    zeros[:, py : py + value.shape[1], px : px + value.shape[2]] = value
    found = np.empty(op.shape_after(value.shape), dtype=object)
    for i, j in np.ndindex(found.shape[1:]):
        window = zeros[:, i * sy : i * sy + kh, j * sx : j * sx + kw]
        parts = zip(
            np.split(op.weight, op.groups),
            np.split(op.bias, op.groups),
            np.split(window, op.groups),
            strict=True,
        )
        found[:, i, j] = np.concatenate(
            [affine(w.reshape(len(b), -1), b, part.ravel()) for w, b, part in parts]
        )
    return found
