"""Interval bound propagation (Gowal et al. 2018), batched in float64: each op maps boxes to boxes.

Axes: ``B`` boxes, then the shape of the value.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mlspec.ops.operation import Ends, TensorOp


def step(item: TensorOp, lowers: Sequence[Tensor], uppers: Sequence[Tensor]) -> Ends:
    """Return the bounds of an op's output, given those of every value before it."""
    lower, upper = ([ends[value] for value in item.inputs] for ends in (lowers, uppers))
    return item.op.interval(item, lower, upper)
