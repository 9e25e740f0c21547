"""Interval bound propagation (Gowal et al. 2018), batched in float64: each op maps boxes to boxes,
widened by what rounding may have cost.

Axes: ``B`` boxes, then the shape of the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mlspec.bounds.analysis import Analysis, Intervals, opened
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.domain import Domain
from mlspec.bounds.lost import lowered_sum
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.property import Claim
from mlspec.core.verdict import Stage
from mlspec.ops.operation import Ends, TensorOp, magnitude
from mlspec.rounding import sum_error
from mlspec.tensors import TensorNetwork


@dataclass(frozen=True)
class Interval:
    """Intervals alone: there is nothing to tune."""

    def on(self, context: BoundsContext) -> IntervalBounder:
        """Return the bounds of one property."""
        return IntervalBounder(context)


@dataclass(frozen=True, eq=False)
class IntervalBounder:
    """Interval bounds of one property."""

    context: BoundsContext
    stage: ClassVar[Stage] = Stage.INTERVAL
    optimises: ClassVar[bool] = False

    def analyse(
        self, box: Box, earlier: Analysis | None = None, deadline: Deadline = NEVER
    ) -> Analysis:
        """Return what intervals say of ``box``; they are always computed to the end."""
        net = self.context.net
        with torch.no_grad():
            known = propagated(net, self.context.boxes(box))
        claims = tuple(opened(claim, margins(net, known, claim)) for claim in self.context.claims)
        return Analysis(known, claims)


def propagated(net: TensorNetwork, domain: Domain) -> Intervals:
    """Return intervals of every value in ``net`` over the images of ``domain``."""
    known = Intervals([domain.lower], [domain.upper])
    for item in net.ops:
        lower, upper = step(item, known.lower, known.upper)
        known.lower.append(lower)
        known.upper.append(upper)
    return known


def step(item: TensorOp, lowers: Sequence[Tensor], uppers: Sequence[Tensor]) -> Ends:
    """Return the bounds of an op's output, given those of every value before it."""
    lower, upper = ([ends[value] for value in item.inputs] for ends in (lowers, uppers))
    return item.op.interval(item, lower, upper)


def margins(net: TensorNetwork, known: Intervals, claim: Claim) -> Array:
    """Return lower bounds ``(R,)`` of the margins of ``claim``, from bounds of the scores over one
    box; minus infinity where they overflow."""
    rows, low, up = net.tensor(claim.rows), known.lower[-1][0], known.upper[-1][0]
    least = rows.clamp_min(0.0) @ low + rows.clamp_max(0.0) @ up
    least = least - sum_error(2 * len(low)) * (rows.abs() @ magnitude(low, up))
    return finite(lowered_sum(least, net.tensor(claim.offsets)).cpu().numpy())


def finite(bounds: Array) -> Array:
    """Return lower bounds, minus infinity where they overflowed: there nothing is known."""
    return np.where(np.isfinite(bounds), bounds, -np.inf)
