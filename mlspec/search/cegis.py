"""Counterexample-guided shrinking of a refused neighborhood until one is certified."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.search.effort import Effort

CLOSE = 0.05
"""Within this fraction of the way, shrinking has arrived at the robust end."""


def shrink_until_certified(
    effort: Effort, eps: Array, robust: Array, policy: ShrinkPolicy
) -> Array:
    """Return a certified radius between ``robust`` (certified) and ``eps``.

    Known witnesses and fresh attacks refuse a radius before a complete query is spent on it. After
    each refusal by the complete verifier the policy is applied twice as often: layers that barely
    shrink would cost a query for every bit of the way. An UNKNOWN has no counterexample to guide
    the shrinking: it halves the way.
    """
    times = 1
    goal = eps
    while np.any(eps - robust > CLOSE * (goal - robust)):
        cut = effort.broken(eps, "attacking before the proof", thorough=True)
        if cut is not None:
            eps = policy.shrink(eps, robust, cut.extents)
            continue
        verdict = effort.prove(eps, "CEGIS")
        if verdict.robust:
            return eps
        if verdict.extents is None:
            eps = (eps + robust) / 2
            continue
        for _ in range(times):
            eps = policy.shrink(eps, robust, verdict.extents)
        times *= 2
    return robust
