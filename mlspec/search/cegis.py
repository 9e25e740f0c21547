"""Counterexample-guided shrinking of a refused neighborhood until one is certified."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.search.effort import Effort

GIVEN_UP = 0.5
"""Share of the size to gain that a refused complete query costs at least."""


def shrink_until_certified(
    effort: Effort,
    eps: Array,
    robust: Array,
    policy: ShrinkPolicy,
    tolerance: float,
    seconds: float,
) -> Array:
    """Return a certified radius between ``robust`` (certified) and ``eps``.

    Known witnesses and fresh attacks refuse a radius before a complete query is spent on it. What
    the complete verifier refuses by a witness shrinks by ``policy`` until half of the size to gain
    is given up: a layer that barely shrinks would cost a query for every bit of the way. What it
    cannot decide shrinks by half, as no layer is to blame. Ends at ``robust`` when less than the
    share ``tolerance`` of its size is left to gain, or when a complete query with a time slice of
    ``seconds``, if finite, stays open.
    """

    def gain(radius: Array) -> float:
        return effort.size(radius) - effort.size(robust)

    while gain(eps) > tolerance * effort.size(robust) and gain(eps) > 0.0:
        cut = effort.broken(eps, "attacking before the proof", thorough=True)
        if cut is not None:
            eps = policy.shrink(eps, robust, cut.extents)
            continue
        verdict = effort.prove(eps, "CEGIS", seconds)
        if verdict.robust:
            return eps
        if verdict.extents is None:
            if np.isfinite(seconds):
                return robust
            eps = robust + (1.0 - GIVEN_UP) * (eps - robust)
            continue
        most = (1.0 - GIVEN_UP) * gain(eps)
        while gain(eps) > most:
            eps = policy.shrink(eps, robust, verdict.extents)
    return robust
