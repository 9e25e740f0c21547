"""Where every strategy begins: what bounds certify along a ray, before any complete query."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.search.effort import Effort

BISECTIONS = 10
LEAST = 1e-6
"""Radii below this are not looked for at the start."""
PRECISION = 1.02
"""At the start what bounds certify is found to within this factor."""


def certified_start(effort: Effort, floor: float) -> Array:
    """Return the radius a strategy starts from, which is certified.

    It is the share ``floor`` of the largest uniform radius that bounds certify: a sum of weights
    alone would leave layers of a poor ratio at nothing. It is no higher than a resumed result,
    which so stays an answer to the question, and the best so far: from there alone a search could
    only grow. The uniform radius, and the largest one along the weights, are certified on the way
    as first answers.
    """
    resumed = effort.trace.best.copy()
    uniform = np.full(
        effort.radii, _largest(lambda eps: effort.bound(np.full(effort.radii, eps), "bounds"))
    )
    lowest = np.minimum(floor * uniform, resumed) if resumed.any() else floor * uniform
    effort.keep(lowest)
    along = effort.weights / effort.weights.max()
    _largest(lambda step: effort.bound(np.minimum(lowest + step * along, 1.0), "bounds"))
    return lowest


def _largest(holds: Callable[[float], bool]) -> float:
    """Return the largest number up to 1 that holds, or 0.

    Bisects geometrically, so that a fragile classifier, which allows next to nothing, gets as much
    of it as one that allows a lot.
    """
    low, high = LEAST, 1.0
    while high > PRECISION * low:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    if high == 1.0 and holds(1.0):
        return 1.0
    return low if low > LEAST else 0.0


def farthest_bounded(effort: Effort, robust: Array, goal: Array) -> Array:
    """Return the farthest radius bounds alone certify on the way from ``robust`` to ``goal``."""
    return farthest(robust, goal, lambda eps: effort.bound(eps, "bounds"))


def farthest(robust: Array, goal: Array, holds: Callable[[Array], bool]) -> Array:
    """Bisect the way from ``robust``, which holds, to ``goal``."""
    if holds(goal):
        return goal
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if holds(robust + middle * (goal - robust)):
            low = middle
        else:
            high = middle
    return robust + low * (goal - robust)
