"""alpha-CROWN on intermediate values: each unit of a feature map gets its own slopes (Xu et al.
2021).

The rows of one map do not share parameters, so a single ascent on the sum of their bounds
optimises all of them. Only positions whose sign or winner is still open are worth the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlspec.bounds import interval, patches
from mlspec.bounds.adam import Adam
from mlspec.bounds.analysis import Intervals
from mlspec.bounds.domain import Boxes
from mlspec.bounds.propagation import RelaxedNetwork, default_relaxations
from mlspec.core.deadline import NEVER, Deadline
from mlspec.ops.operation import Ends, PiecewiseOperation
from mlspec.tensors import TensorNetwork


@dataclass(frozen=True)
class Tightening:
    """How slopes of intermediate values are optimised."""

    iterations: int = 6
    """Steps: most of the gain comes in the first five."""
    slopes_at_once: int = 2_000_000
    """Slopes optimised together: bounds the memory."""
    ascent: Adam = Adam(rate=0.3)
    """Of the relaxations' parameters, which lie in [0, 1]."""

    def tightened(
        self, net: TensorNetwork, known: Intervals, deadline: Deadline = NEVER
    ) -> Intervals:
        """Return ``known`` (of one box) with the inputs of relaxed ops tightened where rows stay
        local.

        What is not yet tightened once ``deadline`` has passed stays as it is.
        """
        lower, upper = known.lower[:1], known.upper[:1]
        for position, item in enumerate(net.ops):
            if (op := net.piecewise.get(position)) is not None:
                value = item.source
                if value > 1 and not deadline.passed and patches.applies(net, value):
                    current = Intervals(lower, upper)
                    lower[value], upper[value] = self._optimised(net, op, value, current, deadline)
            after = interval.step(item, lower, upper)
            lower.append(torch.maximum(after[0], known.lower[position + 1]))
            upper.append(torch.minimum(after[1], known.upper[position + 1]))
        return Intervals(lower, upper)

    def _optimised(
        self,
        net: TensorNetwork,
        op: PiecewiseOperation,
        value: int,
        known: Intervals,
        deadline: Deadline,
    ) -> Ends:
        """Return tighter bounds of ``value``, which ``op`` reads."""
        low, up = known.lower[value], known.upper[value]
        positions = torch.nonzero(op.open_positions(low, up).flatten()).flatten()
        if not len(positions):
            return low, up
        box = Boxes(known.lower[0], known.upper[0])
        lines = default_relaxations(net, known, stop=value)
        relaxed = RelaxedNetwork(net, known, lines, box)

        def rows(chosen: Tensor) -> patches.LocalRows:
            return patches.LocalRows(relaxed, value, chosen)

        each = sum(start.numel() for free in rows(positions[:1]).first().values() for start in free)
        if not each:
            return low, up
        parts = torch.split(positions, max(1, self.slopes_at_once // each))
        channels, shape = low.shape[1], low.shape
        low, up = low.flatten(2).clone(), up.flatten(2).clone()
        for part in parts:
            if deadline.passed:
                break
            best = self._ascend(rows(part), deadline)
            low[..., part] = torch.maximum(low[..., part], best[:, :channels])
            up[..., part] = torch.minimum(up[..., part], -best[:, channels:])
        return low.reshape(shape), up.reshape(shape)

    def _ascend(self, local: patches.LocalRows, deadline: Deadline) -> Tensor:
        """Return the best minima ``(1, 2 O, P)`` of the rows over a few steps on their slopes."""
        free = local.first()
        leaves = [slope.requires_grad_() for slopes in free.values() for slope in slopes]
        ascent = self.ascent.on(leaves)
        best = local.minimum(free).detach()
        for _ in range(self.iterations):
            if deadline.passed:
                break
            least = local.minimum(free)
            best = torch.maximum(best, least.detach())
            ascent.climb(least.sum())
            with torch.no_grad():
                local.project(free)
        return best
