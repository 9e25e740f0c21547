"""Witness reduction: a violating image is moved towards the centre while it still violates.

The less a witness moves, the more neighborhoods contain it, and the more its cut rules out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import EpsPath


@dataclass(frozen=True)
class WitnessReduction:
    """Clips a witness into the smallest box of a path in which it violates.

    It may violate in one box and not in a larger one: hence a grid of boxes, where bisection would
    follow one boundary.
    """

    tried: int = 16
    """Neighborhoods of the path tried in one batch."""
    rounds: int = 2
    """Batches: each divides the interval between two neighborhoods of the one before."""

    def reduce(
        self, problem: Problem, witness: Array, path: EpsPath, deadline: Deadline = NEVER
    ) -> Array:
        """Return a violating image ``(C, H, W)``: ``witness``, clipped into a box of ``path``.

        The share of the path is the smallest, to one part in ``tried ** rounds``, at which it still
        violates; if it does at none, the image is ``witness`` itself. Once ``deadline`` has passed,
        it is the one of the smallest share by then.
        """
        low, high = 0.0, 1.0
        found = witness
        for _ in range(self.rounds):
            if deadline.passed:
                break
            shares = np.linspace(low, high, self.tried, endpoint=False)
            images = np.stack([problem.neighborhood(eps).box.clip(witness) for eps in path(shares)])
            violating = np.flatnonzero(problem.margin(images) <= 0.0)
            # A product over a batch may round differently: a witness is replayed alone.
            if violating.size and problem.margin(images[violating[:1]])[0] <= 0.0:
                found, high = images[violating[0]], shares[violating[0]]
            low = high - (shares[1] - shares[0])
            if low < 0.0:
                break
        return found
