"""CROWN for convolutions whose rows stay local: patches in place of dense rows.

A unit of a conv's output sees a small window of every value before it. Its row is kept as that window:
``patch`` is ``(B or 1, O, P or 1, C, kh, kw)`` with ``O`` output channels and ``P = H' W'`` positions; at
position ``(i, j)`` it covers the rows ``i * stride - padding ...`` of the value it runs over (Xu et al. 2020,
auto_LiRPA, call it patches mode). Composing with an earlier conv multiplies the strides.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.bounds.relax import ReluLines
from mlspec.core.network import Conv, Pair, Relu
from mlspec.tensors import TensorNetwork


def applies(net: TensorNetwork, last: int) -> bool:
    """Say whether op ``last`` is a conv with only convs and ReLUs before it."""
    before = all(isinstance(item.op, Conv | Relu) for item in net.ops[:last])
    return before and isinstance(net.ops[last].op, Conv)


def bounds(
    net: TensorNetwork,
    last: int,
    lines: Mapping[int, ReluLines],
    lower: Tensor,
    upper: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return CROWN bounds of the output of conv ``last`` over the boxes ``(B, C, H, W)``."""
    return (
        _lower(net, last, lines, lower, upper, 1.0),
        -_lower(net, last, lines, lower, upper, -1.0),
    )


def _lower(
    net: TensorNetwork,
    last: int,
    lines: Mapping[int, ReluLines],
    lower: Tensor,
    upper: Tensor,
    sign: float,
) -> Tensor:
    item, conv = net.ops[last], net.ops[last].op
    assert isinstance(conv, Conv)
    out = (item.shape_out[1], item.shape_out[2])
    patch = sign * item.weight[None, :, None]
    bias = (sign * item.bias)[None, :, None].expand(len(lower), -1, out[0] * out[1])
    stride, padding = conv.stride, conv.padding
    for position in range(last - 1, -1, -1):
        item = net.ops[position]
        kernel = (patch.shape[4], patch.shape[5])
        if isinstance(item.op, Relu):
            line = lines[position]
            low, up, up_bias = (
                _gather(value, kernel, stride, padding, out)[:, None]
                for value in (line.low, line.up, line.up_bias)
            )
            negative = patch.clamp_max(0.0)
            bias = bias + (negative * up_bias).sum((3, 4, 5))
            patch = patch.clamp_min(0.0) * low + negative * up
        elif isinstance(item.op, Conv):
            inside = torch.ones(1, *item.shape_out, dtype=net.dtype, device=net.device)
            patch = patch * _gather(inside, kernel, stride, padding, out)[:, None]
            bias = bias + torch.einsum("bopcyx,c->bop", patch, item.bias)
            shape = patch.shape
            flat = patch.reshape(-1, *shape[3:])
            flat = F.conv_transpose2d(flat, item.weight, None, item.op.stride)
            patch = flat.reshape(*shape[:3], *flat.shape[1:])
            padding = (
                padding[0] * item.op.stride[0] + item.op.padding[0],
                padding[1] * item.op.stride[1] + item.op.padding[1],
            )
            stride = (stride[0] * item.op.stride[0], stride[1] * item.op.stride[1])
    kernel = (patch.shape[4], patch.shape[5])
    centre, radius = (
        _gather(value, kernel, stride, padding, out)[:, None]
        for value in ((lower + upper) / 2, (upper - lower) / 2)
    )
    least = (patch * centre - patch.abs() * radius).sum((3, 4, 5)) + bias
    return least.reshape(len(lower), -1, *out)


def _gather(value: Tensor, kernel: Pair, stride: Pair, padding: Pair, out: Pair) -> Tensor:
    """Return the windows ``(B, P, C, kh, kw)`` of ``value`` ``(B, C, H, W)``, zero outside of it."""
    need = [(out[axis] - 1) * stride[axis] + kernel[axis] for axis in (0, 1)]
    after = [need[axis] - padding[axis] - value.shape[2 + axis] for axis in (0, 1)]
    padded = F.pad(value, (padding[1], after[1], padding[0], after[0]))
    view = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
    return view.permute(0, 2, 3, 1, 4, 5).reshape(len(value), out[0] * out[1], -1, *kernel)
