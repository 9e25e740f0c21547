"""The forward pass in rational numbers: no rounding, and no code shared with mlspec.

The parameters of a network and the pixels of an image are floats, hence fractions: the margin of
the real-valued function is a fraction too. Arrays of dtype ``object`` hold Fractions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

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
        value = found[inputs[0]]
        match op:
            case Flatten():
                after = value.ravel()
            case Linear():
                after = affine(op.weight, op.bias, value)
            case Scale():
                after = value * fractions(op.weight) + fractions(op.bias)
            case Relu():
                after = positive(value)
            case LeakyRelu():
                after = np.maximum(value, Fraction(op.slope) * value)
            case Clip():
                low, high = (fractions(np.full(value.shape, end)) for end in (op.low, op.high))
                after = np.minimum(np.maximum(value, low), high)
            case Add():
                after = sum((found[number] for number in inputs[1:]), start=value)
            case MaxPool():
                after = _pooled(op, value)
            case Conv():
                after = _filtered(op, value)
            case _:
                raise TypeError(op)
        found.append(after)
    return found


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
    if op.padding != (0, 0) or op.groups != 1:
        raise TypeError("no network of these tests has padding or groups")
    (sy, sx), (kh, kw) = op.stride, op.weight.shape[2:]
    found = np.empty(op.shape_after(value.shape), dtype=object)
    for i, j in np.ndindex(found.shape[1:]):
        window = value[:, i * sy : i * sy + kh, j * sx : j * sx + kw]
        found[:, i, j] = affine(op.weight.reshape(len(op.bias), -1), op.bias, window.ravel())
    return found
