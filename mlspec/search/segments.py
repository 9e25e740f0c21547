"""Straight segments between two eps vectors, and how far along one a condition holds."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.core.bisection import Bisection
from mlspec.core.network import Array
from mlspec.core.protocols import EpsPath


def segment(low: Array, high: Array) -> EpsPath:
    """Return the straight path from ``low`` to ``high``, both ``(R,)``."""
    return lambda shares: low + shares[:, None] * (high - low)


def farthest(
    robust: Array, goal: Array, holds: Callable[[Array], bool], bisection: Bisection
) -> Array:
    """Return the eps nearest to ``goal``, on the segment from ``robust``, at which the condition is
    found to hold.

    It holds at ``robust``; both are ``(R,)``.
    """
    if holds(goal):
        return goal
    share, _ = bisection.narrow(lambda share: holds(robust + share * (goal - robust)), 0.0, 1.0)
    return robust + share * (goal - robust)
