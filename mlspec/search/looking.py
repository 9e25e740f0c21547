"""How far a way holds, in the eyes of an attack that looks for the nearest violation on it."""

from __future__ import annotations

import numpy as np

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.search.effort import Effort
from mlspec.search.maximality import between

BEYOND = 1.1
"""The attack looks as far as radii of this multiple of the goal's value."""
LOOK_SECONDS = 7.0
"""Time of one look, at most."""


def unbroken(effort: Effort, start: Array, goal: Array, doing: str) -> Array:
    """Return how far on the way from ``start`` to ``goal`` no violation is known, both ``(R,)``.

    The attack looks beyond the goal too: from violations there it comes down to nearer ones, where
    attacks on the goal itself find none.
    """
    low, high = effort.value(start), effort.value(goal)
    if high <= low:
        return goal
    whole = (BEYOND * high - low) / (high - low)
    way = between(start, start + whole * (goal - start))

    def path(shares: Array) -> Array:
        return np.minimum(way(shares), CAP)

    found = effort.nearest(path, doing, LOOK_SECONDS)
    return goal if found is None else np.minimum(path(np.array([found[0]]))[0], goal)
