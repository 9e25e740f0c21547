"""The complete stage: one MILP per subset of rivals that the bounds left open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product

from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core import forward
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Account, Outcome, Stage, Verdict
from mlspec.errors import ContradictionError, SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, Session, SolveReport, Termination
from mlspec.milp.queries import Crew, InTurn, SubsetQuery
from mlspec.tolerances import MILP_MARGIN, ROBUST_MARGIN
from mlspec.verifier.adaptive import Record, tries

TIME_LIMIT = "time limit"
"""How the reason begins where a limit ended the query; its end names the limit."""
EARLY = 0.5
"""A solver that gave up more seconds than this before the deadline had a limit of its own."""
TRIAL_SHARE = 0.381966
"""The share of each pixel's range at which a model is tried: a place like no other."""
TRIAL_SECONDS = 2.0
"""Time for that trial, beyond any deadline; it takes hundredths."""
REGIONS, REGION_SHARE = "linear regions", 0.125
"""As long as so large a share of all searches in linear regions finds a violation, all are made."""


@dataclass(frozen=True, eq=False)
class CompleteStage:
    """Decides what bounds leave open, on one solver."""

    problem: Problem
    compiler: Compiler
    backend: Backend
    seconds: float
    """Time for one query at most; the query's own deadline may be tighter."""
    crew: Crew = field(default_factory=InTurn)
    """Who decides the subsets."""
    record: Record = field(default_factory=Record)
    """What linear regions and subsets brought so far."""

    def decide(
        self,
        box: Box,
        analysis: Analysis,
        near: Sequence[Array],
        deadline: float,
        accounts: list[Account],
    ) -> Verdict:
        """Return the verdict over ``box``; ``deadline`` is in ``time.monotonic()`` seconds.

        The linear regions of the images ``near``, or of the first of them, are searched first. What
        was done is added to ``accounts``.
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
            return _unknown(str(error))
        accounts.append(_account(began, f"model of {model.binaries} binaries"))
        began = time.monotonic()
        near = near[: tries(self.record, REGIONS, len(near), REGION_SHARE)]
        found = self._in_regions(box, session, item, near, deadline)
        self.record.note(REGIONS, found is not None)
        said = "no violation" if found is None else found.outcome.value
        accounts.append(_account(began, f"linear regions of weak points ({len(near)}): {said}"))
        if found is not None:
            return found
        margin = item.closed
        subsets = self._ordered(item)
        queries = [SubsetQuery(subset, item.hardest(subset)) for subset in subsets]
        done = 0
        with closing(self.crew.answers(session, queries, deadline)) as answers:
            for number, report in answers:
                subset = subsets[number]
                proved = self._judged(box, session, item, subset, report, deadline)
                end = proved.outcome.value if isinstance(proved, Verdict) else "proved"
                accounts.append(
                    Account(
                        Stage.MILP, report.seconds, f"rivals {self._names(item, subset)}: {end}"
                    )
                )
                lost = isinstance(proved, Verdict) and proved.witness is not None
                self.record.note((item.claim.target, subset), lost)
                if isinstance(proved, Verdict):
                    return proved
                margin = min(margin, proved)
                done += 1
        if done < len(subsets):
            return _unknown(
                f"{TIME_LIMIT} with {len(subsets) - done} subset(s) of rivals open: "
                f"{Termination.LIMIT.advice}"
            )
        # Wrong bounds, or a solver's stumble, would leave out images: one of them is tried.
        inside = box.lower + TRIAL_SHARE * (box.upper - box.lower)
        if not session.admits(inside, TRIAL_SECONDS):
            return _unknown(
                f"{self.backend.name} did not find a given image of the neighborhood in its model"
            )
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True)

    def _in_regions(
        self, box: Box, session: Session, item: OpenClaim, near: Sequence[Array], deadline: float
    ) -> Verdict | None:
        """Return the verdict if a linear program around one of the images ``near`` violates."""
        for image, subset in product(near, self._ordered(item)):
            left = min(deadline - time.monotonic(), TRIAL_SECONDS)
            if left <= 0.0:
                break
            report = session.near(image, subset, left, item.hardest(subset))
            found = self._violated(box, report, item, subset)
            if found is not None:
                self.record.note((item.claim.target, subset), True)
                return found
        return None

    def _ordered(self, item: OpenClaim) -> list[tuple[int, ...]]:
        """Return the open subsets, those first that violated most often of late, then those of the
        weakest bounds."""
        target = item.claim.target
        return sorted(item.subsets, key=lambda subset: -self.record.share((target, subset)))

    def _names(self, item: OpenClaim, subset: tuple[int, ...]) -> str:
        return ", ".join(self.problem.label_names[item.claim.rivals[row]] for row in subset)

    def _judged(
        self,
        box: Box,
        session: Session,
        item: OpenClaim,
        subset: tuple[int, ...],
        report: SolveReport,
        deadline: float,
    ) -> Verdict | float:
        """Return a proved lower bound of the subset's largest margin, or the verdict that ends the
        query."""
        violated = self._violated(box, report, item, subset)
        if violated is not None:
            return violated
        if self.compiler.decision:
            if report.termination is Termination.INFEASIBLE or report.denied_by:
                return MILP_MARGIN
            if report.image is not None:
                # The point lies within the tolerance of a tie: a clear violation may lie elsewhere.
                left, beyond = deadline - time.monotonic(), 2 * MILP_MARGIN
                deeper = session.solve(subset, left, item.hardest(subset), beyond)
                clear = self._violated(box, deeper, item, subset, beyond)
                if clear is not None:
                    return clear
        elif report.dual_bound is not None and report.dual_bound > ROBUST_MARGIN:
            return report.dual_bound
        return _unknown(_why(report, self.backend.name))

    def _violated(
        self,
        box: Box,
        report: SolveReport,
        item: OpenClaim,
        subset: tuple[int, ...],
        beyond: float = 0.0,
    ) -> Verdict | None:
        """Return the verdict if the incumbent's image, moved into the box, really violates.

        Raises ContradictionError where a solver claims to have proved that no image loses to
        ``subset``, by more than ``beyond``, and this one does.
        """
        if report.image is None:
            return None
        witness = box.clip(report.image)
        margin = float(self.problem.margin(witness[None])[0])
        if not margin <= 0.0:
            return None
        bounded = report.dual_bound is not None and report.dual_bound > ROBUST_MARGIN
        scores = forward.scores(self.problem.network, witness[None])
        lost = float(item.claim.margins(scores)[0, list(subset)].max())
        if (report.denied_by or bounded) and lost <= min(0.0, MILP_MARGIN - beyond):
            denier = report.denied_by or self.backend.name
            raise _contradiction(denier, box, witness, margin)
        return Verdict(Outcome.VIOLATED, Stage.MILP, margin, witness, complete=True)


def _contradiction(solver: str, box: Box, witness: Array, margin: float) -> ContradictionError:
    error = ContradictionError(
        f"{solver} claims to have proved that no image violates, but there is one with "
        f"margin {margin:g}: a solver is wrong, so there is no verdict"
    )
    error.evidence = {"witness": witness, "lower": box.lower, "upper": box.upper}
    return error


def _why(report: SolveReport, solver: str) -> str:
    match report.termination:
        case Termination.LIMIT | Termination.FEASIBLE:
            return f"{TIME_LIMIT} of the complete stage: {report.termination.advice}"
        case Termination.OPTIMAL:
            return f"the margin is within the tolerance {MILP_MARGIN:g} of a tie"
        case _:
            end = report.termination
            return f"{solver} ended with {end.value} ({report.message}): {end.advice}"


def _account(began: float, finding: str) -> Account:
    return Account(Stage.MILP, time.monotonic() - began, finding)


def _unknown(reason: str) -> Verdict:
    return Verdict(Outcome.UNKNOWN, Stage.MILP, reason=reason, complete=True)
