"""Counterexample-guided shrinking of a refused neighborhood until one is certified."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.search.effort import Effort

GIVEN_UP = 0.5
"""Share of the size to gain that a refused complete query costs."""


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
    they refuse takes a step of ``policy``, what the complete verifier refuses as many as give up
    half of the size to gain: a layer that barely shrinks would cost a query for every bit of the
    way. No refusal gives up more than half. What cannot be decided blames no layer: all shrink
    alike.

    Ends at ``robust`` when less than the share ``tolerance`` of its size is left to gain, or when a
    complete query with a time slice of ``seconds``, if finite, stays open.
    """

    def gain(radius: Array) -> float:
        return effort.size(radius) - effort.size(robust)

    while gain(eps) > tolerance * effort.size(robust) and gain(eps) > 0.0:
        cut = effort.broken(eps, "attacking before the proof", thorough=True)
        most = (1.0 - GIVEN_UP) * gain(eps)
        if cut is not None:
            eps = _no_further(eps, policy.shrink(eps, robust, cut.extents), gain, most)
            continue
        verdict = effort.prove(eps, "CEGIS", seconds)
        if verdict.robust:
            return eps
        if verdict.extents is None:
            if np.isfinite(seconds):
                return robust
            eps = robust + (1.0 - GIVEN_UP) * (eps - robust)
            continue
        previous = eps
        while gain(eps) > most:
            previous, eps = eps, policy.shrink(eps, robust, verdict.extents)
        eps = _no_further(previous, eps, gain, most)
    return robust


def _no_further(eps: Array, shrunk: Array, gain: Callable[[Array], float], least: float) -> Array:
    """Return ``shrunk``, or the point on the way to it from ``eps`` where ``gain`` is ``least``."""
    high, low = gain(eps), gain(shrunk)
    if low >= least:
        return shrunk
    return eps + (high - least) / (high - low) * (shrunk - eps)
