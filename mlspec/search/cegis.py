"""Counterexample-guided shrinking: an eps shrinks until a complete query proves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mlspec.core.events import AttackingBeforeProof
from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy
from mlspec.core.trace import Move
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.search import Search


@dataclass(frozen=True)
class Cegis:
    """Shrinks an eps towards a robust one by a shrink policy.

    An eps that a known witness or a fresh attack violates takes one step of the policy, without a
    complete query. After a violation that only a complete query found, a minimum-norm attack,
    started from that witness, finds how far the segment from the robust eps holds. The policy then
    steps until the eps lies a little below that point: with one step per query, a layer that hardly
    shrinks would cost many queries, and proofs take longest close to a violation. After UNKNOWN all
    layers shrink by the same factor.
    """

    policy: ShrinkPolicy
    bracket: AttackBracket = field(default_factory=AttackBracket)
    given_up: float = 0.5
    """One step gives up at most this share of the gain in value; after an undecided query exactly
    this share is given up."""
    kept: float = 0.8
    """After a violation that a complete query found, the next eps has at most this share of the
    gain at which the attack finds no violation."""
    secants: int = 20
    """Secant steps to the point on a segment that has a given gain, at most."""
    nearly: float = 1e-9
    """Relative precision of that gain."""

    def run(
        self, search: Search, eps: Array, robust: Array, tolerance: float, seconds: float
    ) -> Array:
        """Return a certified eps between ``robust`` (certified) and ``eps``, both ``(R,)``.

        Ends at ``robust`` where less than the share ``tolerance`` of its value is left to gain, or
        where a complete query of at most ``seconds``, if that is finite, stays undecided.
        """

        def gain(eps: Array) -> float:
            return search.value(eps) - search.value(robust)

        while gain(eps) > tolerance * search.value(robust) and gain(eps) > 0.0:
            eps = search.objective.trimmed(eps, robust, share=0.0)
            cut = search.verifier.violation(eps, AttackingBeforeProof(eps), thorough=True)
            if cut is not None:
                least = (1.0 - self.given_up) * gain(eps)
                shrunk = self.policy.shrink(eps, robust, cut.extents)
                eps = self._with_gain(eps, shrunk, gain, least)
                continue
            verdict = search.verifier.prove(eps, Move.CEGIS, seconds=seconds)
            if verdict.robust:
                return eps
            if verdict.extents is None:
                if np.isfinite(seconds):
                    return robust
                eps = robust + (1.0 - self.given_up) * (eps - robust)
                continue
            holds = gain(self.bracket.unbroken(search, robust, eps))
            easier = min(self.kept * holds, holds - tolerance * search.value(robust))
            wanted = max(easier, (1.0 - self.given_up) * holds)
            previous = eps
            while gain(eps) > wanted:
                previous, eps = eps, self.policy.shrink(eps, robust, verdict.extents)
            eps = self._with_gain(previous, eps, gain, wanted)
        return robust

    def _with_gain(
        self, eps: Array, shrunk: Array, gain: Callable[[Array], float], least: float
    ) -> Array:
        """Return ``shrunk``, or the point on the segment to it from ``eps`` where ``gain`` is
        ``least``: as the gain is concave, secants approach that point from above."""
        for _ in range(self.secants):
            high, low = gain(eps), gain(shrunk)
            if low >= least:
                return shrunk
            if high <= (1.0 + self.nearly) * least:
                break
            eps = eps + (high - least) / (high - low) * (shrunk - eps)
        return eps
