"""CROWN for feature maps whose rows stay local: patches in place of dense rows.

A unit of a feature map sees a small window of every value before it. Its row is kept as that
window: ``patch`` is ``(B, O, P, C, kh, kw)`` with ``O`` rows per position (the channels, then their
negatives) and ``P`` positions; at position ``(i, j)`` it covers the rows ``i * stride - padding
...`` of the value it runs over (auto_LiRPA, Xu et al. 2020, calls it patches mode). Composing with
an earlier conv multiplies the strides. Where branches meet, patches are padded to one window and
add up. Axes of length 1 broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.bounds.domain import Domain
from mlspec.bounds.relax import ReluLines
from mlspec.core.network import Add, Conv, Pair, Relu, Scale
from mlspec.tensors import TensorNetwork, TensorOp

CELLS_AT_ONCE = 2**18
"""Elements of one patch tensor, about: what fits a processor's cache goes three times as fast."""


@dataclass(frozen=True)
class Window:
    """What a unit at ``(i, j)`` sees of a value: ``size`` rows and columns from ``i * stride -
    padding`` on."""

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    size: Pair = (1, 1)

    def before(self, item: TensorOp) -> Window:
        """Return what the unit sees of the input of a local op, given its window of the output."""
        if not isinstance(item.op, Conv):
            return self
        stride, kernel = item.op.stride, (item.weight.shape[2], item.weight.shape[3])
        rim = self.size[0] - 1, self.size[1] - 1
        return Window(
            _along(self.stride, stride, (0, 0)),
            _along(self.padding, stride, item.op.padding),
            _along(rim, stride, kernel),
        )

    def joined(self, other: Window) -> Window:
        """Return the least window around two of the same stride."""
        padding = _larger(self.padding, other.padding)
        ends = _larger(self._ends, other._ends)
        return Window(self.stride, padding, (padding[0] + ends[0], padding[1] + ends[1]))

    @property
    def _ends(self) -> Pair:
        return self.size[0] - self.padding[0], self.size[1] - self.padding[1]


def applies(net: TensorNetwork, last: int) -> bool:
    """Say whether value ``last`` is a feature map with only local ops before it, and branches of
    one stride."""
    return bool(_seen(net, last))


def bounds(
    net: TensorNetwork,
    last: int,
    lines: Mapping[int, ReluLines],
    domain: Domain,
    positions: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return CROWN bounds ``(B, C, P)`` of value ``last`` at ``positions`` (numbers below ``H W``)
    over the images of ``domain``."""
    channels, *size = net.network.shape_of(last)
    local = LocalRows(net, last, lines, domain)
    at_once = max(1, CELLS_AT_ONCE // (len(domain.lower) * local.cells))
    if len(positions) == math.prod(size) <= at_once:
        least = local.minimum({})
    else:
        pieces = [
            LocalRows(net, last, lines, domain, chosen).minimum({})
            for chosen in torch.split(positions, at_once)
        ]
        least = torch.cat(pieces, dim=2)
    return least[:, :channels], -least[:, channels:]


@dataclass(frozen=True, eq=False)
class LocalRows:
    """The units of value ``last`` and their negatives, as rows to be minimised."""

    net: TensorNetwork
    last: int
    lines: Mapping[int, ReluLines]
    domain: Domain
    positions: Tensor | None = None
    """Positions of the value (numbers below ``H W``) to bound; all if None."""

    @cached_property
    def windows(self) -> dict[int, Window]:
        """What a unit sees of each value before it, by the value's number."""
        return _seen(self.net, self.last)

    @property
    def cells(self) -> int:
        """Elements of the largest patch tensor of one box and position."""
        shape_of = self.net.network.shape_of
        seen = [shape_of(value)[0] * math.prod(w.size) for value, w in self.windows.items()]
        return 2 * shape_of(self.last)[0] * max(seen)

    def minimum(self, slopes: Mapping[int, Tensor]) -> Tensor:
        """Return the minima ``(B, 2 O, P)``.

        ``slopes`` replaces lower ReLU slopes, one ``(B, 2 O, P, C, kh, kw)`` per ReLU's position.
        """
        one = torch.eye(
            self.net.network.shape_of(self.last)[0], dtype=self.net.dtype, device=self.net.device
        )
        over = {self.last: torch.cat([one, -one])[None, :, None, :, None, None]}
        bias = one.new_zeros(1, 2 * len(one), 1)
        for position in range(self.last - 1, -1, -1):
            if position + 1 not in over:
                continue
            item, patch = self.net.ops[position], over.pop(position + 1)
            window = self.windows[position + 1]
            match item.op:
                case Relu():
                    low, up, up_bias = self._relus[position]
                    if position in slopes:
                        low = torch.where((up > 0.0) & (up < 1.0), slopes[position], low)
                    negative = patch.clamp_max(0.0)
                    bias = bias + (negative * up_bias).sum((3, 4, 5))
                    patch = patch.clamp_min(0.0) * low + negative * up
                case Scale():
                    weight, shift = (
                        self._gather(value.expand(1, *item.shape_out), window)
                        for value in (item.weight, item.bias)
                    )
                    bias = bias + (patch * shift).sum((3, 4, 5))
                    patch = patch * weight
                case Conv(stride=stride, groups=groups):
                    if window.padding != (0, 0):
                        inside = patch.new_ones(1, *item.shape_out)
                        patch = patch * self._gather(inside, window)
                    bias = bias + (patch.sum((4, 5)) @ item.bias)
                    flat = patch.flatten(0, 2)
                    flat = F.conv_transpose2d(flat, item.weight, None, stride, groups=groups)
                    patch = flat.reshape(*patch.shape[:3], *flat.shape[1:])
            before = window.before(item)
            for value in item.inputs:
                aligned = _aligned(patch, before, self.windows[value])
                over[value] = over[value] + aligned if value in over else aligned
        images = self.windows[0]
        return self.domain.least(over[0], lambda x: self._gather(x, images), (3, 4, 5)) + bias

    def default_slopes(self) -> dict[int, Tensor]:
        """Return the lower slopes of ``lines`` as ``minimum`` takes them, one per row."""
        rows = 2 * self.net.network.shape_of(self.last)[0]
        return {
            number: low.repeat(1, rows, 1, 1, 1, 1) for number, (low, *_) in self._relus.items()
        }

    @cached_property
    def _relus(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """The lines of each ReLU over its window, by its position."""
        return {
            value - 1: self._windows_of(self.lines[value - 1], window)
            for value, window in self.windows.items()
            if value and isinstance(self.net.ops[value - 1].op, Relu)
        }

    def _windows_of(self, line: ReluLines, window: Window) -> tuple[Tensor, Tensor, Tensor]:
        low, up, up_bias = (
            self._gather(each, window) for each in (line.low, line.up, line.up_bias)
        )
        return low, up, up_bias

    def _gather(self, value: Tensor, window: Window) -> Tensor:
        """Return windows ``(B, 1, P, C, kh, kw)`` of ``value`` ``(B, C, H, W)``, zero outside of
        it."""
        rows, columns = self.net.network.shape_of(self.last)[1:]
        (py, px), (ky, kx), (sy, sx) = window.padding, window.size, window.stride
        below = (rows - 1) * sy + ky - py - value.shape[2]
        right = (columns - 1) * sx + kx - px - value.shape[3]
        padded = F.pad(value, (px, max(right, 0), py, max(below, 0)))
        view = padded.unfold(2, ky, sy).unfold(3, kx, sx)[:, :, :rows, :columns]
        windows = view.permute(0, 2, 3, 1, 4, 5)
        if self.positions is None:
            return windows.flatten(1, 2)[:, None]
        return windows[:, self.positions // columns, self.positions % columns][:, None]


def _seen(net: TensorNetwork, last: int) -> dict[int, Window]:
    """Return what a unit of value ``last`` sees of each value before it; nothing where that is no
    window."""
    if len(net.network.shape_of(last)) != 3:
        return {}
    seen = {last: Window()}
    for position in range(last - 1, -1, -1):
        if position + 1 not in seen:
            continue
        item = net.ops[position]
        if not isinstance(item.op, Conv | Scale | Add | Relu):
            return {}
        window = seen[position + 1].before(item)
        for value in item.inputs:
            known = seen.get(value, window)
            if known.stride != window.stride:
                return {}
            seen[value] = known.joined(window)
    return seen


def _aligned(patch: Tensor, window: Window, target: Window) -> Tensor:
    """Return ``patch`` over ``window``, padded to a window around it."""
    if window == target:
        return patch
    (top, left), (rows, columns) = (
        (target.padding[0] - window.padding[0], target.padding[1] - window.padding[1]),
        (target.size[0] - window.size[0], target.size[1] - window.size[1]),
    )
    return F.pad(patch, (left, columns - left, top, rows - top))


def _along(value: Pair, scale: Pair, shift: Pair) -> Pair:
    return value[0] * scale[0] + shift[0], value[1] * scale[1] + shift[1]


def _larger(one: Pair, other: Pair) -> Pair:
    return max(one[0], other[0]), max(one[1], other[1])
