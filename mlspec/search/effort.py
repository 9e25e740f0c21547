"""One search's dealings with the verifier: every question is counted, every answer kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.core.objective import Objective, WeightedSum
from mlspec.core.protocols import Budget, Path, Verifier, Watcher
from mlspec.core.trace import Ask, Cut, Query, Refutation, Step, StopReason, Trace
from mlspec.core.verdict import CertifiedMargin, Outcome, Stage, Verdict, WeakestPoints
from mlspec.errors import ContradictionError
from mlspec.search.polyblock import remaining


class SpentError(Exception):
    """The budget is spent; ``reason`` says which part of it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Effort:
    """Asks the verifier within a budget and writes the trace.

    ``trace.best`` is at every moment the certified radius of the largest value, and among those of
    the same value the largest in size: it only ever changes on ROBUST.
    """

    def __init__(
        self,
        objective: Objective,
        verifier: Verifier,
        budget: Budget,
        watch: Watcher,
        names: Sequence[str] = (),
    ) -> None:
        self.objective = objective
        self.trace = Trace(len(objective.weights))
        self._size = WeightedSum(objective.weights)
        self._verifier = verifier
        self._budget = budget
        self._watch = watch
        self._names = names or [f"layer {number}" for number in range(self.radii)]
        self._began = budget.since
        self._reserved = 0.0
        self._refuted = np.inf
        """No radius above the floor of this value or more is robust."""
        self.keep(self.trace.floor)

    @property
    def radii(self) -> int:
        """Number of radii ``R``: entries of an eps."""
        return len(self.weights)

    @property
    def weights(self) -> Array:
        """What each radius is worth, ``(R,)``."""
        return self.objective.weights

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        """Seconds of the budget not spent and not reserved."""
        return self._budget.seconds - self._reserved - self.elapsed

    @property
    def deadline(self) -> Deadline:
        """When the whole budget is spent, also what is reserved."""
        return Deadline(self._began + self._budget.seconds)

    @property
    def share_spent(self) -> float:
        """Share of the budget's seconds that is spent."""
        return self.elapsed / self._budget.seconds

    @contextmanager
    def reserve(self, share: float) -> Iterator[None]:
        """Keep a ``share`` of the budget's seconds back while the block runs."""
        before, self._reserved = self._reserved, share * self._budget.seconds
        try:
            yield
        finally:
            self._reserved = before

    def name(self, *radii: int) -> str:
        """Return how to call one radius, or several."""
        if len(radii) == 1:
            return self._names[radii[0]]
        return f"{len(radii)} epsilons ({self._names[min(radii)]} to {self._names[max(radii)]})"

    def value(self, eps: Array) -> float:
        """Return what the objective says ``eps`` is worth."""
        return float(self.objective.values(eps))

    def said(self, eps: Array) -> str:
        """Return the value of ``eps`` in words."""
        return f"{self.objective.symbol} = {self.value(eps):.4g}"

    def prove(
        self, eps: Array, note: str, seconds: float = np.inf, ask: Ask = Ask.COMPLETE
    ) -> Verdict:
        """Ask for a complete verdict on ``eps``, within ``seconds`` at most.

        A query may run into what is reserved: cut short it would be lost. Raises SpentError when
        the budget is spent.
        """
        self._check(complete=True)
        self._watch(self.trace, f"proving {self.said(eps)} ({note})")
        verdict = self._verifier.verify(eps, self.deadline.within(seconds))
        self._count(ask, verdict.stage, verdict.outcome, verdict.seconds, verdict.complete)
        self._cut(verdict.extents, verdict.witness)
        self._step(eps, verdict.outcome, note)
        return verdict

    def bound(self, eps: Array, note: str) -> bool:
        """Say whether bounds alone certify ``eps``; a success is a step."""
        self._check(complete=False)
        verdict = self._verifier.bound(eps, self.deadline)
        self._count(Ask.BOUND, verdict.stage, verdict.outcome, verdict.seconds, milp=False)
        if verdict.robust:
            self._step(eps, verdict.outcome, note)
        return verdict.robust

    def certified(self, eps: Array, doing: str) -> CertifiedMargin:
        """Return the margin that bounds certify, with its gradient; a success is a step."""
        with self._timed(doing, Ask.BOUND, Stage.CROWN) as answered:
            found = self._verifier.certified(eps, self.deadline)
            answered(Outcome.UNKNOWN if found.lost else Outcome.ROBUST)
        if not found.lost:
            self._step(eps, Outcome.ROBUST, "ascent")
        return found

    def weakest(self, eps: Array, doing: str, *, thorough: bool = False) -> WeakestPoints:
        """Return the weakest points an attack finds in the neighborhood of ``eps``."""
        with self._timed(doing, Ask.ATTACK, Stage.ATTACK) as answered:
            points = self._verifier.weakest(eps, self.deadline, thorough=thorough)
            answered(Outcome.VIOLATED if points.violates else Outcome.UNKNOWN)
        if points.violates:
            self._cut(points.extents[0], points.images[0])
        return points

    def broken(self, eps: Array, doing: str, *, thorough: bool = False) -> Cut | None:
        """Return a cut that rules ``eps`` out, known or found by an attack; None if there is
        none."""
        known = self.known_cut(eps)
        if known is None and self.weakest(eps, doing, thorough=thorough).violates:
            known = self.trace.cuts[-1]
        return known

    def known_cut(self, eps: Array) -> Cut | None:
        """Return a known cut that rules ``eps`` out, if any."""
        return next((cut for cut in reversed(self.trace.cuts) if cut.rules_out(eps)), None)

    def refute(self, radii: Array, doing: str) -> Refutation:
        """Look for a proof that no convex combination of ``radii`` ``(V, R)`` is robust."""
        with self._timed(doing, Ask.REFUTE, Stage.CROWN) as answered:
            refutation = self._verifier.refute(radii, self.deadline)
            answered(Outcome.VIOLATED if refutation.throughout else Outcome.UNKNOWN)
        for cut in refutation.cuts:
            self._note(cut)
        return refutation

    def bound_by(self, value: float) -> None:
        """Take note that no radius of ``value`` or more is robust.

        Raises ContradictionError where one is certified.
        """
        self._refuted = min(self._refuted, value)
        self._require_agreement(self.trace.best)
        self.remaining()

    def nearest(self, path: Path, doing: str, seconds: float) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack of about ``seconds`` at most knows
        a violation, and its cut, which is kept; None if it knows none."""
        with self._timed(doing, Ask.ATTACK, Stage.ATTACK) as answered:
            unreserved = Deadline(self.deadline.at - self._reserved)
            found = self._verifier.nearest(path, unreserved.within(seconds))
            answered(Outcome.UNKNOWN if found is None else Outcome.VIOLATED)
        if found is not None:
            self._note(found[1])
        return found

    def reduce(self, cut: Cut, path: Path) -> Cut:
        """Return, and keep, the cut of a witness moved into a smaller neighborhood on ``path``."""
        smaller = self._verifier.reduced(cut.witness, path)
        if not np.array_equal(smaller.extents, cut.extents):
            self._note(smaller)
        return smaller

    def keep(self, floor: Array) -> None:
        """Let the search, and so its upper bound, be about radii of at least ``floor``."""
        self.trace.floor = floor
        self._refuted = np.inf
        aims = {aim.name: aim for aim in (self._size, self.objective)}
        self._left = {name: remaining(aim, floor) for name, aim in aims.items()}
        for cut in self.trace.cuts:
            self._rule_out(cut)
        self.remaining()

    def remaining(self) -> tuple[float, Array]:
        """Return the upper bound of the value and the radius ``(R,)`` that no cut rules out and
        attains it."""
        self.trace.upper_bound, _ = self._left[self._size.name].largest()
        bound, vertex = self._left[self.objective.name].largest()
        self.trace.objective_bound = min(bound, self._refuted)
        if self.objective.name == self._size.name:
            self.trace.upper_bound = self.trace.objective_bound
        return self.trace.objective_bound, vertex

    def recall(self, cuts: Sequence[Cut], eps: Array) -> str:
        """Begin from an earlier search: take over its cuts, and prove its radius ``eps`` again.

        Returns why that failed; nothing if it did not, or there was nothing to prove.
        """
        for cut in cuts:
            self._note(cut)
        if not eps.any():
            return ""
        try:
            verdict = self.prove(eps, "resumed")
        except SpentError as spent:
            return f"{spent.reason.value} spent"
        if verdict.extents is not None:
            return "an image within it violates"
        return verdict.reason

    def finish(self, reason: StopReason) -> Trace:
        """Close the trace and return it."""
        self.trace.stop = reason
        self.trace.seconds = self.elapsed
        self._watch(self.trace, "done")
        return self.trace

    def _check(self, *, complete: bool) -> None:
        self.trace.seconds = self.elapsed
        if self.seconds_left <= 0.0:
            raise SpentError(StopReason.SECONDS)
        asked = sum(query.ask in (Ask.COMPLETE, Ask.CERTIFICATE) for query in self.trace.queries)
        if complete and self._budget.queries is not None and asked >= self._budget.queries:
            raise SpentError(StopReason.QUERIES)

    @contextmanager
    def _timed(self, doing: str, ask: Ask, stage: Stage) -> Iterator[Callable[[Outcome], None]]:
        """Let the block ask an incomplete stage: it says how that ended."""
        self._check(complete=False)
        self._watch(self.trace, doing)
        began = time.monotonic()
        yield lambda outcome: self._count(ask, stage, outcome, time.monotonic() - began, milp=False)

    def _count(self, ask: Ask, stage: Stage, outcome: Outcome, seconds: float, milp: bool) -> None:
        self.trace.queries.append(Query(ask, stage, outcome, seconds, milp))

    def _cut(self, extents: Array | None, witness: Array | None) -> None:
        if extents is not None and witness is not None:
            self._note(Cut(extents, witness))

    def _note(self, cut: Cut) -> None:
        self.trace.cuts.append(cut)
        self._rule_out(cut)
        self.remaining()

    def _rule_out(self, cut: Cut) -> None:
        for left in self._left.values():
            left.add(cut.extents)

    def _step(self, eps: Array, outcome: Outcome, note: str) -> None:
        eps = np.array(eps, dtype=np.float64)
        self.trace.steps.append(
            Step(eps, float(self._size.values(eps)), outcome, self.elapsed, note)
        )
        if outcome is Outcome.ROBUST:
            self._require_agreement(eps)
        around = bool(np.all(eps >= self.trace.best))
        if outcome is Outcome.ROBUST and (around or self._rank(eps) > self._rank(self.trace.best)):
            if not around:
                self.trace.blocked.clear()
            self.trace.best = eps
            self._watch(self.trace, f"certified {self.said(eps)} ({note})")

    def _require_agreement(self, robust: Array) -> None:
        if self.value(robust) >= self._refuted and np.all(robust >= self.trace.floor):
            error = ContradictionError(
                f"bounds refute all radii of a value of {self._refuted:.6g} or more, but one with "
                f"{self.said(robust)} is certified: one stage is wrong, so nothing is certified; "
                "please report the saved evidence"
            )
            error.evidence = {"eps": robust, "floor": self.trace.floor, "value": self._refuted}
            raise error

    def _rank(self, eps: Array) -> tuple[float, float]:
        """Return by what radii are ordered: the value, then the size."""
        return self.value(eps), float(self._size.values(eps))
