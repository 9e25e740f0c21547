"""Counterexample-guided shrinking of a refused neighborhood until one is certified."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.search.effort import Effort
from mlspec.search.looking import unbroken

GIVEN_UP = 0.5
"""Share of the value to gain that a step costs at most; and what stays undecided costs it."""
KEPT = 0.8
"""Share of the value to gain, up to where a violation is known after a complete query was refused,
that is asked for next at most."""
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
    they refuse takes a step of ``policy``, but gives up no more than half of the value to gain.
    From the witness of a refused complete query an attack comes down to nearer ones, and ``policy``
    takes as many steps as lead to a little less than theirs, if possible by ``tolerance``: a layer
    that barely shrinks would cost a query for every bit of the way, and proofs next to a violation
    are the longest. What cannot be decided blames no layer: all shrink alike. What does not add to
    the value shrinks back at once.

    Ends at ``robust`` when less than the share ``tolerance`` of its value is left to gain, or when
    a complete query with a time slice of ``seconds``, if finite, stays open.
    """

    def gain(radius: Array) -> float:
        return effort.value(radius) - effort.value(robust)

    while gain(eps) > tolerance * effort.value(robust) and gain(eps) > 0.0:
        eps = effort.objective.lean(eps, robust, share=0.0)
        cut = effort.broken(eps, "attacking before the proof", thorough=True)
        if cut is not None:
            least = (1.0 - GIVEN_UP) * gain(eps)
            eps = _no_further(eps, policy.shrink(eps, robust, cut.extents), gain, least)
            continue
        verdict = effort.prove(eps, "CEGIS", seconds)
        if verdict.robust:
            return eps
        if verdict.extents is None:
            if np.isfinite(seconds):
                return robust
            eps = robust + (1.0 - GIVEN_UP) * (eps - robust)
            continue
        holds = gain(unbroken(effort, robust, eps, "how far what was refused holds"))
        easier = min(KEPT * holds, holds - tolerance * effort.value(robust))
        wanted = max(easier, (1.0 - GIVEN_UP) * holds)
        previous = eps
        while gain(eps) > wanted:
            previous, eps = eps, policy.shrink(eps, robust, verdict.extents)
        eps = _no_further(previous, eps, gain, wanted)
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
