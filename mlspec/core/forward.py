"""The float64 reference forward pass: what every witness is replayed with."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mlspec.core.network import (
    Add,
    Array,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Network,
    Pair,
    Relu,
    Scale,
)


def scores(network: Network, images: Array) -> Array:
    """Return the scores ``(B, M)`` of ``images`` ``(B, C, H, W)``, computed in float64."""
    return values(network, images)[-1]


def values(network: Network, images: Array) -> list[Array]:
    """Return every value of the network for ``images`` ``(B, C, H, W)``: theirs first, scores
    last."""
    found = [np.asarray(images, dtype=np.float64)]
    if found[0].shape[1:] != network.input_shape:
        raise ValueError(
            f"images are {found[0].shape[1:]}, the network takes {network.input_shape}"
        )
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        found.append(apply(op, *(found[value] for value in inputs)))
    return found


@singledispatch
def apply(op: object, *values: Array) -> Array:
    """Apply one op to a batch of each of its inputs."""
    raise TypeError(f"no forward pass for {type(op).__name__}")


@apply.register
def _(op: Conv, value: Array) -> Array:
    (py, px) = op.padding
    padded = np.pad(value, ((0, 0), (0, 0), (py, py), (px, px)))
    windows = _windows(padded, (op.weight.shape[2], op.weight.shape[3]), op.stride)
    parts = [
        np.tensordot(part, weight, axes=([1, 4, 5], [1, 2, 3]))
        for part, weight in zip(
            np.split(windows, op.groups, axis=1), np.split(op.weight, op.groups), strict=True
        )
    ]
    out = np.concatenate(parts, axis=-1)
    return np.ascontiguousarray(np.moveaxis(out, -1, 1)) + op.bias[:, None, None]


@apply.register
def _(op: Linear, value: Array) -> Array:
    return np.asarray(value @ op.weight.T + op.bias)


@apply.register
def _(op: Scale, value: Array) -> Array:
    return np.asarray(value * op.weight + op.bias)


@apply.register
def _(op: Add, *values: Array) -> Array:
    return np.asarray(sum(values[1:], start=values[0]))


@apply.register
def _(op: Relu, value: Array) -> Array:
    return np.maximum(value, 0.0)


@apply.register
def _(op: MaxPool, value: Array) -> Array:
    pooled = _windows(value, op.kernel, op.stride).max(axis=(4, 5))
    return np.maximum(pooled, 0.0) if op.relu else np.asarray(pooled)


@apply.register
def _(op: Flatten, value: Array) -> Array:
    return value.reshape(value.shape[0], -1)


def _windows(value: Array, kernel: Pair, stride: Pair) -> Array:
    view = sliding_window_view(value, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]
