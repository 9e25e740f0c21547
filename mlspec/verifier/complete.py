"""The complete stage: one MILP per subset of rivals that the bounds left open."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Account, Outcome, Stage, Verdict
from mlspec.errors import ContradictionError, SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, Session, SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN, ROBUST_MARGIN

GOLDEN = 0.381966
"""The share of each pixel's range at which a model is tried: a place like no other."""
LEAST_SECONDS = 10.0
"""Time for that trial, which takes hundredths."""


@dataclass(frozen=True, eq=False)
class CompleteStage:
    """Decides what bounds leave open, on one solver."""

    problem: Problem
    compiler: Compiler
    backend: Backend
    seconds: float
    """Time for one query at most; the query's own deadline may be tighter."""

    def decide(self, box: Box, analysis: Analysis, deadline: float) -> Verdict:
        """Return the verdict over ``box``; ``deadline`` is in ``time.monotonic()`` seconds."""
        deadline = min(deadline, time.monotonic() + self.seconds)
        bounds = analysis.bounds()
        margin = float("inf")
        accounts: list[Account] = []
        for item in analysis.claims:
            verdict = self._decide_claim(box, bounds, item, deadline, accounts)
            if verdict.margin is None or not verdict.robust:
                return replace(verdict, accounts=tuple(accounts))
            margin = min(margin, verdict.margin)
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True, accounts=tuple(accounts))

    def _decide_claim(
        self,
        box: Box,
        bounds: Bounds,
        item: OpenClaim,
        deadline: float,
        accounts: list[Account],
    ) -> Verdict:
        margin = item.closed
        if item.subsets:
            rows = sorted({row for subset in item.subsets for row in subset})
            try:
                model = self.compiler.compile(box, bounds, item.claim, rows)
                session = self.backend.open(model)
            except SolverError as error:
                return _unknown(str(error))
        for done, subset in enumerate(item.subsets):
            if time.monotonic() >= deadline:
                return _unknown(
                    f"time limit with {len(item.subsets) - done} subset(s) of rivals open"
                )
            began = time.monotonic()
            proved = self._decide_subset(box, session, subset, item.hardest(subset), deadline)
            end = proved.outcome.value if isinstance(proved, Verdict) else "proved"
            names = ", ".join(self.problem.label_names[item.claim.rivals[row]] for row in subset)
            finding = f"{end} for rivals {names}, {model.binaries} binaries"
            accounts.append(Account(Stage.MILP, time.monotonic() - began, finding))
            if isinstance(proved, Verdict):
                return proved
            margin = min(margin, proved)
        # Wrong bounds, or a solver's stumble, would leave out images: one of them is tried.
        inside = box.lower + GOLDEN * (box.upper - box.lower)
        if item.subsets and not session.admits(inside, LEAST_SECONDS):
            return _unknown(f"{self.backend.name} finds no image at all in the neighborhood")
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True)

    def _decide_subset(
        self, box: Box, session: Session, subset: tuple[int, ...], hardest: int, deadline: float
    ) -> Verdict | float:
        """Return a proved lower bound of the subset's largest margin, or the verdict that ends the
        query."""
        report = session.solve(subset, deadline - time.monotonic(), hardest)
        violated = self._violated(box, report)
        if violated is not None:
            return violated
        if self.compiler.decision:
            proved = report.termination is Termination.INFEASIBLE or report.denied_by
            if proved and self.backend.trusted_infeasible:
                return MILP_MARGIN
            if report.image is not None:
                # The point lies within the tolerance of a tie: a clear violation may lie elsewhere.
                left = deadline - time.monotonic()
                clear = self._violated(
                    box, session.solve(subset, left, hardest, beyond=2 * MILP_MARGIN)
                )
                if clear is not None:
                    return clear
        elif report.dual_bound is not None and report.dual_bound > ROBUST_MARGIN:
            return report.dual_bound
        return _unknown(_why(report, self.backend.name))

    def _violated(self, box: Box, report: SolveReport) -> Verdict | None:
        """Return the verdict if the incumbent's image, moved into the box, really violates.

        Raises ContradictionError where a solver claims to have proved that there is none.
        """
        if report.image is None:
            return None
        witness = box.clip(report.image)
        margin = float(self.problem.margin(witness[None])[0])
        if not margin <= 0.0:
            return None
        bounded = report.dual_bound is not None and report.dual_bound > ROBUST_MARGIN
        if report.denied_by or bounded:
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
            return f"time limit of the complete stage: {report.termination.advice}"
        case Termination.OPTIMAL:
            return f"the margin is within the tolerance {MILP_MARGIN:g} of a tie"
        case Termination.INFEASIBLE:
            return (
                f"{solver} reports infeasible, which alone proves nothing from this solver: "
                "confirm it by another (solver: highs)"
            )
        case _:
            end = report.termination
            return f"{solver} ended with {end.value} ({report.message}): {end.advice}"


def _unknown(reason: str) -> Verdict:
    return Verdict(Outcome.UNKNOWN, Stage.MILP, reason=reason, complete=True)
