"""The gradient strategy: propose by attack, prove once, shrink by CEGIS, and again from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.core.trace import StopReason
from mlspec.search.cegis import shrink_until_certified
from mlspec.search.effort import Effort
from mlspec.search.expand import Ascent, expand

LAMBDA_STARTS = (1.0, 2.0, 4.0, 8.0)
"""Starts of the first proposal, as factors of lambda: how much it concentrates on few layers."""
FIRST_SHARE = 0.3
"""Share of the band between what bounds prove and what an attack breaks that is asked to be proved first."""
LEAST_SHARE = 0.02
BISECTIONS = 10


def gradient(
    effort: Effort, policy: ShrinkPolicy, ascent: Ascent, tolerance: float
) -> StopReason:
    """Grow ``effort.trace.best`` until what is left to prove is below the share ``tolerance``."""
    robust = effort.trace.best.copy()
    certified_start(effort)
    proposals = [
        expand(effort, robust, replace(ascent, lambda_start=factor * ascent.lambda_start))
        for factor in LAMBDA_STARTS
    ]
    proposal = max(proposals, key=effort.size)
    share = FIRST_SHARE
    while share > LEAST_SHARE and effort.size(proposal) > (1.0 + tolerance) * effort.size(robust):
        bounded = farthest_bounded(effort, robust, proposal)
        target = bounded + share * (proposal - bounded)
        reached = shrink_until_certified(effort, target, bounded, policy)
        won = effort.size(reached) - effort.size(bounded)
        won /= max(effort.size(proposal) - effort.size(bounded), np.finfo(np.float64).tiny)
        share = min(1.5 * share, 1.0) if won > 0.99 * share else max(won, share / 4)
        robust = reached
        proposal = expand(effort, robust, ascent)
    return StopReason.STALLED


def certified_start(effort: Effort) -> None:
    """Certify by bounds alone the largest radius along two directions: all layers alike, and the weights."""
    origin = np.zeros(effort.layers)
    for direction in (np.ones(effort.layers), effort.weights / effort.weights.max()):
        farthest_bounded(effort, origin, direction)


def farthest_bounded(effort: Effort, robust: Array, goal: Array) -> Array:
    """Return the farthest radius that bounds alone certify on the way from ``robust`` to ``goal``."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if effort.bound(robust + middle * (goal - robust), "bounds"):
            low = middle
        else:
            high = middle
    return robust + low * (goal - robust)
