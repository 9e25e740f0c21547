"""The gradient strategy: propose by attack, prove once, shrink by CEGIS, and again from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mlspec.core.events import BracketingLayer
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.trace import StopReason
from mlspec.search.climb import Climb
from mlspec.search.optimizer import Optimizer
from mlspec.search.search import Search, Strategy
from mlspec.search.segments import farthest


@dataclass(frozen=True)
class GradientStrategy:
    """Moves all layers at once; asks a complete query only where an attack finds no violation.

    What bounds certify comes first, without a complete query. Then several proposals are made. How
    much of a proposal can be proved is known only after a trial, by queries with a short time
    limit. The most promising proposal is tried first, and its result says what to expect of the
    others. From the best eps so far the search goes on with longer queries.
    """

    climb: Climb
    ascent: Strategy
    """What comes first: it takes no complete query."""
    quick_seconds: float = 8.0
    """Time limit of a complete query while proposals are compared."""
    farthest: float = 0.025
    """While proposals are compared, the target of a proof keeps at most this distance from the
    attacked value, as a share of that value."""
    lambda_factors: tuple[float, ...] = (1.0, 4.0)
    """Each makes one proposal, with the optimizer's first lambda times the factor: a larger one
    favours layers with a high ratio of weight to sensitivity."""
    grown_alone: int = 1
    """Further proposals: for so many of the layers of the largest weight, one that first grows that
    layer alone."""
    proposing: float = 0.15
    """Share of the budget after which no more proposals are made."""
    promise: float = 0.8
    """The first proposal is expected to end at this share of the way from the value that bounds
    prove to its own value."""
    finer: float = 0.05
    """The longer climbs go on while they gain this share of the tolerance."""

    def run(self, search: Search, start: Array) -> StopReason:
        """Grow from ``start``; ends with STALLED once nothing more is gained."""
        self.ascent.run(search, start)
        self._compare_proposals(search, start)
        finer = self.finer * self.climb.tolerance
        thorough = replace(self.climb, tolerance=finer)
        while True:
            before = search.value(search.best)
            best = search.objective.trimmed(search.best, start, share=0.0)
            proposal = thorough.propose(search, thorough.optimizer, best, floor=best)
            thorough.run(search, start, best, proposal)
            if search.value(search.best) <= (1.0 + finer) * before:
                return StopReason.STALLED

    def _compare_proposals(self, search: Search, start: Array) -> None:
        """Try to prove proposals quickly, the most promising first, while one promises a gain."""
        quick = replace(self.climb, seconds=self.quick_seconds, farthest=self.farthest)
        bands = []
        for proposal in self._proposals(search, start):
            proved = search.value(quick.bounded(search, start, proposal))
            bands.append((proved, search.value(proposal), proposal))
        promise = self.promise
        while bands:
            expected = [low + promise * (high - low) for low, high, _ in bands]
            if max(expected) <= (1.0 + quick.tolerance) * search.value(search.best):
                break
            low, high, proposal = bands.pop(int(np.argmax(expected)))
            quick.run(search, start, start, proposal)
            if high > low:
                promise = min((search.value(search.best) - low) / (high - low), 1.0)

    def _proposals(self, search: Search, robust: Array) -> Iterator[Array]:
        """Yield proposals at which the attack leaves almost no margin, grown from different starts.

        There is at least one; there are no more once their share of the budget is spent, or where
        the objective allows one direction of growth only.
        """
        for start, optimizer in self._starts(search, robust):
            yield self.climb.propose(search, optimizer, start(), floor=robust)
            if search.objective.unit is not None or search.budget.share_spent > self.proposing:
                break

    def _starts(
        self, search: Search, robust: Array
    ) -> Iterator[tuple[Callable[[], Array], Optimizer]]:
        """Yield from where to grow (to be computed when it is needed), and how."""
        optimizer = self.climb.optimizer
        for factor in self.lambda_factors:
            yield lambda: robust, replace(optimizer, lambda_start=factor * optimizer.lambda_start)
        for r in np.argsort(-search.weights, kind="stable")[: self.grown_alone].tolist():
            yield partial(self._grown_alone, search, robust, r), optimizer

    def _grown_alone(self, search: Search, robust: Array, r: int) -> Array:
        """Return ``robust`` with the entry ``r`` grown as far as no attack finds a
        violation."""
        raised = robust.copy()
        raised[r] = Neighborhood.CAP

        def unbroken(eps: Array) -> bool:
            return search.verifier.violation(eps, BracketingLayer(r)) is None

        return farthest(robust, raised, unbroken, self.climb.bisection)
