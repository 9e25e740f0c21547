"""The complete stage: one MILP per subset of margins that the bounds left open.

The solver that the spec names is asked first. An image that it finds is replayed. That there is
none is only its claim: ROBUST needs a proof of branch and cut, by dual bounds in float64
(``branching``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.deadline import Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Account, Outcome, Proof, Stage, Verdict
from mlspec.errors import SolverError
from mlspec.milp.model import ProvingSession, Session, SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN, ROBUST_MARGIN
from mlspec.verifier.claim_models import ClaimModels, ClaimSessions
from mlspec.verifier.minimum import MinimumSearch
from mlspec.verifier.subset_query import TIME_LIMIT, SubsetQuery, unknown
from mlspec.verifier.trial import ModelTrial


@dataclass(frozen=True, eq=False)
class CompleteStage:
    """Decides what bounds leave open."""

    problem: Problem
    models: ClaimModels
    """Of the solver that is asked and of the prover."""
    seconds: float
    """Time for one query at most; the query's own deadline may be tighter."""
    minimum: MinimumSearch = field(default_factory=MinimumSearch)
    """How the least margin is enclosed where the objective is the margin."""
    region_seconds: float = 2.0
    """Time for the linear program of one linear region; it takes hundredths of that."""
    ties: int = 80
    """ReLUs and windows around an image that may change their winner in a local search."""
    around_seconds: float = 1.5
    """Time for one local search around an image."""
    early: float = 0.5
    """A solver that gives up more seconds than this before the deadline had a limit of its own."""
    model_operations: float = 2e5
    """Operations that a model takes for each binary, where work is counted."""
    trial: ModelTrial = field(default_factory=ModelTrial)
    """What a model has to contain before its proofs count."""
    warm_starts: dict[int, object] = field(default_factory=dict)
    """What the next query on the claim of a target label starts from."""

    def decide(
        self,
        box: Box,
        analysis: Analysis,
        near: Sequence[Array],
        deadline: Deadline,
        accounts: list[Account],
    ) -> Verdict:
        """Return the verdict over ``box``.

        The linear regions of the images ``near`` are searched first. What was done is added to
        ``accounts``.
        """
        own = deadline.within(self.seconds)
        limit = "verifier.milp.seconds" if own.at < deadline.at else deadline.clock.limit
        bounds = analysis.bounds()
        margin, proof = float("inf"), Proof.BOUNDS
        for item in analysis.claims:
            verdict = self._decide_claim(box, bounds, item, near, own, accounts)
            if verdict.reason.startswith(TIME_LIMIT):
                struck = limit if own.left < self.early else "solver.seconds"
                return replace(verdict, reason=f"{verdict.reason} (it was {struck})")
            if verdict.margin is None or not verdict.robust:
                return verdict
            margin = min(margin, verdict.margin)
            proof = verdict.proof if verdict.proof is Proof.DUAL_BOUNDS else proof
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, proof=proof, complete=True)

    def around(
        self, box: Box, analysis: Analysis, image: Array, deadline: Deadline
    ) -> Array | None:
        """Return an image ``(C, H, W)`` of ``box`` that violates, replayed, from the linear regions
        around ``image``, which violates in a larger box; None where none is found.

        ``analysis`` bounds the values over ``box``.
        """
        scores = forward.scores(self.problem.network, image[None])
        item = min(analysis.claims, key=lambda one: float(one.claim.margin(scores)[0]))
        nearest = np.argsort(item.claim.margins(scores)[0], kind="stable")[: item.claim.k]
        subset = tuple(sorted(nearest.tolist()))
        if subset not in item.subsets:
            return None
        try:
            session = self.models.proving(box, analysis.bounds(), item, subset)
        except SolverError:
            return None
        deadline.spend(self.model_operations * session.binaries)
        query = SubsetQuery(self.problem, box, item, subset)
        start, found = box.clip(image), None
        for ties in (0, self.ties):  # the point of its own region is where the local search begins
            end = deadline.within(self.around_seconds)
            report = session.near(start, subset, end, query.guide, ties)
            found = query.violated(report) or found
        return None if found is None else found.witness

    def _decide_claim(
        self,
        box: Box,
        bounds: Bounds,
        item: OpenClaim,
        near: Sequence[Array],
        deadline: Deadline,
        accounts: list[Account],
    ) -> Verdict:
        if not item.subsets:
            return Verdict(
                Outcome.ROBUST, Stage.MILP, item.closed, proof=Proof.BOUNDS, complete=True
            )
        began = time.monotonic()
        rows = sorted({row for subset in item.subsets for row in subset})
        try:
            sessions = self.models.opened(box, bounds, item, rows)
        except SolverError as error:
            accounts.append(_account(began, f"no model: {error}"))
            return unknown(str(error))
        proving = sessions.proving
        deadline.spend(self.model_operations * proving.binaries)
        accounts.append(_account(began, f"model of {proving.binaries} binaries"))
        proving.start_from(self.warm_starts.get(item.claim.target))
        try:
            return self._decide_open(box, item, sessions, near, deadline, accounts)
        finally:
            self.warm_starts[item.claim.target] = proving.warm_starts()

    def _decide_open(
        self,
        box: Box,
        item: OpenClaim,
        sessions: ClaimSessions,
        near: Sequence[Array],
        deadline: Deadline,
        accounts: list[Account],
    ) -> Verdict:
        """Decide the subsets that are open, one after the other."""
        queries = [SubsetQuery(self.problem, box, item, subset) for subset in item.subsets]
        found = self._in_regions(queries, sessions.proving, near, deadline, accounts)
        if found is not None:
            return found
        margin = item.closed
        for number, query in enumerate(queries):
            if deadline.passed:
                left = len(queries) - number
                advice = Termination.LIMIT.advice
                return unknown(f"{TIME_LIMIT} with {left} subset(s) of margins open: {advice}")
            began = time.monotonic()
            try:
                ended = self._decide_subset(query, sessions, near, deadline)
            except SolverError as error:
                ended = unknown(str(error))
            said = ended.outcome.value if isinstance(ended, Verdict) else f"margin > {ended:.3g}"
            accounts.append(_account(began, f"{query.names}: {said}"))
            if isinstance(ended, Verdict):
                return ended
            margin = min(margin, ended)
        if not self.trial.passed(sessions.proving, box, deadline.clock):
            return unknown("the model leaves out an image of the neighborhood")
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, proof=Proof.DUAL_BOUNDS, complete=True)

    def _in_regions(
        self,
        queries: Sequence[SubsetQuery],
        session: ProvingSession,
        near: Sequence[Array],
        deadline: Deadline,
        accounts: list[Account],
    ) -> Verdict | None:
        """Return the verdict if the linear region of one of the images ``near`` violates."""
        began, found = time.monotonic(), None
        for image, query in product(near, queries):
            if found is not None or deadline.passed:
                break
            end = deadline.within(self.region_seconds)
            report = session.near(image, query.subset, end, query.guide)
            found = query.violated(report)
        said = "no violation" if found is None else found.outcome.value
        accounts.append(_account(began, f"linear regions of weak points ({len(near)}): {said}"))
        return found

    def _decide_subset(
        self,
        query: SubsetQuery,
        sessions: ClaimSessions,
        near: Sequence[Array],
        deadline: Deadline,
    ) -> Verdict | float:
        """Return a proved lower bound of the subset's largest margin, or the verdict that ends the
        query."""
        proving, asking = sessions.proving, sessions.asking
        centre = (query.box.lower + query.box.upper) / 2
        claim, known = "", [centre, *(query.box.clip(image) for image in near)]
        if asking is not None:
            report = asking.solve(query.subset, deadline, query.guide)
            ended = self._ended(query, report, asking, deadline)
            if ended is not None:
                return ended
            if report.image is not None:
                known.append(query.box.clip(report.image))
            if query.claims(report):
                claim = self.models.backend.name
            elif deadline.passed:
                return query.undecided(report, self.models.backend.name)
        if self.models.decision:
            report = proving.solve(query.subset, deadline, query.guide)
            ended = self._ended(query, report, proving, deadline)
            undecided = query.undecided(report, self.models.prover.name)
        else:
            ended = self._minimised(query, proving, known, deadline)
            undecided = unknown(f"{TIME_LIMIT} of the complete stage: {Termination.LIMIT.advice}")
        if ended is None and claim:
            return unknown(f"claimed by {claim}, but not proved: {undecided.reason}", claim)
        return undecided if ended is None else ended

    def _ended(
        self, query: SubsetQuery, report: SolveReport, session: Session, deadline: Deadline
    ) -> Verdict | float | None:
        """Return what a report proves, or the violation that it found; None where neither."""
        violated = query.violated(report)
        if violated is not None:
            return violated
        proved = query.proved(report)
        if proved is not None:
            return proved
        if self.models.decision and report.image is not None:
            # The point lies within the tolerance of a tie: a clear violation may lie elsewhere.
            beyond = 2 * MILP_MARGIN
            deeper = session.solve(query.subset, deadline, query.guide, beyond)
            return query.violated(deeper)
        return None

    def _minimised(
        self,
        query: SubsetQuery,
        session: ProvingSession,
        known: Sequence[Array],
        deadline: Deadline,
    ) -> Verdict | float | None:
        """Return the proved least margin where it counts as robust, or a violation."""
        found: list[Verdict] = []

        def replay(image: Array) -> float:
            report = SolveReport(Termination.FEASIBLE, image, None, 0.0)
            violated = query.violated(report)
            found.extend([] if violated is None else [violated])
            # A violation ends the search: no lower value is asked for.
            return -np.inf if violated is not None else query.replayed(image)

        least = min(query.replayed(image) for image in known)
        proved = self.minimum.lower_end(session, query, -np.inf, least, replay, deadline)
        if found:
            return found[0]
        return proved if proved > ROBUST_MARGIN else None


def _account(began: float, finding: str) -> Account:
    return Account(Stage.MILP, time.monotonic() - began, finding)
