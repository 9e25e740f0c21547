"""What branching on an integer has brought so far (Benichou et al. 1971)."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array

LEAST_GAIN = 1e-6


class Pseudocosts:
    """Mean gain of the bound per unit of each integer's change, downwards and upwards."""

    def __init__(self, integers: int) -> None:
        self._sums = np.zeros((integers, 2))
        self._counts = np.zeros((integers, 2), dtype=int)

    def note(self, integer: int, side: int, gain: float, distance: float) -> None:
        """Note that moving ``integer`` by ``distance`` to ``side`` brought ``gain``."""
        self._sums[integer, side] += gain / distance
        self._counts[integer, side] += 1

    def known(self, integer: int) -> bool:
        """Whether both sides were tried."""
        return bool(self._counts[integer].all())

    def expected(self, integer: int, value: float) -> float:
        """Return the score to expect of branching where the integer has ``value``."""
        mean = self._sums[integer] / np.maximum(self._counts[integer], 1)
        return score(mean * np.array([value, 1.0 - value]))


def score(gains: Array) -> float:
    """Return what two gains of the bound, ``(2,)``, are worth together (Achterberg 2007)."""
    return float(np.prod(np.maximum(gains, LEAST_GAIN)))
