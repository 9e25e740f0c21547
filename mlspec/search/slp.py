"""Sequential linear programming: shrinks some layers to grow others.

Near an eps the margin of each weakest point is nearly linear in eps. With the margin ``m_i`` and
the slopes ``s_i`` at ``eps_i``, every step solves, inside a trust region,

    max w . eps'   s.t.   m_i + s_i . (eps' - eps_i) >= slack for the recent points i,   floor <=
    eps' <= 1.

An objective other than a weighted sum is approximated by linear pieces.

A step that leaves no margin is taken back, but its points stay as constraints. If the margins are
those of an attack, which overestimates them, the result is a proposal; if bounds certify them, it
is proved.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from mlspec.core.events import SolvedSlpStep, StartingSlp
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.objective import Objective
from mlspec.core.protocols import MarginSlopes
from mlspec.search.linear_program import largest
from mlspec.search.optimizer import MarginSource
from mlspec.search.search import Search

Bundle = deque[tuple[Array, MarginSlopes]]
"""Eps vectors ``eps_i``, the latest last, with the margins and slopes there."""


@dataclass(frozen=True)
class SequentialLinearProgramming:
    """Linear programs in a trust region around the best eps so far."""

    most_steps: int = 30
    """Linear programs of one run at most."""
    remembered: int = 4
    """Eps vectors whose points constrain the next step."""
    slack: float = 0.5
    """Share of the margin at the start that a step aims to keep: at 0, a step that is exactly as
    predicted leaves no margin."""
    first_trust: float = 0.5
    """First and largest half width of the trust region, as a share of each epsilon, or of the mean
    epsilon where that is more."""
    least_trust: float = 0.05
    """Ends once the trust region is smaller."""
    widened: float = 1.5
    """Factor on the trust region after a step that left a margin."""
    narrowed: float = 0.5
    """Factor on the trust region after a step that was taken back."""
    least_gain: float = 2e-3
    """Ends where a step would gain no more than this share of the value."""
    poor_gain: float = 1e-2
    """Ends after two steps in a row that gain less than this share of the value."""

    def improve(
        self, search: Search, start: Array, floor: Array, source: MarginSource | None = None
    ) -> Array:
        """Return an eps of a larger value than ``start`` with a margin left, or ``start`` itself.

        No layer goes below ``floor`` ``(R,)``. The ``source`` is an attack if None; ``start`` must
        have a margin left.
        """
        source = source or search.verifier.weakest
        kept, trust, poor = start, self.first_trust, 0
        bundle: Bundle = deque(maxlen=self.remembered)
        bundle.append((kept, source(kept, StartingSlp(kept))))
        slack = self.slack * float(bundle[0][1].margins[0])
        for _ in range(self.most_steps):
            if trust < self.least_trust or poor > 1:
                break
            reach = trust * np.maximum(kept, kept.mean())
            lower = np.maximum(kept - reach, np.minimum(floor, kept))
            upper = np.minimum(kept + reach, Neighborhood.CAP)
            proposal = _optimum(search.objective, bundle, slack, lower, upper)
            if proposal is None:
                break
            gain = search.value(proposal) - search.value(kept)
            if gain <= self.least_gain * search.value(kept):
                break
            points = source(proposal, SolvedSlpStep(proposal))
            bundle.append((proposal, points))
            if points.lost:
                trust *= self.narrowed
                continue
            poor = poor + 1 if gain < self.poor_gain * search.value(kept) else 0
            kept, trust = proposal, min(self.widened * trust, self.first_trust)
        return kept


def _optimum(
    objective: Objective, bundle: Bundle, slack: float, lower: Array, upper: Array
) -> Array | None:
    """Return the optimum ``(R,)`` of one linear program between ``lower`` and ``upper``; None where
    it has no answer."""
    slopes = np.concatenate([points.slopes for _, points in bundle])
    rest = np.concatenate([points.margins - slack - points.slopes @ at for at, points in bundle])
    return largest(objective, -slopes, rest, lower, upper)
