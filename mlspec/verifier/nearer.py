"""The nearest violation on a path: an attack finds one, small MILPs around it find nearer ones.

Descents end in the basin where they began. But few ReLUs and windows are near a tie at an image,
and where only those may change their winner, a MILP solver looks into all basins around it at once
(local branching, Fischetti and Lodi 2003, with the network's own ties for the neighborhood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlspec.attack.nearest import Nearest, NearestAttack
from mlspec.bounds.analysis import Bounder
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path
from mlspec.verifier.complete import CompleteStage

ATTACKING = 0.8
"""Share of the time that the attack has at most."""
WAVE_SECONDS = 3.0
"""The attack has one wave for so much of the time: mostly it ends before a clock has to cut it."""
ROUND_SECONDS = 10.0
"""Basins depend on the random images of the beginning: with more time there are more rounds, each
with its own."""
STEP = 0.005
"""A nearer violation is looked for at this much less of the share."""
LEAST_SECONDS = 1.0
"""With less time left no search begins."""


@dataclass(frozen=True, eq=False)
class NearestFinder:
    """Finds witnesses that move little, for one problem."""

    problem: Problem
    attack: NearestAttack
    bounder: Bounder
    complete: CompleteStage | None
    """Who searches around violations; without it the attack has all the time."""

    def find(
        self, path: Path, known: Sequence[Array] = (), deadline: Deadline = NEVER
    ) -> Nearest | None:
        """Return the violation of least share on ``path`` that is found before ``deadline``, None
        if there is none; ``known`` holds violating images ``(C, H, W)`` to begin from."""
        seconds = deadline.left
        rounds = 1 if np.isinf(seconds) else max(int(seconds / ROUND_SECONDS), 1)
        ends = [Deadline.after(seconds * (number + 1) / rounds) for number in range(rounds)]
        found = [self._found(path, known, end) for end in ends]
        return min(filter(None, found), key=lambda nearest: nearest.share, default=None)

    def _found(self, path: Path, known: Sequence[Array], end: Deadline) -> Nearest | None:
        """Return the violation of least share that one round until ``end`` finds, if it finds
        one."""
        attacking = 1.0 if self.complete is None else ATTACKING
        waves = None if np.isinf(end.left) else max(int(end.left / WAVE_SECONDS), 1)
        found = self.attack.find(path, known, end.within(attacking * end.left), waves)
        if found is None or self.complete is None:
            return found
        while found.share > 0.0 and end.left > LEAST_SECONDS:
            nearer = self._nearer(self.complete, path, found, end)
            if nearer is None:
                break
            found = nearer
        return found

    def _nearer(
        self, complete: CompleteStage, path: Path, found: Nearest, end: Deadline
    ) -> Nearest | None:
        """Return a violation of less share than the one ``found``, from around it, None if none is
        found."""
        share = (1.0 - STEP) * found.share
        (radius,) = path(np.array([share]))
        box = self.problem.neighborhood(radius).box
        image = complete.around(box, self.bounder.crown(box), found.image, end)
        return None if image is None else self.attack.sharpened(path, share, image, end)
