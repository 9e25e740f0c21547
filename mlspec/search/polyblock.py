"""The eps vectors that no cut rules out, and their largest value: an upper bound.

A witness of extents ``a`` rules out every ``eps >= a``. The eps vectors that no cut rules out lie
below finitely many vertices, and the largest value of a vertex bounds any monotone objective: the
polyblock algorithm of monotonic optimisation (Tuy, SIAM J. Optim. 11(2), 2000). Where the objective
has a componentwise least eps ``u`` of value 1, no vertices are needed: a cut bounds the value by
the maximum of ``a_d / u_d`` over the layers that can stay below it, which are those whose extent is
above their floor, by more than rounding adds.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.objective import Objective
from mlspec.tolerances import BOX_SLACK


class Remaining(Protocol):
    """The eps vectors in ``[floor, 1]`` that no cut so far rules out."""

    def add(self, extents: Array) -> None:
        """Take the cut of ``extents`` ``(R,)`` into account."""
        ...

    def largest(self) -> tuple[float, Array]:
        """Return the largest value, which is the bound, and an eps ``(R,)`` of that value.

        Where the cuts leave no eps, those are the floor and its value.
        """
        ...


def remaining(objective: Objective, floor: Array) -> Remaining:
    """Return all eps vectors in ``[floor, 1]``, as no cut is known yet; ``floor`` is ``(R,)``."""
    unit = objective.unit
    return Polyblock(objective, floor) if unit is None else Ray(unit, floor)


class Ray:
    """For an objective whose componentwise least eps of value ``t`` is ``t * unit``."""

    def __init__(self, unit: Array, floor: Array) -> None:
        self._unit = unit
        self._floor = floor
        self._bound = Neighborhood.CAP / float(unit.max())

    def add(self, extents: Array) -> None:
        """Lower the bound to the largest value at which some layer is still below its extent."""
        possible = extents > self._floor + BOX_SLACK
        if not np.any(possible & (self._unit == 0.0)):
            most = extents[possible] / self._unit[possible]
            self._bound = min(self._bound, float(most.max(initial=self._lowest)))

    def largest(self) -> tuple[float, Array]:
        """Return the bound and the least eps of that value."""
        return self._bound, np.maximum(self._floor, self._bound * self._unit)

    @property
    def _lowest(self) -> float:
        """The value of the floor."""
        counts = self._unit > 0.0
        return float((self._floor[counts] / self._unit[counts]).min())


class Polyblock:
    """For any monotone objective: vertices that every eps that no cut rules out lies below."""

    most_work: ClassVar[int] = 2**25
    """Comparisons of numbers that one cut may cost. A cut of many layers that would cost more is
    left out: the bound holds without it, and cuts of few layers lower it most."""

    def __init__(self, objective: Objective, floor: Array) -> None:
        self._objective = objective
        self._floor = floor
        self._vertices = np.full((1, len(floor)), Neighborhood.CAP)

    def add(self, extents: Array) -> None:
        """Take the cut of ``extents`` ``(R,)`` into account.

        Each vertex that it rules out is replaced by one vertex for each layer, lowered to the
        extent in that layer.
        """
        ruled_out = (self._vertices > extents).all(axis=1)
        old, kept = self._vertices[ruled_out], self._vertices[~ruled_out]
        layers = np.flatnonzero(extents > self._floor + BOX_SLACK)
        count = len(old) * len(layers)
        if count * (len(kept) + count) * len(extents) > self.most_work:
            return
        fresh = np.repeat(old, len(layers), axis=0)
        lowered = np.tile(layers, len(old))
        fresh[np.arange(count), lowered] = extents[lowered]
        fresh = np.unique(fresh, axis=0)
        fresh = fresh[~_below(fresh, kept)]
        self._vertices = np.concatenate([kept, fresh[~_below(fresh, fresh)]])

    def largest(self) -> tuple[float, Array]:
        """Return the bound and the vertex ``(R,)`` of that value."""
        if not len(self._vertices):
            return float(self._objective.values(self._floor)), self._floor
        values = self._objective.values(self._vertices)
        return float(values.max()), self._vertices[int(values.argmax())]


def _below(some: Array, others: Array) -> NDArray[np.bool_]:
    """Say which of ``some`` ``(N, R)`` lie below one of ``others`` ``(M, R)`` that differs."""
    holds = np.ones((len(some), len(others)), dtype=bool)
    differs = np.zeros_like(holds)
    for mine, theirs in zip(some.T, others.T, strict=True):
        holds &= mine[:, None] <= theirs
        differs |= mine[:, None] < theirs
    return np.asarray((holds & differs).any(axis=1), dtype=np.bool_)
