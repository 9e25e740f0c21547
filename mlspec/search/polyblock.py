"""What cuts leave of the radii: an upper bound on the value of every robust neighborhood.

A witness of extents ``a`` rules out every radius ``eps >= a``. What no cut rules out lies below one
of finitely many vertices, whose largest value is the bound of any monotone objective: the polyblock
algorithm of monotonic optimisation (Tuy 2000). Where one radius ``u`` is the least of value 1 no
vertices are needed: a cut leaves ``max a_d / u_d`` over the layers that can stay below it. Those
are the layers whose extent is above their floor, by more than rounding adds.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.objective import Objective
from mlspec.tolerances import BOX_SLACK

MOST_WORK = 2**25
"""Comparisons of numbers that one cut is worth. A cut of many layers that would need more is left
out: the bound holds without it, and cuts of few layers lower it most."""


class Remaining(Protocol):
    """Radii in ``[floor, 1]`` that none of the cuts so far rules out."""

    def add(self, extents: Array) -> None:
        """Take the cut of ``extents`` ``(R,)`` into account."""
        ...

    def largest(self) -> tuple[float, Array]:
        """Return the bound and a radius ``(R,)`` that attains it and no cut rules out.

        Every radius that is left has at most the value of the bound. Where the cuts leave none,
        that is the value of the floor.
        """
        ...


def remaining(objective: Objective, floor: Array) -> Remaining:
    """Return all radii in ``[floor, 1]``, valued by ``objective``; ``floor`` is ``(R,)``."""
    unit = objective.unit
    return Polyblock(objective, floor) if unit is None else Ray(unit, floor)


class Ray:
    """Radii of an objective whose least radius of value ``t`` is ``t * unit``, up to 1."""

    def __init__(self, unit: Array, floor: Array) -> None:
        self._unit = unit
        self._floor = floor
        self._bound = CAP / float(unit.max())

    def add(self, extents: Array) -> None:
        """Lower the bound to where no layer can stay below ``extents`` any more."""
        possible = extents > self._floor + BOX_SLACK
        if not np.any(possible & (self._unit == 0.0)):
            most = extents[possible] / self._unit[possible]
            self._bound = min(self._bound, float(most.max(initial=self._lowest)))

    def largest(self) -> tuple[float, Array]:
        """Return the bound and its least radius."""
        return self._bound, np.maximum(self._floor, self._bound * self._unit)

    @property
    def _lowest(self) -> float:
        """The value of the floor."""
        counts = self._unit > 0.0
        return float((self._floor[counts] / self._unit[counts]).min())


class Polyblock:
    """The vertices below which all that is left lies, for any objective."""

    def __init__(self, objective: Objective, floor: Array) -> None:
        self._objective = objective
        self._floor = floor
        self._vertices = np.full((1, len(floor)), CAP)

    def add(self, extents: Array) -> None:
        """Take the cut of ``extents`` ``(R,)`` into account.

        A vertex that it rules out gives way to those that stay below it in one layer each.
        """
        ruled_out = (self._vertices > extents).all(axis=1)
        old, kept = self._vertices[ruled_out], self._vertices[~ruled_out]
        layers = np.flatnonzero(extents > self._floor + BOX_SLACK)
        count = len(old) * len(layers)
        if count * (len(kept) + count) * len(extents) > MOST_WORK:
            return
        fresh = np.repeat(old, len(layers), axis=0)
        lowered = np.tile(layers, len(old))
        fresh[np.arange(count), lowered] = extents[lowered]
        fresh = np.unique(fresh, axis=0)
        fresh = fresh[~_below(fresh, kept)]
        self._vertices = np.concatenate([kept, fresh[~_below(fresh, fresh)]])

    def largest(self) -> tuple[float, Array]:
        """Return the bound and the vertex ``(R,)`` that attains it."""
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
