"""The exact strategy: lowers the upper bound until the certified value is within the gap of it.

Another strategy has the first share of the budget: the larger the certified value, the fewer
slices or vertices lie between it and the bound.

A weighted sum is bounded slice by slice (``slices``): either no eps of some value is robust, or
an eps is found in whose neighborhood no attack finds a violation; then the verifier is asked to
prove an eps a little below it. The next slice halves (geometrically) what lies between the
certified value and the bound.

Other objectives are bounded by outer approximation (Tuy 2000): the vertex of the largest value that
the cuts leave is attacked, and then smaller and smaller eps below it; the smallest violation found
cuts the vertex off. Where no attack below a vertex succeeds, the verifier is asked to prove an eps
a little below it.

Meant for few layers, as the number of pieces or vertices multiplies with each; only ``max_min`` has
a single vertex whatever their number.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from mlspec.core.events import AttackingBeforeProof
from mlspec.core.network import Array
from mlspec.core.objective import WeightedSum
from mlspec.core.trace import Move, StopReason
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.budget import SpentError
from mlspec.search.lowering import Descent, VertexCutting
from mlspec.search.search import Search, Strategy
from mlspec.search.slices import SliceRefutation


@dataclass(frozen=True)
class ExactStrategy:
    """Closes the gap between the certified value and the upper bound."""

    gap: float = 0.02
    """The search ends once the upper bound exceeds the certified value by no more than this share
    of it."""
    first: Strategy | None = None
    """The strategy that runs first, if any."""
    head_start: float = 0.15
    """Share of the budget that the first strategy has."""
    slices: SliceRefutation = field(default_factory=SliceRefutation)
    cutting: VertexCutting = field(default_factory=VertexCutting)
    bracket: AttackBracket = field(default_factory=AttackBracket)
    inside: float = 0.25
    """The first proof aims below the vertex, or below the slice, by this share of the gap, or of
    the distance to the certified value; the second and third aim two and three times as far
    below."""
    least_gain: float = 0.1
    """A proof is asked for only where it would gain at least this share of the gap."""

    def run(self, search: Search, start: Array) -> StopReason:
        """Return OPTIMAL once the gap is closed; STALLED where an eps near the bound is neither
        proved nor refuted.

        ``start`` ``(R,)`` is the floor of every layer.
        """
        if self.first is not None:
            with suppress(SpentError), search.budget.reserve(1.0 - self.head_start):
                self.first.run(search, start)
        if isinstance(search.objective, WeightedSum):
            return self._by_slices(search, start)
        return self._by_vertices(search, start)

    def _closed(self, search: Search) -> bool:
        return search.trace.objective_bound <= (1.0 + self.gap) * search.value(search.best)

    def _by_slices(self, search: Search, start: Array) -> StopReason:
        undecided = 0.0
        while not self._closed(search):
            bound, best = search.trace.objective_bound, search.value(search.best)
            low = max(best, undecided)
            value = max((1.0 + self.gap) * low, float(np.sqrt(low * bound)))
            if value >= bound:
                return StopReason.STALLED
            found = self.slices.run(search, value)
            if found.refuted:
                continue
            if found.suspect is None:
                undecided = value
                continue
            broken = self._prove_inside(search, start, found.suspect)
            if search.value(search.best) <= best and (found.broken or not broken):
                undecided = value
        return StopReason.OPTIMAL

    def _prove_inside(self, search: Search, start: Array, suspect: Array) -> bool:
        """Try to prove an eps between ``start`` and ``suspect`` of a larger value than the best;
        say whether a violation in ``suspect`` was found on the way."""
        top = self.bracket.unbroken(search, start, suspect)
        broken = not np.array_equal(top, suspect)
        best, whole = search.value(search.best), search.value(top) - search.value(start)
        if search.value(top) <= (1.0 + self.least_gain * self.gap) * best:
            return broken
        for inside in np.arange(self.inside, 1.0, self.inside):
            wanted = search.value(top) - inside * (search.value(top) - best) - search.value(start)
            if not 0.0 < wanted < whole:
                break
            eps = start + wanted / whole * (top - start)
            verdict = search.verifier.prove(eps, Move.NEAR_BOUND)
            broken |= verdict.extents is not None
            if verdict.robust:
                break
        return broken

    def _by_vertices(self, search: Search, start: Array) -> StopReason:
        previous: Array | None = None
        while not self._closed(search):
            bound, vertex = search.trace.objective_bound, search.record.bound.vertex
            if previous is not None and np.array_equal(vertex, previous):
                return StopReason.STALLED
            previous, descent = vertex, self.cutting.descent(search, vertex, start)
            cut = self.cutting.cut(search, descent, bound, self.inside * self.gap)
            if not cut and not self._decided(search, descent):
                return StopReason.STALLED
        return StopReason.OPTIMAL

    def _decided(self, search: Search, descent: Descent) -> bool:
        """Prove or refute an eps within the gap of the vertex; say whether one was decided."""
        for inside in np.arange(self.inside, 1.0, self.inside) * self.gap:
            eps = descent(1.0 - inside)
            event = AttackingBeforeProof(eps)
            if search.verifier.violation(eps, event, thorough=True) is not None:
                return True
            verdict = search.verifier.prove(eps, Move.NEAR_BOUND)
            if verdict.robust or verdict.extents is not None:
                return True
        return False
