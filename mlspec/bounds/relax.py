"""Linear relaxations of the two non-linear ops over an interval ``[l, u]`` of their inputs.

ReLU ``y = max(0, z)`` (Zhang et al. 2018, CROWN): for ``l < 0 < u``

    a z <= y <= u (z - l) / (u - l),   any a in [0, 1].

Max-pool ``y = max_i z_i``, with the constant 0 as one more candidate if a ReLU is fused into it:

    sum_i b_i z_i <= y <= t + sum_{u_i > t} (u_i - t) / (u_i - l_i) * (z_i - l_i)

for any weights ``b >= 0`` of sum 1 (at most 1 with the ReLU), and any level ``t`` that is at least
every ``l_i`` (and 0 with the ReLU). The upper one holds because ``max_i z_i <= t + sum_i max(0, z_i
- t)``, and each summand is bounded by its chord. With one live candidate and the ReLU it is the
triangle above; with a dominating candidate it is exact.

The slopes ``a``, weights ``b`` and levels ``t`` are free: ``alpha`` optimises them, here are good
first choices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.core.network import MaxPool, Relu
from mlspec.tensors import windows


@dataclass(frozen=True)
class ReluLines:
    """``low z <= y <= up z + up_bias``; each tensor is ``(B, ...)`` of the op's shape."""

    low: Tensor
    up: Tensor
    up_bias: Tensor


@dataclass(frozen=True)
class PoolPlanes:
    """``low . z <= y <= up . z + up_bias`` over each window.

    ``low`` and ``up`` are ``(B, C, H', W', n)``, ``up_bias`` is ``(B, C, H', W')``.
    """

    low: Tensor
    up: Tensor
    up_bias: Tensor


def relu_slopes(lower: Tensor, upper: Tensor) -> Tensor:
    """Return the lower slope of least area: 1 where the upper end is farther from 0 than the
    lower."""
    return (upper > -lower).to(lower.dtype)


def relu_lines(lower: Tensor, upper: Tensor, slopes: Tensor) -> ReluLines:
    """Relax ``max(0, z)``; ``slopes`` count where the sign of ``z`` is open."""
    active, dead = lower >= 0, upper <= 0
    width = (upper - lower).clamp_min(torch.finfo(lower.dtype).tiny)
    chord = torch.where(active, 1.0, torch.where(dead, 0.0, upper / width))
    low = torch.where(active, 1.0, torch.where(dead, 0.0, slopes.clamp(0.0, 1.0)))
    bias = torch.where(active | dead, 0.0, -chord * lower)
    return ReluLines(low, chord, bias)


def pool_weights(low: Tensor, up: Tensor, relu: bool) -> Tensor:
    """Return ``b``: all weight on the candidate of highest mid value, none if 0 is likelier to
    win."""
    best = (low + up).argmax(-1, keepdim=True)
    weights = torch.zeros_like(low).scatter(-1, best, 1.0)
    return weights * ((low + up).gather(-1, best) > 0) if relu else weights


def pool_levels(up: Tensor) -> Tensor:
    """Return ``t``: the second highest upper end, so that one candidate at most pays above it."""
    if up.shape[-1] == 1:
        return torch.full_like(up[..., 0], -torch.inf)
    return up.topk(2, dim=-1).values[..., -1]


def pool_planes(low: Tensor, up: Tensor, relu: bool, weights: Tensor, levels: Tensor) -> PoolPlanes:
    """Relax a max-pool over windows ``low <= z <= up`` ``(..., n)``.

    Any ``weights`` (of the windows' shape) and ``levels`` are made valid first.
    """
    floor = low.amax(-1)
    floor = floor.clamp_min(0.0) if relu else floor
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
    return PoolPlanes(torch.where(wins.any(-1, keepdim=True), first, share), slope, bias)


def open_positions(op: Relu | MaxPool, low: Tensor, up: Tensor) -> Tensor:
    """Say ``(B, H W)`` at which positions of a relaxed op's input ``(B, C, H, W)`` some sign or
    winner is open: elsewhere the op is linear, and its relaxation exact."""
    if isinstance(op, Relu):
        is_open = ((low < 0) & (up > 0)).flatten(2)
    else:
        lows, ups = (windows(end, op.kernel, op.stride) for end in (low, up))
        is_open = _is_open(lows, ups, op.relu).to(low.dtype).flatten(2)
        columns = is_open.repeat_interleave(op.kernel[0] * op.kernel[1], dim=1)
        is_open = F.fold(columns, low.shape[2:], op.kernel, stride=op.stride).flatten(2) > 0
    return is_open.any(1)


def _is_open(low: Tensor, up: Tensor, relu: bool) -> Tensor:
    """Say of which windows ``(..., n)`` the winner may depend on the input, or the sign of it."""
    floor = low.amax(-1, keepdim=True)
    floor = floor.clamp_min(0.0) if relu else floor
    contends = up > floor
    return (contends.sum(-1) > 1) | (contends & (low < floor)).any(-1)


def _others(up: Tensor) -> Tensor:
    """Return, for each candidate, the highest upper end among the others of its window."""
    if up.shape[-1] == 1:
        return torch.full_like(up, -torch.inf)
    top = up.topk(2, dim=-1)
    first = torch.zeros_like(up, dtype=torch.bool).scatter(-1, top.indices[..., :1], True)
    return torch.where(first, top.values[..., 1:], top.values[..., :1])
