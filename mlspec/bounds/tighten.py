"""alpha-CROWN on intermediate values: each unit of a feature map gets its own slopes (Xu et al.
2021).

The rows of one map do not share parameters, so a single ascent on the sum of their bounds
optimises all of them. Only positions whose sign or winner is still open are worth the work.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from mlspec.bounds import crown, interval, patches
from mlspec.bounds.adam import Adam
from mlspec.bounds.crown import Intervals
from mlspec.bounds.domain import Boxes
from mlspec.ops.operation import PiecewiseOperation
from mlspec.tensors import TensorNetwork

RATE = 0.3
SLOPES_AT_ONCE = 2_000_000
"""Slopes optimised together: bounds the memory."""
ITERATIONS = 6
"""Most of the gain comes in the first five steps."""


def tightened(net: TensorNetwork, known: Intervals, deadline: float) -> Intervals:
    """Return ``known`` (of one box) with the inputs of relaxed ops tightened where rows stay
    local.

    After ``deadline`` (in ``time.monotonic()`` seconds) what is not yet tightened stays as it is.
    """
    lower, upper = known.lower[:1], known.upper[:1]
    for position, item in enumerate(net.ops):
        if (op := net.piecewise.get(position)) is not None:
            value = item.source
            if value > 1 and patches.applies(net, value):
                current = Intervals(lower, upper)
                lower[value], upper[value] = _optimised(net, op, value, current, deadline)
        after = interval.step(item, lower, upper)
        lower.append(torch.maximum(after[0], known.lower[position + 1]))
        upper.append(torch.minimum(after[1], known.upper[position + 1]))
    return Intervals(lower, upper)


def _optimised(
    net: TensorNetwork, op: PiecewiseOperation, value: int, known: Intervals, deadline: float
) -> tuple[Tensor, Tensor]:
    """Return tighter bounds of ``value``, which ``op`` reads."""
    low, up = known.lower[value], known.upper[value]
    positions = torch.nonzero(op.open_positions(low, up).flatten()).flatten()
    if not len(positions):
        return low, up
    relaxations = crown.default_relaxations(net, known, stop=value)

    def rows(chosen: Tensor) -> patches.LocalRows:
        box = Boxes(known.lower[0], known.upper[0])
        return patches.LocalRows(net, value, relaxations, box, chosen)

    each = sum(start.numel() for free in rows(positions[:1]).first().values() for start in free)
    if not each:
        return low, up
    pieces = torch.split(positions, max(1, SLOPES_AT_ONCE // each))
    channels, shape = low.shape[1], low.shape
    low, up = low.flatten(2).clone(), up.flatten(2).clone()
    for piece in pieces:
        if time.monotonic() > deadline:
            break
        best = _ascend(rows(piece))
        low[..., piece] = torch.maximum(low[..., piece], best[:, :channels])
        up[..., piece] = torch.minimum(up[..., piece], -best[:, channels:])
    return low.reshape(shape), up.reshape(shape)


def _ascend(local: patches.LocalRows) -> Tensor:
    """Return the best minima ``(1, 2 O, P)`` of the rows over a few steps on their slopes."""
    free = local.first()
    leaves = [slope.requires_grad_() for slopes in free.values() for slope in slopes]
    adam = Adam(leaves, RATE)
    best = local.minimum(free).detach()
    for _ in range(ITERATIONS):
        least = local.minimum(free)
        best = torch.maximum(best, least.detach())
        adam.climb(least.sum())
        with torch.no_grad():
            local.project(free)
    return best
