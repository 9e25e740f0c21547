"""The exact strategy: cuts bound the value from above, until a proof comes near the bound.

Outer approximation (Tuy 2000): the largest vertex that the cuts so far leave is attacked, and so
are ever smaller radii below it; the witness of the smallest cuts the vertex off. A vertex near
which no attack succeeds is asked to be proved, a little inside. Meant for few layers, as the number
of vertices grows with every one; only ``max_min`` has one vertex however many there are.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort
from mlspec.search.lower import Way, cut_off, falling

INSIDE = 0.25
"""Share of the gap that a proof gives away at first; it may give away four times as much."""


def exact(effort: Effort, start: Array, gap: float) -> StopReason:
    """Close the gap between the certified value and the upper bound to the share ``gap`` of it.

    ``start`` is the floor of every layer. Ends with STALLED where a radius near the bound is
    neither proved nor refuted.
    """
    previous: Array | None = None
    while True:
        bound, vertex = effort.remaining()
        if bound <= (1.0 + gap) * effort.value(effort.trace.best):
            return StopReason.OPTIMAL
        if previous is not None and np.array_equal(vertex, previous):
            return StopReason.STALLED
        previous, way = vertex, falling(effort.objective, vertex, start)
        if not cut_off(effort, way, bound, INSIDE * gap) and not _decided(effort, way, gap):
            return StopReason.STALLED


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
