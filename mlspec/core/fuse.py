"""The same function with fewer ops, for bounds, attacks and encodings.

A ReLU that touches a max-pool goes into it: ``max(0, .)`` commutes with ``max``, and relaxations
and encodings of the fused op are tighter and smaller than those of the pair. A scale goes into the
conv or linear op before it, or into the one behind it. The pads of a conv are zeros of what it
reads, so a shift goes into a conv behind it only where that has no padding.

Two ops are joined only where nothing else reads the value between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlspec.core.network import Array, Conv, Linear, MaxPool, Network, Op, Relu, Scale


def fused(network: Network) -> Network:
    """Return the network with every pair of ops joined that can be one."""
    joined = _joined_once(network)
    while joined is not None:
        network, joined = joined, _joined_once(joined)
    return network


def _joined_once(network: Network) -> Network | None:
    for second, op in enumerate(network.ops):
        first = network.inputs[second][0] - 1
        if first < 0 or network.users(first + 1) != [second] or len(network.inputs[second]) > 1:
            continue
        before = network.ops[first]
        join = JOINS.get((type(before), type(op)))
        one = join(before, op) if join else None
        if one is not None:
            return _replaced(network, first, second, one)
    return None


def _replaced(network: Network, first: int, second: int, one: Op) -> Network:
    """Put ``one`` in the place of ``second``, take ``first`` out."""
    ops = [*network.ops]
    inputs = [*network.inputs]
    ops[second], inputs[second] = one, network.inputs[first]
    del ops[first], inputs[first]
    gone = first + 1
    renumbered = tuple(tuple(value - (value > gone) for value in values) for values in inputs)
    return Network(tuple(ops), network.input_shape, renumbered)


def _conv_scale(conv: Conv, scale: Scale) -> Op | None:
    outputs = len(conv.bias)
    weight, bias = _per_channel(scale.weight, outputs), _per_channel(scale.bias, outputs)
    if weight is None or bias is None:
        return None
    kernel = conv.weight * weight[:, None, None, None]
    return replace(conv, weight=kernel, bias=conv.bias * weight + bias)


def _scale_conv(scale: Scale, conv: Conv) -> Op | None:
    inputs = conv.weight.shape[1] * conv.groups
    weight, bias = _per_channel(scale.weight, inputs), _per_channel(scale.bias, inputs)
    if weight is None or bias is None or (bias.any() and conv.padding != (0, 0)):
        return None
    group = np.arange(len(conv.bias)) // (len(conv.bias) // conv.groups)
    factor, shift = (
        each.reshape(conv.groups, -1)[group][:, :, None, None] for each in (weight, bias)
    )
    moved = (conv.weight * shift).sum((1, 2, 3))
    return replace(conv, weight=conv.weight * factor, bias=conv.bias + moved)


def _linear_scale(linear: Linear, scale: Scale) -> Op:
    weight, bias = (np.broadcast_to(each, linear.bias.shape) for each in (scale.weight, scale.bias))
    return Linear(linear.weight * weight[:, None], linear.bias * weight + bias)


def _scale_linear(scale: Scale, linear: Linear) -> Op:
    inputs = linear.weight.shape[1:]
    weight, bias = (np.broadcast_to(each, inputs) for each in (scale.weight, scale.bias))
    return Linear(linear.weight * weight, linear.bias + linear.weight @ bias)


def _scale_scale(first: Scale, second: Scale) -> Op:
    bias = np.asarray(second.weight * first.bias + second.bias)
    return Scale(np.asarray(first.weight * second.weight), bias)


def _per_channel(array: Array, channels: int) -> Array | None:
    """Return one number per channel of a feature map, None where rows or columns differ."""
    if array.size == 1:
        return np.full(channels, array.item())
    return array.ravel() if array.shape == (channels, 1, 1) else None


JOINS: dict[tuple[type[Op], type[Op]], Callable[..., Op | None]] = {
    (Relu, MaxPool): lambda relu, pool: replace(pool, relu=True),
    (MaxPool, Relu): lambda pool, relu: replace(pool, relu=True),
    (Relu, Relu): lambda first, second: first,
    (Conv, Scale): _conv_scale,
    (Scale, Conv): _scale_conv,
    (Linear, Scale): _linear_scale,
    (Scale, Linear): _scale_linear,
    (Scale, Scale): _scale_scale,
}
"""How two ops, the second right behind the first, become one; None where they cannot."""
