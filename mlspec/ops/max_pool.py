"""Maximum over windows, with a ReLU fused in where the network has one.

Relaxed as in ``pool_planes``, encoded as in ``pool_hull``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops import pool_planes
from mlspec.ops.affine_map import Affine, Ints
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.op import Array, Op, Pair, Shape, as_feature_map, windows_of
from mlspec.ops.operation import Ends, Free, PiecewiseOperation, TensorOp, magnitude
from mlspec.ops.pool_hull import Candidate, Candidates, encode_windows, live_candidates
from mlspec.ops.pool_planes import PoolPlanes
from mlspec.ops.relu import Relu
from mlspec.rounding import sum_error


@dataclass(frozen=True, eq=False)
class MaxPool(PiecewiseOperation):
    """Maximum over windows without padding.

    With ``relu`` the maximum also runs over the constant 0: a ReLU before (or after) the pool,
    fused.
    """

    kernel: Pair
    stride: Pair
    relu: bool = False

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return ``(C, H', W')`` for an input ``(C, H, W)``."""
        (shape,) = shapes
        channels, height, width = as_feature_map(self, shape)
        if height < self.kernel[0] or width < self.kernel[1]:
            raise NetworkError(f"MaxPool window {self.kernel} is larger than its input {shape}")
        return (
            channels,
            (height - self.kernel[0]) // self.stride[0] + 1,
            (width - self.kernel[1]) // self.stride[1] + 1,
        )

    def forward(self, *values: Array) -> Array:
        """Return the largest value of each window."""
        (value,) = values
        pooled = windows_of(value, self.kernel, self.stride).max(axis=(4, 5))
        return np.maximum(pooled, 0.0) if self.relu else np.asarray(pooled)

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the largest value of each window, or a softmax-weighted mean at the temperature
        ``softness``."""
        (value,) = values
        if softness:
            inside = pool_planes.windows(value, self.kernel, self.stride)
            pooled = (torch.softmax(inside / softness, dim=-1) * inside).sum(-1)
        else:
            pooled = F.max_pool2d(value, self.kernel, self.stride)
        return F.relu(pooled) if self.relu else pooled

    def interval(self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]) -> Ends:
        """Map the ends: no number is computed that was not there."""
        return self.run(item, lower, 0.0), self.run(item, upper, 0.0)

    def backward_error(
        self, item: TensorOp, lower: Sequence[Tensor], upper: Sequence[Tensor]
    ) -> Tensor | None:
        """Return ``gamma`` times the sum of the absolute values in each window.

        With ``m`` their largest, planes are off by ``gamma_n m`` below (their weights do not add up
        to 1), above by 3 roundings of each slope and ``gamma_n`` of the sum that is their bias;
        levels are no larger than ``m``. One input is in several windows, and a bias in a sum over
        all of them.
        """
        inside = self._windows(magnitude(lower[0], upper[0])).sum(-1)
        candidates = math.prod(self.kernel)
        return sum_error(3 * candidates + math.prod(item.shape_out) + 8) * inside

    def float32_error(
        self, item: TensorOp, ends: Sequence[Ends], errors: Sequence[Tensor]
    ) -> Tensor:
        """Return the largest error of what can win a window: nothing is computed."""
        lower, upper, error = (self._windows(each) for each in (*ends[0], errors[0]))
        floor = lower.amax(-1, keepdim=True)
        return torch.where(
            upper >= (floor.clamp_min(0.0) if self.relu else floor), error, 0.0
        ).amax(-1)

    def carried(self, item: TensorOp, lower: Tensor, upper: Tensor, error: Tensor) -> Tensor:
        """Return their sums in each window: coefficients of planes are at most 1."""
        return self._windows(error).sum(-1)

    def start(self, item: TensorOp, lower: Tensor, upper: Tensor) -> Free:
        """Return first weights and levels."""
        low, up = self._windows(lower), self._windows(upper)
        weights = pool_planes.first_weights(low, up, self.relu)
        return weights, pool_planes.first_levels(up)

    def relax(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> PoolPlanes:
        """Return the planes of weights and levels."""
        weights, levels = free
        ends = self._windows(lower), self._windows(upper)
        parts = pool_planes.planes(*ends, self.relu, weights, levels)
        return PoolPlanes(*parts, self.kernel, self.stride)

    def project(self, item: TensorOp, lower: Tensor, upper: Tensor, free: Free) -> None:
        """Keep weights in [0, 1], and levels between their least valid value and the highest
        upper end."""
        weights, levels = free
        weights.clamp_(0.0, 1.0)
        low, up = self._windows(lower), self._windows(upper)
        floor = pool_planes.least_level(low, self.relu)
        levels.copy_(torch.maximum(torch.minimum(levels, up.amax(-1)), floor))

    def open_positions(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say which positions lie in a window, of any channel, whose winner or sign is open."""
        ends = self._windows(lower), self._windows(upper)
        is_open = pool_planes.is_open(*ends, self.relu).to(lower.dtype).flatten(2)
        columns = is_open.repeat_interleave(self.kernel[0] * self.kernel[1], dim=1)
        folded = F.fold(columns, lower.shape[2:], self.kernel, stride=self.stride)
        return (folded.flatten(2) > 0).any(1)

    def needed(self, site: Site) -> Needed:
        """Return the candidates that can win a needed window."""
        units = [u for _, each in self._candidates(site) for u in each if u != Candidate.ZERO]
        before = np.zeros(int(np.prod(site.shape)), dtype=bool)
        before[units] = True
        return before

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Encode the convex hull of each window."""
        (value,) = values
        return encode_windows(build, site, value, self._candidates(site))

    def joined_to_previous(self, previous: Op) -> Op | None:
        """``max(0, .)`` commutes with ``max``; the fused relaxation and encoding are tighter."""
        return replace(self, relu=True) if isinstance(previous, Relu) else None

    def joined_to_next(self, following: Op) -> Op | None:
        """Take in a ReLU."""
        return replace(self, relu=True) if isinstance(following, Relu) else None

    def _windows(self, value: Tensor) -> Tensor:
        """Return the windows of ``(..., C, H, W)``, whatever comes before."""
        shape = value.shape[-3:]
        view = pool_planes.windows(value.reshape(-1, *shape), self.kernel, self.stride)
        return view.reshape(*value.shape[:-3], *view.shape[1:])

    def _candidates(self, site: Site) -> Candidates:
        members = _members(self.kernel, self.stride, site.shape)
        live = live_candidates(members, site.lower, site.upper, self.relu)
        return [(window, units) for window, units in live if site.needed[window]]


@cache
def _members(kernel: Pair, stride: Pair, shape: Shape) -> Ints:
    """Return the units ``(windows, n)`` in each pooling window over a value of ``shape``."""
    units = np.arange(np.prod(shape), dtype=np.float64).reshape(1, *shape)
    return windows_of(units, kernel, stride).reshape(-1, kernel[0] * kernel[1]).astype(np.int64)
