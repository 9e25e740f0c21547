"""The complete stage: one MILP per subset of rivals that the bounds left open."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mlspec.bounds.analysis import Analysis, OpenClaim
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Stage, Verdict
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN, ROBUST_MARGIN


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
        for item in analysis.claims:
            verdict = self._decide_claim(box, bounds, item, deadline)
            if verdict.margin is None or not verdict.robust:
                return verdict
            margin = min(margin, verdict.margin)
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True)

    def _decide_claim(self, box: Box, bounds: Bounds, item: OpenClaim, deadline: float) -> Verdict:
        margin = item.closed
        if item.subsets:
            rows = sorted({row for subset in item.subsets for row in subset})
            session = self.backend.open(self.compiler.compile(box, bounds, item.claim, rows))
        for done, subset in enumerate(item.subsets):
            left = deadline - time.monotonic()
            if left <= 0:
                return _unknown(f"time limit with {len(item.subsets) - done} subset(s) of rivals open")
            proved = self._read(box, session.solve(subset, left))
            if isinstance(proved, Verdict):
                return proved
            margin = min(margin, proved)
        return Verdict(Outcome.ROBUST, Stage.MILP, margin, complete=True)

    def _read(self, box: Box, report: SolveReport) -> Verdict | float:
        """Return a proved lower bound of the subset's largest margin, or the verdict that ends the query."""
        if report.image is not None:
            witness = box.clip(report.image)
            margin = float(self.problem.margin(witness[None])[0])
            if margin <= 0.0:
                return Verdict(Outcome.VIOLATED, Stage.MILP, margin, witness, complete=True)
        if self.compiler.decision:
            if report.termination is Termination.INFEASIBLE and self.backend.trusted_infeasible:
                return MILP_MARGIN
        elif report.dual_bound is not None and report.dual_bound > ROBUST_MARGIN:
            return report.dual_bound
        return _unknown(_why(report, self.backend.name))


def _why(report: SolveReport, solver: str) -> str:
    match report.termination:
        case Termination.LIMIT | Termination.FEASIBLE:
            return "time limit of the complete stage"
        case Termination.OPTIMAL:
            return f"the margin is within the tolerance {MILP_MARGIN:g} of a tie"
        case Termination.INFEASIBLE:
            return f"{solver} reports infeasible, which alone proves nothing from this solver"
        case Termination.FAILED:
            return f"{solver} failed: {report.message}"


def _unknown(reason: str) -> Verdict:
    return Verdict(Outcome.UNKNOWN, Stage.MILP, reason=reason, complete=True)
