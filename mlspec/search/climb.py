"""Climbing: as much of a proposal is proved as can be proved, and then a new one is made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlspec.core.bisection import Bisection
from mlspec.core.network import Array
from mlspec.search.attack_bracket import AttackBracket
from mlspec.search.cegis import Cegis
from mlspec.search.optimizer import Optimizer
from mlspec.search.search import Search
from mlspec.search.segments import farthest
from mlspec.search.slp import SequentialLinearProgramming


@dataclass(frozen=True)
class Band:
    """Which point of a segment to prove, between the value that bounds prove and the value at which
    an attack finds a violation.

    Proofs take longest next to a violation, and the attack knows the nearest violation only
    approximately: the target of a proof lies a minimum distance below the attacked value.
    """

    most_share: float = 0.8
    """Share of the band that the first target takes."""
    least_share: float = 0.02
    """A climb ends once less than this share is likely to be proved."""
    nearest: float = 0.003
    """Least distance from the attacked value, as a share of that value."""
    narrow: float = 1.0 / 3.0
    """Least distance from the attacked value as a share of the band, where that is less."""

    def asked(self, low: float, high: float, share: float, farthest: float) -> float:
        """Return the share of the band that the target of the next proof takes.

        It is ``share``, changed where needed so that the distance from the attacked value ``high``,
        as a share of that value, is at most ``farthest`` and at least ``nearest``. ``low`` is the
        value that bounds prove.
        """
        if high <= low:
            return share
        whole = high / (high - low)
        asked = max(share, 1.0 - farthest * whole)
        return min(asked, 1.0 - min(self.nearest * whole, self.narrow))


@dataclass(frozen=True)
class Climb:
    """Proves proposals by CEGIS, one after the other; only the first where ``seconds`` is
    finite."""

    cegis: Cegis
    optimizer: Optimizer = field(default_factory=Optimizer)
    slp: SequentialLinearProgramming = field(default_factory=SequentialLinearProgramming)
    bracket: AttackBracket = field(default_factory=AttackBracket)
    bisection: Bisection = field(default_factory=lambda: Bisection(steps=10))
    """Of the segment from a certified eps to a proposal, by bounds."""
    band: Band = field(default_factory=Band)
    tolerance: float = 0.02
    """The climb ends where less than this share of the value is left to gain."""
    seconds: float = np.inf
    """Time limit of one complete query."""
    farthest: float = 1.0
    """The target of a proof keeps at most this distance from the attacked value, as a share of that
    value."""
    negligible: float = 0.03
    """Layers that together contribute no more than this share of a proposal's gain stay where they
    are: proofs are easier where fewer layers move."""
    negligible_in_all: float = 0.005
    """So do layers that together contribute no more than this share of the whole gain since the
    start: growth that the attack does not notice may make the proofs of other layers harder."""
    dropped: float = 0.5
    """At most this share of a proposal's gain is given up in that way."""
    proved: float = 0.99
    """Where at least this share of the target is proved, the next target takes ``most_share`` of
    its band."""
    backed_off: float = 0.25
    """Elsewhere it takes the share that was proved, or this factor times the last target's share
    where that is more."""

    def run(self, search: Search, start: Array, robust: Array, proposal: Array) -> None:
        """Prove as much of ``proposal`` as possible, and go on from there with new proposals.

        ``robust`` is certified, and so is ``start``, where the search began; all are ``(R,)``.
        """
        share = self.band.most_share
        proposal = self._worthwhile(search, start, robust, proposal)
        while share > self.band.least_share and self._gains(search, robust, proposal):
            bounded = self.bounded(search, robust, proposal)
            proposal = self.bracket.unbroken(search, bounded, proposal)
            low, high = search.value(bounded), search.value(proposal)
            asked = self.band.asked(low, high, share, self.farthest)
            target = bounded + asked * (proposal - bounded)
            if not self._gains(search, bounded, target):
                break
            robust = self.cegis.run(search, target, bounded, self.tolerance, self.seconds)
            if np.isfinite(self.seconds):
                break
            won = (search.value(robust) - low) / max(high - low, np.finfo(np.float64).tiny)
            if won > self.proved * asked:
                share = self.band.most_share
            else:
                share = max(won, self.backed_off * share)
            proposal = self.propose(search, self.optimizer, robust, floor=robust)
            proposal = self._worthwhile(search, start, robust, proposal)

    def propose(self, search: Search, optimizer: Optimizer, start: Array, floor: Array) -> Array:
        """Return an eps grown from ``start`` until an attack leaves almost no margin; no layer is
        below ``floor``. It is not proved."""
        return self.slp.improve(search, optimizer.expand(search, start), floor)

    def bounded(self, search: Search, robust: Array, goal: Array) -> Array:
        """Return the farthest eps from ``robust`` towards ``goal`` that bounds certify."""
        return farthest(robust, goal, search.verifier.bounded, self.bisection)

    def _gains(self, search: Search, robust: Array, goal: Array) -> bool:
        return search.value(goal) > (1.0 + self.tolerance) * search.value(robust)

    def _worthwhile(self, search: Search, start: Array, robust: Array, proposal: Array) -> Array:
        """Return ``proposal`` with those layers set back to ``robust`` that add next to nothing to
        it, or to all that is gained since ``start``."""
        low, now, high = (search.value(eps) for eps in (start, robust, proposal))
        if high <= now:
            return proposal
        in_all = self.negligible_in_all * (high - low) / (high - now)
        share = max(self.negligible, min(in_all, self.dropped))
        return search.objective.trimmed(proposal, robust, share)
