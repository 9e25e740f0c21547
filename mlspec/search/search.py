"""What every strategy works with: the objective, the budget, the verifier and the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mlspec.core.network import Array
from mlspec.core.objective import Objective
from mlspec.core.protocols import Verifier, Watcher
from mlspec.core.trace import Cut, Move, StopReason, Trace
from mlspec.core.verdict import Verdict
from mlspec.search.budget import SearchBudget
from mlspec.search.counting_verifier import CountingVerifier
from mlspec.search.record import SearchRecord


class Search:
    """One search: what it maximises, what it may spend, whom it asks, what it found."""

    def __init__(
        self, objective: Objective, verifier: Verifier, budget: SearchBudget, watch: Watcher
    ) -> None:
        self.objective = objective
        self.budget = budget
        self.record = SearchRecord(objective, budget, watch)
        self.verifier = CountingVerifier(verifier, budget, self.record)
        self.resumed = np.zeros(len(objective.weights))
        """The eps ``(R,)`` of an earlier search that this one goes on from; else zeros."""

    @property
    def trace(self) -> Trace:
        """What happened so far."""
        return self.record.trace

    @property
    def best(self) -> Array:
        """The certified eps ``(R,)`` of the largest value so far."""
        return self.trace.best

    @property
    def weights(self) -> Array:
        """What each epsilon is worth, ``(R,)``."""
        return self.objective.weights

    @property
    def radii(self) -> int:
        """``R``: the number of entries of an eps."""
        return len(self.weights)

    def value(self, eps: Array) -> float:
        """Return the value of the objective at ``eps`` ``(R,)``."""
        return float(self.objective.values(eps))

    def resume(self, cuts: Sequence[Cut], eps: Array) -> Verdict | None:
        """Go on from an earlier search: take over its ``cuts`` and prove its ``eps`` again.

        Returns the verdict on ``eps``; None where ``eps`` is 0 and there is nothing to prove.
        Raises SpentError where the budget does not allow the proof.
        """
        for cut in cuts:
            self.record.cut(cut)
        verdict = self.verifier.prove(eps, Move.RESUME) if eps.any() else None
        self.resumed = self.best
        return verdict


class Strategy(Protocol):
    """A way to search for a large certified eps."""

    def run(self, search: Search, start: Array) -> StopReason:
        """Search from the certified eps ``start`` ``(R,)``; what is found is on the record.

        Raises SpentError when the budget is spent.
        """
        ...
