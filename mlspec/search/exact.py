"""The exact strategy: cuts bound the size from above, until a proof comes near the bound.

Outer approximation (Tuy 2000): the largest vertex that the cuts so far leave is attacked, and so
are ever smaller radii below it; the witness of the smallest cuts the vertex off. A vertex near
which no attack succeeds is asked to be proved, a little inside. Meant for few layers: the number of
vertices grows with every one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort

INSIDE = 0.25
"""Share of the gap that a proof gives away at first; it may give away four times as much."""
LEAST = 1e-6
"""A layer this near its floor is at it: otherwise it would come nearer for ever."""
NEARER = 0.1
"""A witness is small enough when only this share of the way to the certified size could be won."""

Way = Callable[[float], Array]
"""Share of the vertex's size to a radius."""


def exact(effort: Effort, start: Array, gap: float) -> StopReason:
    """Close the gap between the certified size and the upper bound to the share ``gap`` of it.

    ``start`` is the floor of every layer. Ends with STALLED where a radius near the bound is
    neither proved nor refuted.
    """
    previous: Array | None = None
    while True:
        bound, vertex = effort.remaining()
        if bound <= (1.0 + gap) * effort.size(effort.trace.best):
            return StopReason.OPTIMAL
        if previous is not None and np.array_equal(vertex, previous):
            return StopReason.STALLED
        previous, way = vertex, _falling(effort.weights, vertex, start)
        if not _cut_off(effort, way, bound, INSIDE * gap) and not _decided(effort, way, gap):
            return StopReason.STALLED


def _falling(weights: Array, vertex: Array, floor: Array) -> Way:
    """Return the way down from ``vertex`` on which all layers lose the same share of the size.

    A cut on it lowers all its new vertices alike; other ways jam, as one layer comes to its end.
    """
    loss = weights @ vertex / np.maximum(weights, np.finfo(np.float64).tiny)

    def way(share: float) -> Array:
        radius = vertex - (1.0 - share) * loss
        return np.where(radius > floor + LEAST, radius, floor)

    return way


def _cut_off(effort: Effort, way: Way, bound: float, inside: float) -> bool:
    """Look for a small witness on ``way``; say if there is one ``inside`` the vertex."""

    def breaks(share: float) -> bool:
        return effort.broken(way(share), f"lowering the bound {bound:.4g}") is not None

    low, high = effort.size(effort.trace.best) / bound, 1.0 - inside
    if not breaks(high):
        return False
    enough = NEARER * (high - low)
    while high - low > enough:
        middle = (low + high) / 2
        low, high = (low, middle) if breaks(middle) else (middle, high)
    return True


def _decided(effort: Effort, way: Way, gap: float) -> bool:
    """Prove or refute a radius within ``gap`` of the vertex; say if one was decided."""
    for inside in np.arange(INSIDE, 1.0, INSIDE) * gap:
        candidate = way(1.0 - inside)
        if effort.broken(candidate, "attacking before the proof", thorough=True) is not None:
            return True
        verdict = effort.prove(candidate, "near the bound")
        if verdict.robust or verdict.extents is not None:
            return True
    return False
