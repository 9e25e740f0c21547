"""Counterexample-guided shrinking of a refused neighborhood until one is certified."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.search.effort import Effort

GIVEN_UP = 0.5
"""Share of the value to gain that a refused complete query costs."""
SECANTS, NEARLY = 20, 1.0 + 1e-9
"""Steps towards the point that gives up no more, at most, and how near is near enough."""


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
    half of the value to gain: a layer that barely shrinks would cost a query for every bit of the
    way. No refusal gives up more than half. What cannot be decided blames no layer: all shrink
    alike. What does not add to the value shrinks back at once.

    Ends at ``robust`` when less than the share ``tolerance`` of its value is left to gain, or when
    a complete query with a time slice of ``seconds``, if finite, stays open.
    """

    def gain(radius: Array) -> float:
        return effort.value(radius) - effort.value(robust)

    while gain(eps) > tolerance * effort.value(robust) and gain(eps) > 0.0:
        eps = effort.objective.lean(eps, robust, share=0.0)
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
    """Return ``shrunk``, or the point on the way to it from ``eps`` where ``gain`` is ``least``,
    or little more: as the gain is concave, secants come near that point from above."""
    for _ in range(SECANTS):
        high, low = gain(eps), gain(shrunk)
        if low >= least:
            return shrunk
        if high <= NEARLY * least:
            break
        eps = eps + (high - least) / (high - low) * (shrunk - eps)
    return eps
