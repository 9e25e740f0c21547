"""Why is it not larger? A violating image for every layer, a little beyond its epsilon."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import Block, StopReason, Trace
from mlspec.search.effort import Effort

LEAST = 1e-4
CAP = 1.0


def find_blocks(effort: Effort, tolerance: float) -> StopReason:
    """Note for every layer what blocks it at ``eps + max(tolerance * eps, 1e-4)``."""
    trace = effort.trace
    for layer in range(effort.layers):
        if trace.best[layer] >= CAP:
            trace.blocked[layer] = (Block.CAP, None)
            continue
        beyond = trace.best.copy()
        beyond[layer] = min(beyond[layer] + max(tolerance * beyond[layer], LEAST), CAP)
        cut = effort.broken(beyond, f"asking what blocks layer {layer}", thorough=True)
        if cut is not None:
            trace.blocked[layer] = (Block.WITNESS, cut)
    blocked = len(trace.blocked) == effort.layers
    return StopReason.MAXIMAL if blocked else StopReason.STALLED


def upper_bound(weights: Array, trace: Trace) -> float:
    """Return a bound on ``weights @ eps`` of every robust radius, from each cut on its own.

    A cut keeps some layer below its extent: at best the one that costs least.
    """
    losses = [np.min(weights * (CAP - cut.extents)) for cut in trace.cuts]
    return float(weights.sum() - max(losses, default=0.0))
