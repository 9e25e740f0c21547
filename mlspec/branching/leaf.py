"""The leaves of a tree as functions of the box that was asked about.

The dual bound of a node depends on the ends of the inputs, ``l <= x <= u``, only through their
reduced costs ``r``:

    cost  >=  constant + sum_p min(r_p l_p, r_p u_p).

So what proves one box proves every other whose ends keep that above the limit, as long as it lies
in the box that the program, its bounds and its cuts were made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlspec.branching.bound import HalfSpace
from mlspec.branching.relaxation import Basis
from mlspec.core.network import Array
from mlspec.rounding import gamma


@dataclass(frozen=True, eq=False)
class Leaf:
    """A node that is proved, or that was left open."""

    fixed: Mapping[int, float]
    """Integers by their place, and their values."""
    bound: HalfSpace
    target: float
    """The node is proved where the bound exceeds this: the limit, or 0 for a ray, which shows that
    there is no point at all."""
    ray: bool = False
    """Whether the bound is that of a ray."""
    basis: Basis | None = None
    """Where a run that shall improve the bound starts from."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """The leaves of a tree, ``L`` in number; together they hold all points."""

    all: Sequence[Leaf]

    def slack(self, lower: Array, upper: Array) -> Array:
        """Return ``(L,)`` by how much each leaf at least exceeds its target where the inputs have
        these ends, both ``(P,)``; it is proved where that is positive."""
        if not self.all:
            return np.zeros(0)
        rising, falling = np.maximum(self.slopes, 0.0), np.minimum(self.slopes, 0.0)
        value = self._constants + rising @ lower + falling @ upper
        sizes = rising @ np.abs(lower) - falling @ np.abs(upper)
        sizes = sizes + np.abs(self._constants) + np.abs(self._targets)
        operations = 2.0 * (2.0 * self.slopes.shape[1] + 4.0)
        return np.asarray(value - self._targets - gamma(operations) * sizes)

    def split(self, lower: Array, upper: Array) -> tuple[Leaves, Leaves, Array]:
        """Return those that are proved where the inputs have these ends, the others, and bounds of
        the cost in each of these."""
        slack = self.slack(lower, upper)
        kept, lost = (
            Leaves([self.all[n] for n in np.flatnonzero(each)])
            for each in (slack > 0.0, ~(slack > 0.0))
        )
        rays = np.array([leaf.ray for leaf in lost.all], dtype=bool)
        bounds = np.array([leaf.target for leaf in lost.all]) + slack[~(slack > 0.0)]
        return kept, lost, np.where(rays, -np.inf, bounds)

    @cached_property
    def slopes(self) -> Array:
        """The slopes ``(L, P)``."""
        return np.array([leaf.bound.slopes for leaf in self.all])

    @cached_property
    def _constants(self) -> Array:
        return np.array([leaf.bound.constant for leaf in self.all])

    @cached_property
    def _targets(self) -> Array:
        return np.array([leaf.target for leaf in self.all])
