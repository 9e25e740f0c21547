"""Where every strategy begins: what bounds certify along a ray, before any complete query."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.search.effort import Effort

BISECTIONS = 10
SMALLEST = 1e-6
"""Uniform radii below this are not looked for."""


def certified_start(effort: Effort, floor: float) -> Array:
    """Return the radius a strategy starts from, which is certified.

    It is the share ``floor`` of the largest uniform radius that bounds certify: a sum of weights
    alone would leave layers of a poor ratio at nothing. A resumed result that allows that much is
    the start itself. The uniform radius, and the largest one along the weights, are certified on
    the way as first answers.
    """
    resumed = effort.trace.best.copy()
    nothing, goal = np.zeros(effort.layers), np.ones(effort.layers)
    uniform = farthest_bounded(effort, nothing, goal)
    while not uniform.any() and goal[0] > SMALLEST:
        goal = goal / 2**BISECTIONS
        uniform = farthest_bounded(effort, nothing, goal)
    lowest = floor * uniform
    effort.keep(lowest)
    along_weights = np.minimum(lowest + effort.weights / effort.weights.max(), 1.0)
    farthest_bounded(effort, lowest, along_weights)
    return resumed if resumed.any() and np.all(resumed >= lowest) else lowest


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
