"""CROWN for convolutions whose rows stay local: patches in place of dense rows.

A unit of a conv's output sees a small window of every value before it. Its row is kept as that
window: ``patch`` is ``(B, O, P, C, kh, kw)`` with ``O`` rows per position (the output channels,
then their negatives) and ``P`` positions; at position ``(i, j)`` it covers the rows ``i * stride -
padding ...`` of the value it runs over (auto_LiRPA, Xu et al. 2020, calls it patches mode).
Composing with an earlier conv multiplies the strides. Axes of length 1 broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    local = LocalRows(net, last, lines, lower, upper)
    least = local.minimum({})
    channels, *size = net.ops[last].shape_out
    low, high = least[:, :channels], -least[:, channels:]
    return low.reshape(-1, channels, *size), high.reshape(-1, channels, *size)


@dataclass(frozen=True, eq=False)
class LocalRows:
    """The output units of conv ``last`` and their negatives, as rows to be minimised over boxes."""

    net: TensorNetwork
    last: int
    lines: Mapping[int, ReluLines]
    lower: Tensor
    upper: Tensor
    positions: Tensor | None = None
    """Output positions (numbers below ``H' W'``) to bound; all if None."""

    def minimum(self, slopes: Mapping[int, Tensor]) -> Tensor:
        """Return the minima ``(B, 2 O, P)``.

        ``slopes`` replaces lower ReLU slopes, one ``(B, 2 O, P, C, kh, kw)`` per ReLU's position.
        """
        conv = self._conv(self.last)
        weight, bias0 = self.net.ops[self.last].weight, self.net.ops[self.last].bias
        patch = torch.cat([weight, -weight])[None, :, None]
        bias = torch.cat([bias0, -bias0])[None, :, None]
        stride, padding = conv.stride, conv.padding
        for position in range(self.last - 1, -1, -1):
            item = self.net.ops[position]
            if isinstance(item.op, Relu):
                line = self.lines[position]
                low, up, up_bias = (
                    self._gather(value, patch, stride, padding)
                    for value in (line.low, line.up, line.up_bias)
                )
                if position in slopes:
                    low = torch.where((up > 0.0) & (up < 1.0), slopes[position], low)
                negative = patch.clamp_max(0.0)
                bias = bias + (negative * up_bias).sum((3, 4, 5))
                patch = patch.clamp_min(0.0) * low + negative * up
            else:
                before = self._conv(position)
                inside = torch.ones(1, *item.shape_out, dtype=patch.dtype, device=patch.device)
                patch = patch * self._gather(inside, patch, stride, padding)
                bias = bias + (patch.sum((4, 5)) @ item.bias)
                flat = patch.flatten(0, 2)
                flat = F.conv_transpose2d(flat, item.weight, None, before.stride)
                patch = flat.reshape(*patch.shape[:3], *flat.shape[1:])
                padding = _along(padding, before.stride, before.padding)
                stride = _along(stride, before.stride, (0, 0))
        centre, radius = (
            self._gather(value, patch, stride, padding)
            for value in ((self.lower + self.upper) / 2, (self.upper - self.lower) / 2)
        )
        return (patch * centre - patch.abs() * radius).sum((3, 4, 5)) + bias

    def default_slopes(self) -> dict[int, Tensor]:
        """Return the lower slopes of ``lines`` as ``minimum`` takes them, one per row."""
        conv = self._conv(self.last)
        kernel = self.net.ops[self.last].weight
        rows = 2 * len(kernel)
        stride, padding = conv.stride, conv.padding
        shape: tuple[int, int] = (kernel.shape[2], kernel.shape[3])
        slopes = {}
        for position in range(self.last - 1, -1, -1):
            item = self.net.ops[position]
            if isinstance(item.op, Relu):
                window = torch.empty(1, 1, 1, 1, *shape, device="meta")
                low = self._gather(self.lines[position].low, window, stride, padding)
                slopes[position] = low.repeat(1, rows, 1, 1, 1, 1)
            else:
                before = self._conv(position)
                size = (item.weight.shape[2], item.weight.shape[3])
                shape = _along((shape[0] - 1, shape[1] - 1), before.stride, size)
                padding = _along(padding, before.stride, before.padding)
                stride = _along(stride, before.stride, (0, 0))
        return slopes

    def _conv(self, position: int) -> Conv:
        op = self.net.ops[position].op
        assert isinstance(op, Conv)
        return op

    def _gather(self, value: Tensor, patch: Tensor, stride: Pair, padding: Pair) -> Tensor:
        """Return windows ``(B, 1, P, C, kh, kw)`` of ``value`` ``(B, C, H, W)``, zero outside of
        it."""
        out = self.net.ops[self.last].shape_out[1:]
        kernel = patch.shape[4:]
        after = [
            (out[axis] - 1) * stride[axis] + kernel[axis] - padding[axis] - value.shape[2 + axis]
            for axis in (0, 1)
        ]
        padded = F.pad(value, (padding[1], max(after[1], 0), padding[0], max(after[0], 0)))
        view = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
        windows = view[:, :, : out[0], : out[1]].permute(0, 2, 3, 1, 4, 5).flatten(1, 2)
        chosen = windows if self.positions is None else windows[:, self.positions]
        return chosen[:, None]


def _along(value: Pair, scale: Pair, shift: Pair) -> Pair:
    return value[0] * scale[0] + shift[0], value[1] * scale[1] + shift[1]
