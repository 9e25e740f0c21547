"""CEGIS shrink policies, from a refused eps towards the robust eps*:

    eps' = eps * cw + eps* * (1 - cw)

They differ in the weights ``cw`` in [0, 1] per layer: 0 sends a layer back to ``eps*`` at once, 1
leaves it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array
from mlspec.core.protocols import ShrinkPolicy

NEGLIGIBLE = 1e-12
"""A layer this close to its robust end has nothing left to give."""


@dataclass(frozen=True, eq=False)
class WeightedShrink:
    """Constant weights ``cw`` ``(R,)``, each below 1."""

    weights: Array

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return ``eps * cw + robust * (1 - cw)``."""
        return _between(eps, robust, self.weights)


@dataclass(frozen=True)
class CounterexampleShrink:
    """Halves the layers in which the witness leaves the robust box; all of them without a
    witness."""

    def shrink(self, eps: Array, robust: Array, extents: Array | None) -> Array:
        """Return the mean of ``eps`` and ``robust`` where the witness moved beyond ``robust``."""
        to_blame = np.ones(len(eps), dtype=bool) if extents is None else extents > robust
        if not (to_blame & (eps - robust > NEGLIGIBLE)).any():
            to_blame = np.ones(len(eps), dtype=bool)
        return _between(eps, robust, np.where(to_blame, 0.5, 1.0))


def fixed(distances: NDArray[np.int64]) -> ShrinkPolicy:
    """Far layers give way first: ``cw_d = (r - d) / (r + 1)`` at distance ``d``, the farthest,
    ``r``, at once; ``distances`` is ``(R,)``."""
    farthest = distances.max()
    return WeightedShrink((farthest - distances) / (farthest + 1.0))


def sensitivity(sensitivities: Array, prose: bool) -> ShrinkPolicy:
    """Shrink by vanilla-gradient sensitivity ``(R,)`` (Simonyan, Vedaldi, Zisserman 2013).

    By the formula the more sensitive layer gets the smaller weight and shrinks more; with ``prose``
    the less sensitive layers shrink more. Weights share the range of ``fixed``: 0 to ``r / (r +
    1)``.
    """
    layers = len(sensitivities)
    share = sensitivities / max(float(sensitivities.max()), np.finfo(np.float64).tiny)
    return WeightedShrink((layers - 1) / layers * (share if prose else 1.0 - share))


POLICIES: dict[str, Callable[[NDArray[np.int64], Array, bool], ShrinkPolicy]] = {
    "fixed": lambda distances, sensitivities, prose: fixed(distances),
    "sensitivity": lambda distances, sensitivities, prose: sensitivity(sensitivities, prose),
    "uniform": lambda distances, *_: WeightedShrink(np.full(len(distances), 0.5)),
    "counterexample": lambda *_: CounterexampleShrink(),
}
"""Every ``shrink.policy`` of a spec; called with the layers' distances from the object and their
sensitivities, both ``(R,)``, and ``order: prose``."""


def _between(eps: Array, robust: Array, weights: Array) -> Array:
    # Clipping keeps robust <= eps' <= eps exactly, whatever the products round to.
    return np.clip(eps * weights + robust * (1.0 - weights), np.minimum(robust, eps), eps)
