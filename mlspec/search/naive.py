"""The naive strategy: one binary search per layer, in the order of importance. The baseline."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort

LEAST = 1e-4
"""Bisection ends at this absolute width even for the smallest epsilon."""


def naive(effort: Effort, start: Array, tolerance: float) -> StopReason:
    """Grow layer after layer from ``start``, the heaviest first, as far as it is certified."""
    eps = start.copy()
    for layer in np.argsort(-effort.weights, kind="stable").tolist():
        low, high = float(eps[layer]), 1.0
        while high - low > max(tolerance * low, LEAST):
            eps[layer] = (low + high) / 2
            if effort.prove(eps, f"layer {layer}").robust:
                low = float(eps[layer])
            else:
                high = float(eps[layer])
        eps[layer] = low
    return StopReason.STALLED
