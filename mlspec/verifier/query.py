"""One neighborhood on its way through the stages."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.verdict import Account, Outcome, Proof, Stage, Verdict, WeakestPoints
from mlspec.verifier.memory_limit import TOO_LITTLE


@dataclass(eq=False)
class NeighborhoodQuery:
    """Is the neighborhood of ``eps`` robust?"""

    eps: Array
    box: Box
    """All its images."""
    deadline: Deadline = NEVER
    accounts: list[Account] = field(default_factory=list)
    """What was done so far."""
    points: WeakestPoints | None = None
    """Those that the attack found."""
    analysis: Analysis | None = None
    """What the last bounds say."""
    bounds: Stage = Stage.INTERVAL
    """The stage that these bounds come from."""

    @property
    def open_subsets(self) -> int:
        """Subsets of margins that bounds left open, as far as it is known."""
        return 0 if self.analysis is None else self.analysis.open_subsets

    def note(self, stage: Stage, began: float, finding: str) -> None:
        """Note what a stage found since ``began``."""
        self.accounts.append(Account(stage, time.monotonic() - began, finding))

    def learn(self, stage: Stage, began: float, analysis: Analysis) -> Verdict | None:
        """Take over what bounds say, and return the verdict if that is one."""
        self.analysis, self.bounds = analysis, stage
        left = "proved" if analysis.robust else f"{self.open_subsets} subset(s) of margins open"
        self.note(stage, began, f"{left}, margin >= {analysis.margin:.3g}")
        if not analysis.robust:
            return None
        return Verdict(Outcome.ROBUST, stage, analysis.margin, proof=Proof.BOUNDS)

    def undecided(self) -> Verdict:
        """Return what bounds alone leave."""
        margin = None if self.analysis is None else self.analysis.margin
        reason = f"bounds leave {self.open_subsets} subset(s) of margins open"
        if self.analysis is None:
            reason = f"there are no bounds: {TOO_LITTLE}"
        return Verdict(Outcome.UNKNOWN, self.bounds, margin, reason=reason)
