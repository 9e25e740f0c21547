"""The verifier as a search sees it: within its budget, with every request on the record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from mlspec.core.events import Event, MinimisingMargin, Proving
from mlspec.core.network import Array
from mlspec.core.protocols import EpsPath, Verifier
from mlspec.core.trace import Ask, Cut, Move, Query, Refutation
from mlspec.core.verdict import CertifiedMargin, Outcome, Proof, Stage, Verdict, WeakestPoints
from mlspec.search.budget import SearchBudget
from mlspec.search.record import SearchRecord


class Ended(Protocol):
    """Notes how an incomplete request ended."""

    def __call__(self, outcome: Outcome, proof: Proof | None = None) -> None:
        """Note the outcome, and what it rests on."""
        ...


class CountingVerifier:
    """Wraps a verifier for one search.

    Before each request the budget is checked (SpentError where it is spent) and the watcher is told
    of the ``event``; afterwards the request is counted and timed, and its cuts are kept.
    """

    def __init__(self, verifier: Verifier, budget: SearchBudget, record: SearchRecord) -> None:
        self._verifier = verifier
        self._budget = budget
        self._record = record

    def prove(
        self,
        eps: Array,
        move: Move,
        grown: tuple[int, ...] = (),
        *,
        seconds: float = np.inf,
        ask: Ask = Ask.COMPLETE,
    ) -> Verdict:
        """Ask a complete query, of at most ``seconds``, whether ``eps`` is robust.

        It may use the reserved time, because a query that is cut short proves nothing.
        """
        self._budget.require_query(self._record.trace.complete_queries)
        self._record.tell(Proving(eps, move, grown))
        verdict = self._verifier.verify(eps, self._budget.deadline.within(seconds))
        self._record.query(
            Query(
                ask,
                verdict.stage,
                verdict.outcome,
                verdict.seconds,
                verdict.complete,
                verdict.basis,
            )
        )
        if verdict.extents is not None and verdict.witness is not None:
            self._record.cut(Cut(verdict.extents, verdict.witness))
        self._record.step(eps, verdict.outcome, move, grown, basis=verdict.basis)
        return verdict

    def bounded(self, eps: Array) -> bool:
        """Say whether bounds alone certify ``eps``; if so, it is a step of the search."""
        self._budget.require_time()
        verdict = self._verifier.bound(eps, self._budget.deadline)
        self._record.query(
            Query(Ask.BOUND, verdict.stage, verdict.outcome, verdict.seconds, False, verdict.basis)
        )
        if verdict.robust:
            self._record.step(eps, verdict.outcome, Move.BOUNDS, basis=verdict.basis)
        return verdict.robust

    def certified(self, eps: Array, event: Event, *, tried: bool = True) -> CertifiedMargin:
        """Return the margin that bounds certify, with its gradient; if it is positive and ``eps``
        was ``tried``, it is a step of the search."""
        with self._timed(event, Ask.BOUND, Stage.CROWN) as ended:
            found = self._verifier.certified(eps, self._budget.deadline)
            ended(Outcome.ROBUST if tried and not found.lost else Outcome.UNKNOWN)
        if tried and not found.lost:
            self._record.step(eps, Outcome.ROBUST, Move.ASCENT, basis=Proof.BOUNDS.value)
        return found

    def weakest(self, eps: Array, event: Event, *, thorough: bool = False) -> WeakestPoints:
        """Return the weakest points that an attack finds in the neighborhood of ``eps``."""
        with self._timed(event, Ask.ATTACK, Stage.ATTACK) as ended:
            points = self._verifier.weakest(eps, self._budget.deadline, thorough=thorough)
            ended(Outcome.VIOLATED if points.violates else Outcome.UNKNOWN)
        if points.violates:
            self._record.cut(Cut(points.extents[0], points.images[0]))
        return points

    def minimisers(self, eps: Array, seconds: float) -> WeakestPoints:
        """Return the images of least margin in ``eps``, as exactly as ``seconds`` allow."""
        with self._timed(MinimisingMargin(eps), Ask.LEVEL, Stage.MILP) as ended:
            points = self._verifier.minimisers(eps, self._budget.unreserved.within(seconds))
            ended(Outcome.VIOLATED if points.violates else Outcome.UNKNOWN)
        if points.violates:
            self._record.cut(Cut(points.extents[0], points.images[0]))
        return points

    def violation(self, eps: Array, event: Event, *, thorough: bool = False) -> Cut | None:
        """Return a cut that rules ``eps`` out, a known one or one that an attack finds; None if
        there is none."""
        known = self._record.trace.known_cut(eps)
        if known is None and self.weakest(eps, event, thorough=thorough).violates:
            known = self._record.trace.cuts[-1]
        return known

    def nearest(self, path: EpsPath, event: Event, seconds: float) -> tuple[float, Cut] | None:
        """Return the least share of ``path`` at which an attack of at most ``seconds`` finds a
        violation, and its cut; None if it finds none."""
        with self._timed(event, Ask.ATTACK, Stage.ATTACK) as ended:
            found = self._verifier.nearest(path, self._budget.unreserved.within(seconds))
            ended(Outcome.UNKNOWN if found is None else Outcome.VIOLATED)
        if found is not None:
            self._record.cut(found[1])
        return found

    def reduced(self, cut: Cut, path: EpsPath) -> Cut:
        """Return the cut of the same witness, clipped to the smallest neighborhood on ``path`` in
        which it still violates."""
        smaller = self._verifier.reduced(cut.witness, path)
        if not np.array_equal(smaller.extents, cut.extents):
            self._record.cut(smaller)
        return smaller

    def refute(self, vertices: Array, event: Event) -> Refutation:
        """Look for a proof that no convex combination of ``vertices`` ``(V, R)`` is robust."""
        with self._timed(event, Ask.REFUTE, Stage.CROWN) as ended:
            refutation = self._verifier.refute(vertices, self._budget.deadline)
            if refutation.throughout:
                ended(Outcome.VIOLATED, Proof.BOUNDS)
            else:
                ended(Outcome.UNKNOWN)
        for cut in refutation.cuts:
            self._record.cut(cut)
        return refutation

    @contextmanager
    def _timed(self, event: Event, ask: Ask, stage: Stage) -> Iterator[Ended]:
        """Let the block make an incomplete request; it calls what it is given with the outcome, and
        with what that rests on where it is not what such answers mostly rest on."""
        self._budget.require_time()
        self._record.tell(event)
        began = time.monotonic()

        def ended(outcome: Outcome, proof: Proof | None = None) -> None:
            seconds = time.monotonic() - began
            basis = proof or _BASIS_OF_INCOMPLETE[outcome]
            self._record.query(Query(ask, stage, outcome, seconds, False, basis.value))

        yield ended


_BASIS_OF_INCOMPLETE: Mapping[Outcome, Proof] = {
    Outcome.ROBUST: Proof.BOUNDS,
    Outcome.VIOLATED: Proof.REPLAY,
    Outcome.UNKNOWN: Proof.NONE,
}
"""What the answers to incomplete requests rest on."""
