"""What cuts leave of the radii: an upper bound on the size of every robust neighborhood.

A witness of extents ``a`` rules out every radius ``eps >= a``. What no cut rules out lies below one
of finitely many vertices, whose largest size is the bound: the polyblock algorithm of monotonic
optimisation (Tuy 2000).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array

CAP = 1.0
MOST_WORK = 2**25
"""Comparisons of numbers that one cut is worth. A cut of many layers that would need more is left
out: the bound holds without it, and cuts of few layers lower it most."""


class Polyblock:
    """Radii in ``[floor, 1]`` that none of the cuts so far rules out.

    ``weights`` and ``floor`` are ``(R,)``.
    """

    def __init__(self, weights: Array, floor: Array) -> None:
        self._weights = weights
        self._floor = floor
        self._vertices = np.full((1, len(weights)), CAP)

    def add(self, extents: Array) -> None:
        """Take the cut of ``extents`` ``(R,)`` into account.

        A vertex that it rules out gives way to those that stay below it in one layer each.
        """
        ruled_out = (self._vertices > extents).all(axis=1)
        old, kept = self._vertices[ruled_out], self._vertices[~ruled_out]
        layers = np.flatnonzero(extents > self._floor)
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
        """Return the bound and the vertex ``(R,)`` that attains it.

        Every radius that is left has at most the size of the bound. Where the cuts leave none, that
        is the size of the floor.
        """
        if not len(self._vertices):
            return float(self._weights @ self._floor), self._floor
        sizes = self._vertices @ self._weights
        return float(sizes.max()), self._vertices[int(sizes.argmax())]


def _below(some: Array, others: Array) -> NDArray[np.bool_]:
    """Say which of ``some`` ``(N, R)`` lie below one of ``others`` ``(M, R)`` that differs."""
    holds = np.ones((len(some), len(others)), dtype=bool)
    differs = np.zeros_like(holds)
    for mine, theirs in zip(some.T, others.T, strict=True):
        holds &= mine[:, None] <= theirs
        differs |= mine[:, None] < theirs
    return np.asarray((holds & differs).any(axis=1), dtype=np.bool_)
