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
PROVABLE = 0.9
"""Share of the way to the attack's limit that is asked to be proved first."""
BISECTIONS = 12


def gradient(
    effort: Effort, policy: ShrinkPolicy, ascent: Ascent, tolerance: float
) -> StopReason:
    """Grow ``effort.trace.best`` until no proposal is larger by the share ``tolerance``."""
    certified_start(effort)
    origin = np.zeros(effort.layers)
    proposals = [
        expand(effort, origin, replace(ascent, lambda_start=factor * ascent.lambda_start), policy)
        for factor in LAMBDA_STARTS
    ]
    proposal = max(proposals, key=effort.size)
    robust = origin
    share = PROVABLE
    while effort.size(proposal) > (1.0 + tolerance) * effort.size(robust):
        robust = shrink_until_certified(effort, robust + share * (proposal - robust), robust, policy)
        proposal = expand(effort, robust, ascent, policy)
    return StopReason.STALLED


def certified_start(effort: Effort) -> Array:
    """Certify by bounds alone the largest radius along two directions: all layers alike, and the weights."""
    best = np.zeros(effort.layers)
    for direction in (np.ones(effort.layers), effort.weights / effort.weights.max()):
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if effort.bound(middle * direction, "bounds"):
                low = middle
            else:
                high = middle
        best = max(best, low * direction, key=effort.size)
    return best
