"""The float64 reference forward pass: what every witness is replayed with."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mlspec.core.network import Array, Conv, Flatten, Linear, MaxPool, Network, Pair, Relu


def scores(network: Network, images: Array) -> Array:
    """Return the scores ``(B, M)`` of ``images`` ``(B, C, H, W)``, computed in float64."""
    value = np.asarray(images, dtype=np.float64)
    if value.shape[1:] != network.input_shape:
        raise ValueError(f"images are {value.shape[1:]}, the network takes {network.input_shape}")
    for op in network.ops:
        value = apply(op, value)
    return value


@singledispatch
def apply(op: object, value: Array) -> Array:
    """Apply one op to a batch."""
    raise TypeError(f"no forward pass for {type(op).__name__}")


@apply.register
def _(op: Conv, value: Array) -> Array:
    (py, px) = op.padding
    padded = np.pad(value, ((0, 0), (0, 0), (py, py), (px, px)))
    windows = _windows(padded, (op.weight.shape[2], op.weight.shape[3]), op.stride)
    out = np.tensordot(windows, op.weight, axes=([1, 4, 5], [1, 2, 3]))
    return np.ascontiguousarray(np.moveaxis(out, -1, 1)) + op.bias[:, None, None]


@apply.register
def _(op: Linear, value: Array) -> Array:
    return np.asarray(value @ op.weight.T + op.bias)


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
