"""The naive strategy: one binary search per layer, in the order of importance. The baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.core.bisection import Bisection
from mlspec.core.network import Array
from mlspec.core.trace import Move, StopReason
from mlspec.search.search import Search


@dataclass(frozen=True)
class NaiveStrategy:
    """Grows layer after layer, that of the largest weight first, by complete queries alone.

    Under an objective that rewards balance, one search of all layers together comes first.
    """

    tolerance: float = 0.02
    """A search ends once an epsilon is known to within this share of itself."""
    least_width: float = 1e-4
    """A search also ends once an epsilon is known to within this, as a pixel intensity."""

    def run(self, search: Search, start: Array) -> StopReason:
        """Grow from ``start``, or from what an earlier search certified where that is more."""
        eps, weights = np.maximum(start, search.resumed), search.weights
        if search.objective.balanced:
            eps = self._grown(search, eps, weights / weights.max(), Move.TOGETHER)
        for r in np.argsort(-weights, kind="stable").tolist():
            alone = np.where(np.arange(search.radii) == r, 1.0, 0.0)
            eps = self._grown(search, eps, alone, Move.GROUP, (r,))
        return StopReason.STALLED

    def _grown(
        self,
        search: Search,
        eps: Array,
        along: Array,
        move: Move,
        grown: tuple[int, ...] = (),
    ) -> Array:
        """Return the largest certified eps that is the larger of ``eps`` and a multiple of
        ``along`` in every entry."""

        def proved(multiple: float) -> bool:
            return search.verifier.prove(np.maximum(eps, multiple * along), move, grown).robust

        moving = along > 0.0
        first = float(np.min(eps[moving] / along[moving]))
        bisection = Bisection(relative=self.tolerance, absolute=self.least_width)
        multiple, _ = bisection.narrow(proved, first, 1.0)
        return eps if multiple == first else np.maximum(eps, multiple * along)
