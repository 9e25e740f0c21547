"""The record of a search: its trace, with the upper bound and the watcher kept up to date."""

from __future__ import annotations

import numpy as np

from mlspec.core.events import Certified, Event, Finished
from mlspec.core.network import Array
from mlspec.core.objective import Objective, WeightedSum
from mlspec.core.protocols import Watcher
from mlspec.core.trace import Cut, Iteration, Move, Query, Step, StopReason, Trace
from mlspec.core.verdict import Outcome
from mlspec.search.budget import SearchBudget
from mlspec.search.upper_bound import UpperBound


class SearchRecord:
    """Writes the trace of one search.

    ``trace.best`` is at every moment the certified eps of the largest value, and among those of
    the same value the one of the largest size: it only ever changes on ROBUST.
    """

    def __init__(self, objective: Objective, budget: SearchBudget, watch: Watcher) -> None:
        self.trace = Trace(len(objective.weights))
        self._objective = objective
        self._size = WeightedSum(objective.weights)
        self._budget = budget
        self._watch = watch
        self.keep_floor(self.trace.floor)

    def tell(self, event: Event) -> None:
        """Tell the watcher what comes next."""
        self.trace.seconds = self._budget.elapsed
        self._watch(self.trace, event)

    def query(self, query: Query) -> None:
        """Note what was asked of the verifier."""
        self.trace.queries.append(query)

    def iteration(self, iteration: Iteration) -> None:
        """Note what the loop of the proposal tried, and how it came to it."""
        self.trace.iterations.append(iteration)

    def cut(self, cut: Cut) -> None:
        """Note a violating image, which may lower the upper bound."""
        self.trace.cuts.append(cut)
        self.bound.add(cut)
        self._note_bound()

    def step(
        self,
        eps: Array,
        outcome: Outcome,
        move: Move,
        grown: tuple[int, ...] = (),
        *,
        basis: str,
    ) -> None:
        """Note that ``eps`` was tried; ``basis`` says what the outcome rests on.

        Raises ContradictionError where it is certified but refuted.
        """
        eps = np.array(eps, dtype=np.float64)
        size, seconds = float(self._size.values(eps)), self._budget.elapsed
        self.trace.steps.append(Step(eps, size, outcome, seconds, move, grown, basis))
        if outcome is not Outcome.ROBUST:
            return
        self.bound.require_agreement(eps)
        contains_best = bool(np.all(eps >= self.trace.best))
        if contains_best or self._rank(eps) > self._rank(self.trace.best):
            if not contains_best:
                # A layer that was blocked may have shrunk, and what blocked it no longer does.
                self.trace.blocked.clear()
            self.trace.best, self.trace.basis = eps, basis
            self.tell(Certified(eps, move, grown))

    def keep_floor(self, floor: Array) -> None:
        """Confine the search, and so its upper bound, to eps vectors of at least ``floor``."""
        self.trace.floor = floor
        self.bound = UpperBound(self._objective, floor, self.trace.cuts)
        self._note_bound()

    def refuted(self, value: float) -> None:
        """Note that no eps of ``value`` or more is robust.

        Raises ContradictionError where one is certified.
        """
        self.bound.refute(value)
        self.bound.require_agreement(self.trace.best)
        self._note_bound()

    def finish(self, reason: StopReason) -> Trace:
        """Close the trace and return it."""
        self.trace.stop = reason
        self.tell(Finished(reason))
        return self.trace

    def _note_bound(self) -> None:
        self.trace.objective_bound, self.trace.upper_bound = self.bound.value, self.bound.size

    def _rank(self, eps: Array) -> tuple[float, float]:
        """Return what two eps are compared by: the value, then the size."""
        return float(self._objective.values(eps)), float(self._size.values(eps))
