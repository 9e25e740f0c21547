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
from mlspec.search.start import farthest, farthest_bounded
from mlspec.search.trade import trade

LAMBDA_FACTORS = (1.0, 4.0)
"""Starts of the first proposals: how much lambda concentrates them on layers of a good ratio."""
ALONE = 2
"""Further starts: each of the heaviest layers, grown alone first."""
PROMISE = 0.5
"""Where between the proved and the proposed size a proposal is expected to end."""
FIRST_SHARE, LEAST_SHARE = 0.3, 0.02
"""Share of the band between what bounds prove and what an attack breaks that is asked to be
proved."""
FASTER = 1.5


def gradient(
    effort: Effort, start: Array, policy: ShrinkPolicy, ascent: Ascent, tolerance: float
) -> StopReason:
    """Grow from ``start`` (certified) until less than the share ``tolerance`` is left to prove."""
    robust = start
    proposal = _first_proposal(effort, robust, ascent)
    share = FIRST_SHARE
    while share > LEAST_SHARE and effort.size(proposal) > (1.0 + tolerance) * effort.size(robust):
        bounded = farthest_bounded(effort, robust, proposal)
        target = bounded + share * (proposal - bounded)
        robust = shrink_until_certified(effort, target, bounded, policy)
        won = effort.size(robust) - effort.size(bounded)
        won /= max(effort.size(proposal) - effort.size(bounded), np.finfo(np.float64).tiny)
        share = min(FASTER * share, 1.0) if won > 0.99 * share else max(won, share / 4)
        proposal = trade(effort, expand(effort, robust, ascent), floor=robust)
    return StopReason.STALLED


def _first_proposal(effort: Effort, robust: Array, ascent: Ascent) -> Array:
    """Return the most promising of several proposals, from different starts."""
    proposals = [
        expand(effort, robust, replace(ascent, lambda_start=factor * ascent.lambda_start))
        for factor in LAMBDA_FACTORS
    ]
    for layer in np.argsort(-effort.weights, kind="stable")[:ALONE].tolist():
        alone = np.zeros(effort.layers)
        alone[layer] = 1.0 - robust[layer]
        touching = _farthest_unbroken(effort, robust, robust + alone)
        proposals.append(expand(effort, touching, ascent))
    proposals = [trade(effort, proposal, floor=robust) for proposal in proposals]

    def promise(proposal: Array) -> float:
        proved = effort.size(farthest_bounded(effort, robust, proposal))
        return proved + PROMISE * (effort.size(proposal) - proved)

    return max(proposals, key=promise)


def _farthest_unbroken(effort: Effort, robust: Array, goal: Array) -> Array:
    """Return the farthest radius on the way from ``robust`` to ``goal`` that no attack breaks."""
    doing = "how far a layer can go alone"
    return farthest(robust, goal, lambda eps: effort.broken(eps, doing) is None)
