"""What branching on an integer has brought so far (Benichou et al. 1971)."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array


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

    def expected(self, integer: int, value: float) -> Array:
        """Return the gains to expect of both sides where the integer has ``value``, ``(2,)``."""
        mean = self._sums[integer] / np.maximum(self._counts[integer], 1)
        return np.asarray(mean * np.array([value, 1.0 - value]))
