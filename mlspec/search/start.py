"""Where every strategy starts: what bounds certify along two rays, before any complete query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlspec.core.bisection import Bisection
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.search.search import Search


@dataclass(frozen=True)
class CertifiedStart:
    """Finds a certified eps with the same epsilon in all layers, and keeps a share of it."""

    floor: float = 0.25
    """Share of the largest certified uniform epsilon that no layer goes below. Under a weighted sum
    alone, layers with a low ratio of weight to sensitivity would end at 0."""
    smallest: float = 1e-6
    """A smaller uniform epsilon is not looked for; the start is then 0."""
    precision: float = 0.02
    """The largest multiple of a ray that bounds certify is found to within this share of it."""

    def run(self, search: Search) -> Array:
        """Return the eps to start from, which is certified, and make it the floor of the search.

        On the way the largest uniform eps, and from the floor on the largest one along the
        weights, are certified as first answers. The floor is never above the eps of an earlier
        search, which so stays feasible.
        """
        ones = np.ones(search.radii)
        uniform = self._largest(lambda eps: search.verifier.bounded(eps * ones)) * ones
        lowest = self.floor * uniform
        if search.resumed.any():
            lowest = np.minimum(lowest, search.resumed)
        search.record.keep_floor(lowest)
        along = search.weights / search.weights.max()
        self._largest(
            lambda step: search.verifier.bounded(
                np.minimum(lowest + step * along, Neighborhood.CAP)
            )
        )
        return lowest

    def _largest(self, holds: Callable[[float], bool]) -> float:
        """Return the largest number up to 1 that holds, to the precision; 0 if none is found.

        The bisection is geometric, so that the precision is the same however small the result is.
        """
        bisection = Bisection(relative=self.precision, geometric=True)
        low, high = bisection.narrow(holds, self.smallest, 1.0)
        if high == 1.0 and holds(1.0):
            return 1.0
        return low if low > self.smallest else 0.0
