"""The naive strategy: one binary search per layer, in the order of importance. The baseline."""

from __future__ import annotations

import numpy as np

from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort

LEAST = 1e-4
"""Bisection ends at this absolute width even for the smallest epsilon."""


def naive(effort: Effort, tolerance: float) -> StopReason:
    """Grow layer after layer, the heaviest first, each as far as the verifier certifies."""
    eps = effort.trace.best.copy()
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
