"""Interval bound propagation (Gowal et al. 2018), batched in float64.

An affine op maps centre ``c`` and radius ``r`` of a box to ``W c + b`` and ``|W| r``; monotone ops
map the end points. Axes: ``B`` boxes, then the shape of the value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.core.network import Add, Conv, Flatten, Linear, MaxPool, Relu, Scale
from mlspec.tensors import TensorOp


def step(
    item: TensorOp, lowers: Sequence[Tensor], uppers: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the bounds of an op's output, given those of every value before it."""
    lower, upper = lowers[item.inputs[0]], uppers[item.inputs[0]]
    match item.op:
        case Conv(stride=stride, padding=padding, groups=groups):
            centre, radius = (lower + upper) / 2, (upper - lower) / 2
            centre = F.conv2d(centre, item.weight, item.bias, stride, padding, groups=groups)
            radius = F.conv2d(radius, item.weight.abs(), None, stride, padding, groups=groups)
            return centre - radius, centre + radius
        case Linear():
            centre, radius = (lower + upper) / 2, (upper - lower) / 2
            centre = F.linear(centre, item.weight, item.bias)
            radius = F.linear(radius, item.weight.abs())
            return centre - radius, centre + radius
        case Scale():
            ends = lower * item.weight + item.bias, upper * item.weight + item.bias
            return torch.minimum(*ends), torch.maximum(*ends)
        case Add():
            others = item.inputs[1:]
            return (
                sum((lowers[value] for value in others), lower),
                sum((uppers[value] for value in others), upper),
            )
        case Relu():
            return F.relu(lower), F.relu(upper)
        case Flatten():
            return lower.flatten(1), upper.flatten(1)
        case MaxPool(kernel=kernel, stride=stride, relu=relu):
            lower = F.max_pool2d(lower, kernel, stride)
            upper = F.max_pool2d(upper, kernel, stride)
            return (F.relu(lower), F.relu(upper)) if relu else (lower, upper)
