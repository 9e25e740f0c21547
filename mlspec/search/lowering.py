"""Lowering the upper bound: violating images of small extent, below the vertex that attains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlspec.core.bisection import Bisection
from mlspec.core.events import LoweringUpperBound
from mlspec.core.network import Array
from mlspec.search.search import Search

Descent = Callable[[float], Array]
"""From a share of a vertex's value to an eps ``(R,)`` below the vertex."""


@dataclass(frozen=True)
class VertexCutting:
    """Cuts off a vertex, which no cut so far rules out, by attacks below it."""

    at_floor: float = 1e-6
    """A layer within this of its floor is set to the floor, so that a descent ends there."""
    precision: float = 0.1
    """The smallest violated eps is found to within this share of the descent to the certified
    value."""

    def descent(self, search: Search, vertex: Array, floor: Array) -> Descent:
        """Return the path down from ``vertex`` on which lowering any one layer costs the same share
        of the value.

        A cut on this path lowers the value of all vertices that replace this one by the same share.
        On other paths one layer reaches its floor before the others, and the bound stays.
        """

        def at(share: float) -> Array:
            eps = search.objective.lowered(vertex, share)
            return np.where(eps > floor + self.at_floor, eps, floor)

        return at

    def cut(self, search: Search, descent: Descent, bound: float, inside: float) -> bool:
        """Look for a violation of small extent on ``descent``; say whether there is any.

        ``bound`` is the value of the vertex; the first eps attacked lies below it by the share
        ``inside``.
        """

        def holds(share: float) -> bool:
            return search.verifier.violation(descent(share), LoweringUpperBound(bound)) is None

        low, high = search.value(search.best) / bound, 1.0 - inside
        if holds(high):
            return False
        Bisection(remaining=self.precision).narrow(holds, low, high)
        return True


@dataclass(frozen=True)
class UpperBoundLowering:
    """Lowers the bound after a strategy, for objectives where one witness lowers it as a whole.

    For other objectives each of many vertices needs a witness: that is left to the exact strategy.
    """

    cutting: VertexCutting
    gap: float = 0.02
    """Ends once the bound is within this share of the certified value."""

    def run(self, search: Search) -> None:
        """Lower the bound until the gap is closed or an attack finds no more violations."""
        if search.objective.unit is None:
            return
        while True:
            bound = search.trace.objective_bound
            if bound <= (1.0 + self.gap) * search.value(search.best):
                return
            vertex = search.record.bound.vertex
            descent = self.cutting.descent(search, vertex, search.trace.floor)
            cut = self.cutting.cut(search, descent, bound, self.gap)
            if not cut or search.trace.objective_bound >= bound:
                return
