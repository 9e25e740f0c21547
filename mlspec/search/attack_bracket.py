"""The attack bracket: how far along a segment a minimum-norm attack finds no violation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.core.events import BracketingPath
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.search.search import Search
from mlspec.search.segments import segment


@dataclass(frozen=True)
class AttackBracket:
    """Bounds from above, by one minimum-norm attack, what can be proved along a segment."""

    beyond: float = 1.1
    """The attack searches up to this multiple of the goal's value: from violations beyond the goal
    it descends to nearer ones, which an attack on the goal itself does not find."""
    seconds: float = 7.0
    """Time limit of one attack."""

    def unbroken(self, search: Search, start: Array, goal: Array) -> Array:
        """Return the eps on the segment from ``start`` to ``goal``, both ``(R,)``, up to which
        no violation is found; ``goal`` if there is none at all."""
        low, high = search.value(start), search.value(goal)
        if high <= low:
            return goal
        whole = (self.beyond * high - low) / (high - low)
        line = segment(start, start + whole * (goal - start))

        def path(shares: Array) -> Array:
            return np.minimum(line(shares), Neighborhood.CAP)

        found = search.verifier.nearest(path, BracketingPath(goal), self.seconds)
        return goal if found is None else np.minimum(path(np.array([found[0]]))[0], goal)
