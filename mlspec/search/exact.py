"""The exact strategy: a bound from above comes down until a proof from below comes near it.

Another strategy has the first share of the budget: the nearer to the optimum what is certified, the
fewer slices or vertices lie between.

A weighted sum is bounded slice by slice (``slices``): either no radius of some value is robust, or
one is found that no attack breaks, and a radius a little inside is asked to be proved. The next
slice halves what is left between both.

Other objectives are bounded by outer approximation (Tuy 2000): the largest vertex that the cuts so
far leave is attacked, and so are ever smaller radii below it; the witness of the smallest cuts the
vertex off. A vertex near which no attack succeeds is asked to be proved, a little inside.

Meant for few layers, as pieces and vertices multiply with every one; only ``max_min`` has one
vertex however many there are.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from mlspec.core.network import Array
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import StopReason
from mlspec.search.effort import Effort, SpentError
from mlspec.search.looking import unbroken
from mlspec.search.lower import Way, cut_off, falling
from mlspec.search.maximise import Strategy
from mlspec.search.slices import refute_slice

HEAD_START = 0.15
"""Share of the budget that the other strategy has."""
INSIDE = 0.25
"""Share of the gap, or of what is left below a slice, that a proof gives away at first; it may give
away three times as much."""
FINER = 0.1
"""Share of the gap that a proof gains at least."""


def exact(effort: Effort, start: Array, gap: float, climb: Strategy | None = None) -> StopReason:
    """Close the gap between the certified value and the upper bound to the share ``gap`` of it.

    ``start`` is the floor of every layer, ``climb`` the strategy that has a head start from there,
    if any. Ends with STALLED where a radius near the bound is neither proved nor refuted.
    """
    if climb is not None:
        with suppress(SpentError), effort.reserve(1.0 - HEAD_START):
            climb(effort, start)
    if isinstance(effort.objective, WeightedSum):
        return _by_slices(effort, start, gap)
    return _by_vertices(effort, start, gap)


def _by_slices(effort: Effort, start: Array, gap: float) -> StopReason:
    undecided = 0.0
    while True:
        bound, best = effort.trace.objective_bound, effort.value(effort.trace.best)
        if bound <= (1.0 + gap) * best:
            return StopReason.OPTIMAL
        low = max(best, undecided)
        level = max((1.0 + gap) * low, float(np.sqrt(low * bound)))
        if level >= bound:
            return StopReason.STALLED
        found = refute_slice(effort, level)
        if found.refuted:
            continue
        if found.suspect is None:
            undecided = level
            continue
        broken = _prove_inside(effort, start, found.suspect, FINER * gap)
        if effort.value(effort.trace.best) <= best and (found.broken or not broken):
            undecided = level


def _prove_inside(effort: Effort, start: Array, suspect: Array, gain: float) -> bool:
    """Prove a radius inside ``suspect`` that gains the share ``gain`` of the value at least; say
    whether a violation in ``suspect`` was found on the way."""
    top = unbroken(effort, start, suspect, "how far it holds")
    broken = not np.array_equal(top, suspect)
    best, whole = effort.value(effort.trace.best), effort.value(top) - effort.value(start)
    if effort.value(top) <= (1.0 + gain) * best:
        return broken
    for inside in np.arange(INSIDE, 1.0, INSIDE):
        wanted = effort.value(top) - inside * (effort.value(top) - best) - effort.value(start)
        if not 0.0 < wanted < whole:
            break
        verdict = effort.prove(start + wanted / whole * (top - start), "near the bound")
        broken |= verdict.extents is not None
        if verdict.robust:
            break
    return broken


def _by_vertices(effort: Effort, start: Array, gap: float) -> StopReason:
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
