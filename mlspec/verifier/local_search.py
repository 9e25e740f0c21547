"""Local search: small MILPs around a violating image find violations of smaller neighborhoods.

Gradient descents end in the basin where they began. But few ReLUs and pooling windows are near a
tie at an image. With all others fixed to their winner at the image, a MILP solver searches all
basins around it at once (local branching, Fischetti and Lodi 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlspec.attack.fmn import FmnAttack
from mlspec.attack.path_boxes import Violation
from mlspec.bounds.crown import CrownBounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import EpsPath
from mlspec.verifier.complete import CompleteStage


@dataclass(frozen=True, eq=False)
class LocalSearch:
    """Alternates a minimum-norm attack and searches around what it finds, on one problem."""

    problem: Problem
    attack: FmnAttack
    crown: CrownBounder
    complete: CompleteStage | None
    """Searches around violations; if None, the attack has all of the time."""
    attack_share: float = 0.8
    """Share of a round's time that the attack has at most."""
    seconds_per_round: float = 10.0
    """The time is divided into rounds of about this length. Each round draws new random images, and
    on these it depends which basins the attack finds."""
    seconds_per_refinement: float = 3.0
    """The attack makes one refinement for so much of its time, and so mostly ends before its
    deadline."""
    step: float = 0.005
    """Relative reduction of the share of the path at which a violation is searched for."""
    least_seconds: float = 1.0
    """With less time left no search begins."""

    def find(
        self, path: EpsPath, known: Sequence[Array] = (), deadline: Deadline = NEVER
    ) -> Violation | None:
        """Return the violation of least share on ``path`` that is found before ``deadline``, None
        if there is none; ``known`` holds violating images ``(C, H, W)`` to begin from."""
        seconds = deadline.left
        rounds = 1 if np.isinf(seconds) else max(int(seconds / self.seconds_per_round), 1)
        ends = [deadline.within(seconds * (number + 1) / rounds) for number in range(rounds)]
        found = [self._round(path, known, end) for end in ends]
        return min(filter(None, found), key=lambda violation: violation.share, default=None)

    def _round(self, path: EpsPath, known: Sequence[Array], end: Deadline) -> Violation | None:
        """Return the violation of least share that one round until ``end`` finds, if any."""
        share = 1.0 if self.complete is None else self.attack_share
        refinements = None
        if np.isfinite(end.left):
            refinements = max(int(end.left / self.seconds_per_refinement), 1)
        found = self.attack.find(path, known, end.within(share * end.left), refinements)
        if found is None or self.complete is None:
            return found
        while found.share > 0.0 and end.left > self.least_seconds:
            lower = self._around(self.complete, path, found, end)
            if lower is None:
                break
            found = lower
        return found

    def _around(
        self, complete: CompleteStage, path: EpsPath, found: Violation, end: Deadline
    ) -> Violation | None:
        """Return a violation of less share than ``found``, from around it; None if none is
        found."""
        share = (1.0 - self.step) * found.share
        (eps,) = path(np.array([share]))
        box = self.problem.neighborhood(eps).box
        image = complete.around(box, self.crown.analyse(box, deadline=end), found.image, end)
        return None if image is None else self.attack.lowered(path, Violation(share, image), end)
