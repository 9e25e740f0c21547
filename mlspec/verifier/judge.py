"""What a solver's report of one subset of rivals is worth."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.bounds.analysis import OpenClaim, Subset
from mlspec.core import forward
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.milp.model import SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN, REPLAY_AGREEMENT, ROBUST_MARGIN

TIME_LIMIT = "time limit"
"""How the reason begins where a limit ended the query; its end names the limit."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges reports about ``item`` over ``box``."""

    problem: Problem
    box: Box
    item: OpenClaim
    solver: str
    decision: bool
    """Whether solvers were asked only if a violation exists."""

    def names(self, subset: Subset) -> str:
        """Return the names of the rivals."""
        rivals = self.item.claim.competitors
        return ", ".join(self.problem.label_names[rivals[row]] for row in subset)

    def violated(self, report: SolveReport, subset: Subset, beyond: float = 0.0) -> Verdict | None:
        """Return the verdict if the incumbent's image, moved into the box, really violates.

        Raises ContradictionError where a solver claims to have proved that no image loses to
        ``subset``, by more than ``beyond``, and this one does.
        """
        if report.image is None:
            return None
        witness = self.box.clip(report.image)
        margin = float(self.problem.margin(witness[None])[0])
        if not margin <= 0.0:
            return None
        denied = report.denied_by or _bound(report) is not None
        if denied and self._replayed(witness, subset) <= min(0.0, MILP_MARGIN - beyond):
            error = ContradictionError(
                f"{report.denied_by or self.solver} claims to have proved that no image violates, "
                f"but there is one with margin {margin:g}: a solver is wrong, so there is no "
                "verdict"
            )
            ends = {"lower": self.box.lower, "upper": self.box.upper}
            error.evidence = {"witness": witness, **ends}
            raise error
        return Verdict(Outcome.VIOLATED, Stage.MILP, margin, witness, complete=True)

    def proved(self, report: SolveReport, subset: Subset) -> float | None:
        """Return a lower bound of the largest margin of ``subset``, if the report, which is not of
        a violation, proves that there is none."""
        if self.decision:
            denied = report.termination is Termination.INFEASIBLE or report.denied_by
            bound = MILP_MARGIN if denied else None
        else:
            bound = _bound(report)
        if bound is None or report.image is None:
            return bound
        # A proof that the report's own image refutes is none: of a decision not by a hair, of an
        # optimum not by more than its point and a replay differ.
        replayed = self._replayed(self.box.clip(report.image), subset)
        agreement = ROBUST_MARGIN if self.decision else REPLAY_AGREEMENT
        agrees = replayed >= bound - agreement and replayed > ROBUST_MARGIN
        return min(bound, replayed) if agrees else None

    def _replayed(self, image: Array, subset: Subset) -> float:
        """Return the largest margin of ``subset`` at ``image`` ``(C, H, W)``, in float64."""
        scores = forward.scores(self.problem.network, image[None])
        return float(self.item.claim.margins(scores)[0, list(subset)].max())

    def undecided(self, report: SolveReport) -> Verdict:
        """Return the verdict on a report that decides nothing."""
        end = report.termination
        match end:
            case Termination.LIMIT | Termination.FEASIBLE:
                return unknown(f"{TIME_LIMIT} of the complete stage: {end.advice}")
            case Termination.OPTIMAL:
                return unknown(f"the margin is within the tolerance {MILP_MARGIN:g} of a tie")
            case _:
                said = f"{self.solver} ended with {end.value} ({report.message})"
                return unknown(f"{said}: {end.advice}")


def unknown(reason: str) -> Verdict:
    """Return the verdict of a complete stage that could not decide."""
    return Verdict(Outcome.UNKNOWN, Stage.MILP, reason=reason, complete=True)


def _bound(report: SolveReport) -> float | None:
    """Return the dual bound if it is one above the margin that counts as robust."""
    bound = report.dual_bound
    return bound if bound is not None and bound > ROBUST_MARGIN else None
