"""What a solver's report on one subset of margins is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from mlspec.bounds.analysis import OpenClaim, Subset
from mlspec.core import forward
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.milp.model import SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN, ROBUST_MARGIN

TIME_LIMIT = "time limit"
"""How the reason begins where a limit ended the query; its end names the limit."""


@dataclass(frozen=True, eq=False)
class SubsetQuery:
    """Is there an image of ``box`` for which all margins of ``subset`` are at most 0?"""

    problem: Problem
    box: Box
    item: OpenClaim
    subset: Subset

    @property
    def guide(self) -> int:
        """The row whose margin branch and cut minimises."""
        return self.item.hardest(self.subset)

    @property
    def names(self) -> str:
        """The labels behind the margins."""
        labels = self.item.claim.competitors
        return ", ".join(self.problem.label_names[labels[row]] for row in self.subset)

    def replayed(self, image: Array) -> float:
        """Return the largest margin of the subset at ``image`` ``(C, H, W)``, moved into the box,
        in float64."""
        scores = forward.scores(self.problem.network, self.box.clip(image)[None])
        return float(self.item.claim.margins(scores)[0, list(self.subset)].max())

    def violated(self, report: SolveReport) -> Verdict | None:
        """Return the verdict if the report's image, moved into the box, violates in float64.

        Raises ContradictionError where the same report proves that no such image exists.
        """
        if report.image is None:
            return None
        witness = self.box.clip(report.image)
        margin = float(self.problem.margin(witness[None])[0])
        if not margin <= 0.0:
            return None
        proved = self.proved(report)
        if proved is not None and self.replayed(witness) < proved:
            raise self._contradiction(witness, margin, proved)
        return Verdict(
            Outcome.VIOLATED, Stage.MILP, margin, witness, proof=Proof.REPLAY, complete=True
        )

    def proved(self, report: SolveReport) -> float | None:
        """Return the lower bound of the subset's largest margin if the report certifies one that
        counts as robust."""
        bound = report.dual_bound
        if not report.certified or bound is None or not bound > ROBUST_MARGIN:
            return None
        return bound

    def claims(self, report: SolveReport) -> bool:
        """Whether the solver says, without a proof, that no image violates."""
        bound = report.dual_bound
        denies = report.termination is Termination.INFEASIBLE
        return not report.certified and (denies or (bound is not None and bound > ROBUST_MARGIN))

    def undecided(self, report: SolveReport, solver: str) -> Verdict:
        """Return the verdict on a report of ``solver`` that decides nothing."""
        end = report.termination
        match end:
            case Termination.LIMIT | Termination.FEASIBLE:
                return unknown(f"{TIME_LIMIT} of the complete stage: {end.advice}")
            case Termination.OPTIMAL:
                return unknown(f"the margin is within the tolerance {MILP_MARGIN:g} of a tie")
            case Termination.INFEASIBLE:
                return unknown(f"claimed by {solver}, but not proved", claim=solver)
            case Termination.UNBOUNDED | Termination.NUMERICAL | Termination.FAILED:
                said = f"{solver} ended with {end.value} ({report.message})"
                return unknown(f"{said}: {end.advice}")
            case _:
                assert_never(end)

    def _contradiction(self, witness: Array, margin: float, proved: float) -> ContradictionError:
        error = ContradictionError(
            f"dual bounds prove a margin of {proved:g}, but an image of the neighborhood has "
            f"{margin:g}: one of them is wrong, so there is no verdict"
        )
        error.evidence = {"witness": witness, "lower": self.box.lower, "upper": self.box.upper}
        return error


def unknown(reason: str, claim: str = "") -> Verdict:
    """Return the verdict of a complete stage that could not decide; ``claim`` names solvers that
    say robust without a proof."""
    return Verdict(Outcome.UNKNOWN, Stage.MILP, reason=reason, claim=claim, complete=True)
