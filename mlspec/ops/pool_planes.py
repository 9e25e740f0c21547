"""Linear relaxation of a max-pool ``y = max_i z_i`` over ``l_i <= z_i <= u_i``:

    sum_i b_i z_i <= y <= t + sum_{u_i > t} (u_i - t) / (u_i - l_i) * (z_i - l_i)

for any weights ``b >= 0`` of sum 1, and any level ``t`` that is at least every ``l_i``. The upper
one holds because ``max_i z_i <= t + sum_i max(0, z_i - t)``, and each summand is bounded by its
chord. With a ReLU fused into the pool the constant 0 is one more candidate: then the weights' sum
is at most 1, and ``t`` at least 0. With one live candidate and the ReLU it is the triangle of a
ReLU; with a dominating candidate it is exact.

The weights ``b`` and levels ``t`` are free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.ops.op import Pair
from mlspec.ops.operation import Relaxation, TensorOp
from mlspec.tolerances import BOUND_ROUNDING


@dataclass(frozen=True)
class PoolPlanes(Relaxation):
    """``low . z - distance <= y <= up . z + up_bias + distance`` over each window.

    ``low`` and ``up`` are ``(B, C, H', W', n)``, ``up_bias`` is ``(B, C, H', W')``; each may have
    an axis ``S`` after ``B``.
    """

    low: Tensor
    up: Tensor
    up_bias: Tensor
    kernel: Pair
    stride: Pair
    distance: Tensor | None = None
    """``(B, C, H', W')``; None for 0."""

    def moved_apart(self, distance: Tensor | None) -> PoolPlanes:
        """Return the planes further apart."""
        if distance is not None and self.distance is not None:
            distance = self.distance + distance
        return self if distance is None else replace(self, distance=distance)

    def backward(self, item: TensorOp, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Take the lower plane where a coefficient is positive, the upper one where it is not."""
        up_bias = _per_row(self.up_bias, rows.dim())
        low, up = (_per_row(each, rows.dim() + 1) for each in (self.low, self.up))
        positive, negative = rows.clamp_min(0.0), rows.clamp_max(0.0)
        inside = positive[..., None] * low + negative[..., None] * up
        if self.distance is None:
            bias = negative * up_bias
        else:
            distance = _per_row(self.distance, rows.dim())
            bias = negative * (up_bias + distance) - positive * distance
        bias = bias.flatten(2).sum(-1)
        return self._folded(inside, (item.shape_in[1], item.shape_in[2])), bias

    def _folded(self, inside: Tensor, size: Pair) -> Tensor:
        """Sum window coefficients ``(B, S, C, H', W', n)`` into rows ``(B, S, C, H, W)``."""
        batch, specs, channels = inside.shape[:3]
        columns = inside.permute(0, 1, 2, 5, 3, 4).reshape(
            batch * specs, channels * inside.shape[5], -1
        )
        folded = F.fold(columns, size, self.kernel, stride=self.stride)
        return folded.reshape(batch, specs, channels, *size)


def windows(value: Tensor, kernel: Pair, stride: Pair) -> Tensor:
    """Return the pooling windows ``(B, C, H', W', n)`` of ``value`` ``(B, C, H, W)``."""
    view = value.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
    return view.flatten(-2)


def first_weights(low: Tensor, up: Tensor, relu: bool) -> Tensor:
    """Return ``b``: all weight on the candidate of highest mid value, none if 0 is likelier to
    win."""
    best = (low + up).argmax(-1, keepdim=True)
    weights = torch.zeros_like(low).scatter(-1, best, 1.0)
    return weights * ((low + up).gather(-1, best) > 0) if relu else weights


def first_levels(up: Tensor) -> Tensor:
    """Return ``t``: the second highest upper end, so that one candidate at most pays above it."""
    if up.shape[-1] == 1:
        return torch.full_like(up[..., 0], -torch.inf)
    return up.topk(2, dim=-1).values[..., -1]


def least_level(low: Tensor, relu: bool) -> Tensor:
    """Return the least valid ``t``."""
    floor = low.amax(-1)
    return floor.clamp_min(0.0) if relu else floor


def planes(
    low: Tensor, up: Tensor, relu: bool, weights: Tensor, levels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return lower coefficients, upper coefficients and upper biases over windows ``low <= z <=
    up`` ``(..., n)``.

    Any ``weights`` (of the windows' shape) and ``levels`` are made valid first.
    """
    floor = least_level(low, relu)
    level = torch.maximum(levels, floor)
    width = (up - low).clamp_min(torch.finfo(low.dtype).tiny)
    slope = (torch.relu(up - level[..., None]) / width).clamp_max(1.0)
    bias = level - (slope * low).sum(-1)

    share = weights.clamp_min(0.0)
    total = share.sum(-1, keepdim=True)
    if relu:
        share = share / total.clamp_min(1.0)
    else:
        share = torch.where(total > 1e-12, share / total, 1.0 / share.shape[-1])
    least = _others(up).clamp_min(0.0) if relu else _others(up)
    wins = (low >= least) & (low >= floor[..., None])
    first = torch.zeros_like(low).scatter(-1, wins.to(low.dtype).argmax(-1, keepdim=True), 1.0)
    return torch.where(wins.any(-1, keepdim=True), first, share), slope, bias


def is_open(low: Tensor, up: Tensor, relu: bool) -> Tensor:
    """Say of which windows ``(..., n)`` the winner may depend on the input, or the sign of it.

    Candidates that tie but for rounding leave nothing open: whichever is taken for the winner.
    """
    floor = least_level(low, relu)[..., None]
    nearly = BOUND_ROUNDING * torch.maximum(low.abs(), up.abs()).amax(-1, keepdim=True)
    contends = up > floor + nearly
    return (contends.sum(-1) > 1) | (contends & (low < floor - nearly)).any(-1)


def _others(up: Tensor) -> Tensor:
    """Return, for each candidate, the highest upper end among the others of its window."""
    if up.shape[-1] == 1:
        return torch.full_like(up, -torch.inf)
    top = up.topk(2, dim=-1)
    first = torch.zeros_like(up, dtype=torch.bool).scatter(-1, top.indices[..., :1], True)
    return torch.where(first, top.values[..., 1:], top.values[..., :1])


def _per_row(line: Tensor, dims: int) -> Tensor:
    return line if line.dim() == dims else line[:, None]
