"""The gradient strategy: propose by attack, prove once, shrink by CEGIS, and again from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from mlspec.core.neighborhood import CAP
from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.core.trace import StopReason
from mlspec.search.ascent import ascend
from mlspec.search.cegis import shrink_until_certified
from mlspec.search.effort import Effort
from mlspec.search.expand import Ascent, expand
from mlspec.search.looking import unbroken
from mlspec.search.start import farthest, farthest_bounded
from mlspec.search.trade import trade

LAMBDA_FACTORS = (1.0, 4.0)
"""Starts of the first proposals: how much lambda concentrates them on layers of a good ratio."""
ALONE = 1
"""Further starts: so many of the heaviest layers, each grown alone first."""
PROPOSING = 0.15
"""Share of the budget after which no more proposals are made."""
PROMISE = 0.8
"""Where between the value that bounds prove and its own a proposal is first expected to end."""
MOST_SHARE, LEAST_SHARE = 0.8, 0.02
"""Share of the band between what bounds prove and what an attack breaks that is asked to be proved:
at first, and at least once some was not."""
NEAREST, NARROW = 0.003, 1.0 / 3.0
"""What is asked keeps away from what an attack breaks by this share of its value, or of the band
where that is less: an attack knows the nearest violation no better, and proofs next to one are the
longest."""
FARTHEST = 0.025
"""What is asked first keeps away by this share of its value at most."""
FINER = 0.05
"""The last climbs go on while they gain this share of the tolerance."""
NEGLIGIBLE = 0.03
"""Layers that bring the last share of a proposal's gain stay where they are: proofs get easier."""
TINY, DROPPED = 0.005, 0.5
"""So do those that bring the last share of all that is gained since the start: what looks free to
an attack may cost the others more. Together no more than a share of the proposal's gain is
dropped."""
QUICK_SECONDS = 8.0
"""Time slice of a complete query in the first round."""


def gradient(
    effort: Effort, start: Array, policy: ShrinkPolicy, ascent: Ascent, tolerance: float
) -> StopReason:
    """Grow from ``start`` (certified): quick proofs of several proposals, then longer ones.

    What bounds certify comes first, at no query. How far a proposal can be proved shows only by
    trying, with queries of a short time slice: the most promising one shows what to expect of the
    others. Longer queries go on from the best.
    """
    ascend(effort, start, ascent)
    bands = []
    for proposal in _proposals(effort, start, ascent):
        proved = effort.value(farthest_bounded(effort, start, proposal))
        bands.append((proved, effort.value(proposal), proposal))
    promise = PROMISE
    while bands:
        expected = [low + promise * (high - low) for low, high, _ in bands]
        if max(expected) <= (1.0 + tolerance) * effort.value(effort.trace.best):
            break
        low, high, proposal = bands.pop(int(np.argmax(expected)))
        _climb(effort, start, start, proposal, policy, ascent, tolerance, QUICK_SECONDS)
        if high > low:
            promise = min((effort.value(effort.trace.best) - low) / (high - low), 1.0)
    finer = FINER * tolerance
    while True:
        before = effort.value(effort.trace.best)
        best = effort.objective.lean(effort.trace.best, start, share=0.0)
        proposal = trade(effort, expand(effort, best, ascent), floor=best)
        _climb(effort, start, best, proposal, policy, ascent, finer, np.inf)
        if effort.value(effort.trace.best) <= (1.0 + finer) * before:
            return StopReason.STALLED


def _climb(
    effort: Effort,
    start: Array,
    robust: Array,
    proposal: Array,
    policy: ShrinkPolicy,
    ascent: Ascent,
    tolerance: float,
    seconds: float,
) -> None:
    """Prove as much of ``proposal`` as can be proved, and go on from there with new ones.

    ``robust`` is certified, and so is ``start``, where all began. With a finite time slice of
    ``seconds`` for a complete query there is one, or as many as are refuted.
    """
    share, farthest = MOST_SHARE, FARTHEST if np.isfinite(seconds) else 1.0
    proposal = _worthwhile(effort, start, robust, proposal)
    while share > LEAST_SHARE and effort.value(proposal) > (1.0 + tolerance) * effort.value(robust):
        bounded = farthest_bounded(effort, robust, proposal)
        proposal = unbroken(effort, bounded, proposal, "how far the proposal holds")
        low, high = effort.value(bounded), effort.value(proposal)
        asked = asked_share(low, high, share, farthest)
        target = bounded + asked * (proposal - bounded)
        if effort.value(target) <= (1.0 + tolerance) * low:
            break
        robust = shrink_until_certified(effort, target, bounded, policy, tolerance, seconds)
        won = (effort.value(robust) - low) / max(high - low, np.finfo(np.float64).tiny)
        if np.isfinite(seconds):
            break
        share = MOST_SHARE if won > 0.99 * asked else max(won, share / 4)
        proposal = trade(effort, expand(effort, robust, ascent), floor=robust)
        proposal = _worthwhile(effort, start, robust, proposal)


def asked_share(low: float, high: float, share: float, farthest: float) -> float:
    """Return the share of the band from ``low``, what bounds prove, to ``high``, what an attack
    breaks, that is asked to be proved: ``share``, but no more than the share ``farthest`` of
    ``high`` below that, and no less than ``NEAREST``."""
    if high <= low:
        return share
    whole = high / (high - low)
    return min(max(share, 1.0 - farthest * whole), 1.0 - min(NEAREST * whole, NARROW))


def _worthwhile(effort: Effort, start: Array, robust: Array, proposal: Array) -> Array:
    """Return ``proposal`` without the layers that add next to nothing to ``robust``, or to all that
    is gained since ``start``."""
    low, now, high = (effort.value(radius) for radius in (start, robust, proposal))
    if high <= now:
        return proposal
    share = max(NEGLIGIBLE, min(TINY * (high - low) / (high - now), DROPPED))
    return effort.objective.lean(proposal, robust, share)


def _proposals(effort: Effort, robust: Array, ascent: Ascent) -> Iterator[Array]:
    """Yield radii that touch the attack's boundary, grown from different starts: as many as come in
    their share of the budget, but one; one where the objective leaves no choice."""
    for start, step in _starts(effort, robust, ascent):
        yield trade(effort, expand(effort, start(), step), floor=robust)
        if effort.objective.unit is not None or effort.share_spent > PROPOSING:
            break


def _starts(
    effort: Effort, robust: Array, ascent: Ascent
) -> Iterator[tuple[Callable[[], Array], Ascent]]:
    """Yield where to grow from, and how."""
    for factor in LAMBDA_FACTORS:
        yield lambda: robust, replace(ascent, lambda_start=factor * ascent.lambda_start)
    for layer in np.argsort(-effort.weights, kind="stable")[:ALONE].tolist():
        raised = robust.copy()
        raised[layer] = CAP
        yield partial(_farthest_unbroken, effort, robust, raised), ascent


def _farthest_unbroken(effort: Effort, robust: Array, goal: Array) -> Array:
    """Return the farthest radius on the way from ``robust`` to ``goal`` that no attack breaks."""
    doing = "how far a layer can go alone"
    return farthest(robust, goal, lambda eps: effort.broken(eps, doing) is None)
