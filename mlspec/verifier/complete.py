"""The complete stage: one MILP per subset of rivals that the bounds left open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mlspec.bounds.analysis import Analysis, OpenClaim, Subset
from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Account, Outcome, Stage, Verdict
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, Session, SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.judge import TIME_LIMIT, Judge, unknown

EARLY = 0.5
"""A solver that gave up more seconds than this before the deadline had a limit of its own."""
TRIAL_SHARE = 0.381966
"""The share of each pixel's range at which a model is tried: a place like no other."""
TRIAL_SECONDS = 2.0
"""Time for that trial, beyond any deadline; it takes hundredths."""
REGION_SECONDS = 2.0
"""Time for one linear region."""
TIES, AROUND_SECONDS = 80, 1.5
"""ReLUs and windows around an image that may change their winner, and the time to find how."""


@dataclass(frozen=True, eq=False)
class CompleteStage:
    """Decides what bounds leave open, on one solver."""

    problem: Problem
    compiler: Compiler
    backend: Backend
    seconds: float
    """Time for one query at most; the query's own deadline may be tighter."""

    def decide(
        self,
        box: Box,
        analysis: Analysis,
        near: Sequence[Array],
        deadline: float,
        accounts: list[Account],
    ) -> Verdict:
        """Return the verdict over ``box``; ``deadline`` is in ``time.monotonic()`` seconds.

        The linear regions of the images ``near`` are searched first. What was done is added to
        ``accounts``.
        """
        own = time.monotonic() + self.seconds
        limit = "verifier.milp.seconds" if own < deadline else "budget.seconds"
        deadline = min(deadline, own)
        bounds = analysis.bounds()
        margin = float("inf")
        for item in analysis.claims:
            verdict = self._decide_claim(box, bounds, item, near, deadline, accounts)
            if verdict.reason.startswith(TIME_LIMIT):
                struck = limit if time.monotonic() > deadline - EARLY else "solver.seconds"
                return replace(verdict, reason=f"{verdict.reason} (it was {struck})")
            if verdict.margin is None or not verdict.robust:
                return verdict
            margin = min(margin, verdict.margin)
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True)

    def around(self, box: Box, analysis: Analysis, image: Array, deadline: float) -> Array | None:
        """Return an image ``(C, H, W)`` of ``box`` that violates, replayed, from the linear regions
        around ``image``, which violates in a larger box; None where none is found.

        ``analysis`` bounds the values over ``box``.
        """
        scores = forward.scores(self.problem.network, image[None])
        item = min(analysis.claims, key=lambda one: float(one.claim.margin(scores)[0]))
        claim = item.claim
        nearest = np.argsort(claim.margins(scores)[0], kind="stable")[: claim.k]
        subset = tuple(sorted(nearest.tolist()))
        if subset not in item.subsets or not self.compiler.decision:
            return None
        try:
            model = self.compiler.compile(box, analysis.bounds(), claim, subset)
            session = self.backend.open(model)
        except SolverError:
            return None
        judge = Judge(self.problem, box, item, self.backend.name, decision=True)
        start, guide = box.clip(image), item.hardest(subset)
        found = None
        for ties in (0, TIES):  # what is found in its own region is where the search begins
            left = min(deadline - time.monotonic(), AROUND_SECONDS)
            report = session.near(start, subset, left, guide, ties)
            found = judge.violated(report, subset) or found
        return None if found is None else found.witness

    def _decide_claim(
        self,
        box: Box,
        bounds: Bounds,
        item: OpenClaim,
        near: Sequence[Array],
        deadline: float,
        accounts: list[Account],
    ) -> Verdict:
        if not item.subsets:
            return Verdict(Outcome.ROBUST, Stage.MILP, item.closed, complete=True)
        began = time.monotonic()
        rows = sorted({row for subset in item.subsets for row in subset})
        try:
            model = self.compiler.compile(box, bounds, item.claim, rows)
            session = self.backend.open(model)
        except SolverError as error:
            accounts.append(_account(began, f"no model: {error}"))
            return unknown(str(error))
        accounts.append(_account(began, f"model of {model.binaries} binaries"))
        began = time.monotonic()
        judge = Judge(self.problem, box, item, self.backend.name, self.compiler.decision)
        found = self._in_regions(judge, session, near, deadline)
        said = "no violation" if found is None else found.outcome.value
        accounts.append(_account(began, f"linear regions of weak points ({len(near)}): {said}"))
        if found is not None:
            return found
        proved = self._in_subsets(judge, session, deadline, accounts)
        if isinstance(proved, Verdict):
            return proved
        # Wrong bounds, or a solver's stumble, would leave out images: one of them is tried.
        inside = box.lower + TRIAL_SHARE * (box.upper - box.lower)
        if not session.admits(inside, TRIAL_SECONDS):
            return unknown(
                f"{self.backend.name} did not find a given image of the neighborhood in its model"
            )
        return Verdict(Outcome.ROBUST, Stage.MILP, proved, complete=True)

    def _in_regions(
        self, judge: Judge, session: Session, near: Sequence[Array], deadline: float
    ) -> Verdict | None:
        """Return the verdict if a linear program around one of the images ``near`` violates."""
        item = judge.item
        for image, subset in product(near, item.subsets):
            left = min(deadline - time.monotonic(), REGION_SECONDS)
            if left <= 0.0:
                break
            report = session.near(image, subset, left, item.hardest(subset))
            found = judge.violated(report, subset)
            if found is not None:
                return found
        return None

    def _in_subsets(
        self, judge: Judge, session: Session, deadline: float, accounts: list[Account]
    ) -> Verdict | float:
        """Return a proved lower bound of the claim's margin, or the verdict that ends the query."""
        item, margin = judge.item, judge.item.closed
        for number, subset in enumerate(item.subsets):
            seconds = deadline - time.monotonic()
            if seconds <= 0.0:
                left = len(item.subsets) - number
                return unknown(
                    f"{TIME_LIMIT} with {left} subset(s) of rivals open: {Termination.LIMIT.advice}"
                )
            report = session.solve(subset, seconds, item.hardest(subset))
            proved = self._judged(judge, session, subset, report, deadline)
            end = proved.outcome.value if isinstance(proved, Verdict) else "proved"
            finding = f"rivals {judge.names(subset)}: {end}"
            accounts.append(Account(Stage.MILP, report.seconds, finding))
            if isinstance(proved, Verdict):
                return proved
            margin = min(margin, proved)
        return margin

    def _judged(
        self,
        judge: Judge,
        session: Session,
        subset: Subset,
        report: SolveReport,
        deadline: float,
    ) -> Verdict | float:
        """Return a proved lower bound of the subset's largest margin, or the verdict that ends the
        query."""
        violated = judge.violated(report, subset)
        if violated is not None:
            return violated
        proved = judge.proved(report, subset)
        if proved is not None:
            return proved
        if self.compiler.decision and report.image is not None:
            # The point lies within the tolerance of a tie: a clear violation may lie elsewhere.
            left, beyond = deadline - time.monotonic(), 2 * MILP_MARGIN
            deeper = session.solve(subset, left, judge.item.hardest(subset), beyond)
            clear = judge.violated(deeper, subset, beyond)
            if clear is not None:
                return clear
            if deeper.termination is Termination.LIMIT:
                return judge.undecided(deeper)
        return judge.undecided(report)


def _account(began: float, finding: str) -> Account:
    return Account(Stage.MILP, time.monotonic() - began, finding)
