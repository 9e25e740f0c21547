"""Lowering the upper bound: small witnesses on the way down from the vertex that attains it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.objective import Objective
from mlspec.search.effort import Effort

LEAST = 1e-6
"""A layer this near its floor is at it: otherwise it would come nearer for ever."""
NEARER = 0.1
"""A witness is small enough when only this share of the way to the certified value could be won."""

Way = Callable[[float], Array]
"""Share of the vertex's value to a radius."""


def lower(effort: Effort, gap: float) -> None:
    """Bring the bound near the certified value, if the objective is one that a single witness
    bounds; for others that is what the exact strategy does, vertex by vertex."""
    if effort.objective.unit is None:
        return
    while True:
        bound, vertex = effort.remaining()
        if bound <= (1.0 + gap) * effort.value(effort.trace.best):
            return
        way = falling(effort.objective, vertex, effort.trace.floor)
        if not cut_off(effort, way, bound, gap) or effort.remaining()[0] >= bound:
            return


def falling(objective: Objective, vertex: Array, floor: Array) -> Way:
    """Return the way down from ``vertex`` on which all layers cost the same share of the value.

    A cut on it lowers all its new vertices alike; other ways jam, as one layer comes to its end.
    """

    def way(share: float) -> Array:
        radius = objective.falling(vertex, share)
        return np.where(radius > floor + LEAST, radius, floor)

    return way


def cut_off(effort: Effort, way: Way, bound: float, inside: float) -> bool:
    """Look for a small witness on ``way``; say if there is one at all.

    ``bound`` is the value of the vertex; the first radius lies below it by the share ``inside``.
    """

    def breaks(share: float) -> bool:
        return effort.broken(way(share), f"lowering the bound {bound:.4g}") is not None

    low, high = effort.value(effort.trace.best) / bound, 1.0 - inside
    if not breaks(high):
        return False
    enough = NEARER * (high - low)
    while high - low > enough:
        middle = (low + high) / 2
        low, high = (low, middle) if breaks(middle) else (middle, high)
    return True
