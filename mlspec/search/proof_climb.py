"""Growing by proofs: each certifies a polytope of radii, and the search moves within it.

A proof is opened up to a *ceiling* a little above the best radius. Its leaves are linear
constraints on the radii. The largest value that they certify is a linear program, and takes no
query. The next radius that is asked is the optimum for constraints that give way by a small share:
it loses few leaves, in the direction that pays most, and only these are proved again. Near the
ceiling a new proof is opened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.core.events import OpeningProof
from mlspec.core.neighborhood import Neighborhood
from mlspec.core.network import Array
from mlspec.core.trace import Move
from mlspec.search.linear_program import largest
from mlspec.search.proof import SearchProof
from mlspec.search.search import Search


@dataclass(frozen=True)
class ProofClimb:
    """Grows the best radius by proofs that are extended."""

    growth: float = 0.02
    """How far the ceiling is above the best radius, as a share of each epsilon. The bounds get
    looser with it: on ``pgd_img3`` the proof at 0.97 of the best radius takes one node and 6 s with
    a ceiling at 1.02 of it, and none is found in 60 s with one at 1.05."""
    least_growth: float = 0.005
    """The climb ends where proofs fail even with so low a ceiling."""
    start: float = 0.97
    """Share of the best radius at which a proof is opened: there it takes few nodes, and its
    polytope reaches beyond the best radius all the same."""
    first_share: float = 0.02
    """By which share of their limits constraints give way at first."""
    least_share: float = 1e-3
    """Giving way by less is not worth a query."""
    faster: float = 1.5
    """Factor on that share after a proof; after a refusal its inverse squared."""
    rounds: int = 4
    """Linear programs from one tangent to the next."""
    inside: float = 1e-9
    """Share of their limits by which optima keep away from constraints, for rounding."""
    least_gain: float = 1e-3
    """Share of the value that an extension has to gain."""
    seconds: float = 10.0
    """Time limit of one extension."""
    near: float = 0.9
    """A new proof is opened once so much of the value up to the ceiling's is certified."""

    def run(self, search: Search) -> None:
        """Grow the best radius until neither polytopes nor extensions gain anything.

        Raises SpentError when the budget is spent.
        """
        growth = self.growth
        while growth >= self.least_growth and search.best.any():
            before = search.value(search.best)
            near = self._climb(search, growth)
            if not near or search.value(search.best) <= (1.0 + self.least_gain) * before:
                growth /= 2.0

    def opened(self, search: Search, ceiling: Array, eps: Array) -> SearchProof | None:
        """Open a proof up to ``ceiling`` and prove ``eps``, both ``(R,)``; None where that is not
        proved in time."""
        proof = search.verifier.proof(ceiling, OpeningProof(ceiling))
        if proof is None or proof.certified(eps, Move.POLYTOPE):
            return proof
        verdict = proof.extend(eps, Move.EXTENSION, seconds=self.seconds)
        return proof if verdict.robust else None

    def settle(self, search: Search, proof: SearchProof) -> None:
        """Move to the largest value that ``proof`` certifies."""
        eps = np.minimum(search.best, proof.ceiling)
        for _ in range(self.rounds):
            found = self._optimum(search, proof, eps, -self.inside)
            if search.value(found) <= search.value(eps):
                break
            eps = found
        if search.value(eps) > search.value(search.best):
            proof.certified(eps, Move.POLYTOPE)

    def _climb(self, search: Search, growth: float) -> bool:
        """Climb below one ceiling; return whether that was nearly reached."""
        low = search.value(search.best)
        ceiling = np.minimum((1.0 + growth) * search.best, Neighborhood.CAP)
        proof = self.opened(search, ceiling, self.start * search.best)
        if proof is None:
            return False
        self.settle(search, proof)
        high, share = search.value(proof.ceiling), self.first_share
        while share >= self.least_share:
            best = np.minimum(search.best, proof.ceiling)
            if search.value(best) > low + self.near * (high - low):
                return True
            target = self._optimum(search, proof, best, share)
            if search.value(target) <= (1.0 + self.least_gain) * search.value(best):
                break
            if proof.extend(target, Move.EXTENSION, seconds=self.seconds).robust:
                self.settle(search, proof)
                share *= self.faster
            else:
                share /= self.faster**2
        return False

    def _optimum(self, search: Search, proof: SearchProof, eps: Array, share: float) -> Array:
        """Return the radius of the largest value if the constraints, which are tight at ``eps``,
        give way by a ``share`` of their limits; ``eps`` where there is none."""
        rows, limits = proof.half_spaces(eps)
        lower = np.minimum(search.trace.floor, proof.ceiling)
        found = largest(search.objective, rows, (1.0 + share) * limits, lower, proof.ceiling)
        return eps if found is None else found
