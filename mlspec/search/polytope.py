"""The polytope that a proof certifies: what a proof is worth beyond the radius that was asked.

Every leaf of a proof is a linear constraint on the radii (``verifier.proof``), whether the proof
was finished or not; where all of them hold, a radius is certified. The largest value among those is
a linear program, and takes no query. So a query that time cut short is not lost: it certifies what
its leaves reach.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.core.events import OpeningProof
from mlspec.core.network import Array
from mlspec.core.trace import Move
from mlspec.core.verdict import Verdict
from mlspec.search.linear_program import largest
from mlspec.search.proof import SearchProof
from mlspec.search.search import Search


@dataclass(frozen=True)
class ProofPolytope:
    """Asks for a proof of a radius, and moves to the best radius that its leaves certify."""

    rounds: int = 4
    """Linear programs from one tangent to the next: where [0, 1] stops pixels, constraints are not
    quite linear."""
    inside: float = 1e-9
    """Share of their limits by which optima keep away from constraints, for rounding."""

    def ask(self, search: Search, eps: Array, move: Move, seconds: float) -> Verdict:
        """Ask for so many seconds whether ``eps`` ``(R,)`` is robust; one complete query. Unless it
        is, the search moves to the largest value that is certified by then, if that is a gain."""
        proof = search.verifier.proof(eps, OpeningProof(eps))
        if proof is None:
            return search.verifier.prove(eps, move, seconds=seconds)
        verdict = proof.extend(eps, move, seconds=seconds)
        if not verdict.robust:
            self._settle(search, proof)
        return verdict

    def _settle(self, search: Search, proof: SearchProof) -> None:
        """Move to the largest value that ``proof`` certifies."""
        found = proof.ceiling
        lower = search.trace.floor.clip(max=proof.ceiling)
        for _ in range(self.rounds):
            rows, limits = proof.half_spaces(found)
            inside = (1.0 - self.inside) * limits
            optimum = largest(search.objective, rows, inside, lower, proof.ceiling)
            if optimum is None or search.value(optimum) <= search.value(search.best):
                return
            proof.certified(optimum, Move.POLYTOPE)
            if abs(search.value(optimum) - search.value(found)) <= self.inside * search.value(
                found
            ):
                return
            found = optimum
