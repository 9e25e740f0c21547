"""The naive strategy: one binary search per layer, in the order of importance. The baseline.

Under an objective that rewards balance, one search of all layers together comes before.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort

LEAST = 1e-4
"""Bisection ends at this absolute width even for the smallest epsilon."""


def naive(effort: Effort, start: Array, tolerance: float) -> StopReason:
    """Grow layer after layer from ``start``, the heaviest first, as far as it is certified.

    Together, layers grow in proportion to their weights.
    """
    eps, weights = start, effort.weights
    if effort.objective.together:
        eps = _grown(effort, eps, weights / weights.max(), tolerance, "all together")
    for layer in np.argsort(-weights, kind="stable").tolist():
        alone = np.where(np.arange(effort.radii) == layer, 1.0, 0.0)
        eps = _grown(effort, eps, alone, tolerance, effort.name(layer))
    return StopReason.STALLED


def _grown(effort: Effort, eps: Array, along: Array, tolerance: float, note: str) -> Array:
    """Return the largest of ``eps`` and a multiple of ``along``, by bisection."""
    low, high = float(np.min(eps[along > 0.0] / along[along > 0.0])), 1.0
    while high - low > max(tolerance * low, LEAST):
        middle = (low + high) / 2
        reached = np.maximum(eps, middle * along)
        if effort.prove(reached, note).robust:
            eps, low = reached, middle
        else:
            high = middle
    return eps
