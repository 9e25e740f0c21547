"""Bisection: where a monotone condition ceases to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.core.network import Array


@dataclass(frozen=True)
class Bisection:
    """Narrows ``[low, high]``, given that a condition holds at ``low`` and fails at ``high``.

    The condition is asked at a point between, which then replaces one end. That ends after
    ``steps``, or once ``high - low`` is at most ``relative * low``, ``absolute``, or the share
    ``remaining`` of the first width, whichever is the largest.
    """

    steps: int | None = None
    """How often the interval is cut at most; no limit if None."""
    relative: float = 0.0
    """Precision as a share of ``low``."""
    absolute: float = 0.0
    """Precision in the unit of the ends."""
    remaining: float = 0.0
    """Precision as a share of the first width."""
    geometric: bool = False
    """Cut at the geometric mean, for values that may differ by orders of magnitude."""
    spread: float = np.inf
    """The geometric mean takes ``low`` for at least ``high / spread``: finite where it may be 0."""

    def __post_init__(self) -> None:
        if self.steps is None and max(self.relative, self.absolute, self.remaining) <= 0.0:
            raise ValueError("a bisection without a number of steps or a precision never ends")

    def narrow(
        self, holds: Callable[[float], bool], low: float, high: float
    ) -> tuple[float, float]:
        """Return the narrowed ends; ``holds`` is asked neither at ``low`` nor at ``high``."""

        def each(middle: Array) -> NDArray[np.bool_]:
            return np.array([holds(float(middle[0]))])

        lows, highs = self.narrow_each(each, np.array([low]), np.array([high]))
        return float(lows[0]), float(highs[0])

    def narrow_each(
        self, holds: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array
    ) -> tuple[Array, Array]:
        """Narrow intervals ``(N,)`` side by side, until the last of them is narrow enough.

        ``holds`` says for points ``(N,)``, one in each interval, where the condition holds.
        """
        enough = np.maximum(self.absolute, self.remaining * (high - low))
        done = 0
        while done != self.steps and np.any(high - low > np.maximum(self.relative * low, enough)):
            middle = self._between(low, high)
            inside = holds(middle)
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
            done += 1
        return low, high

    def _between(self, low: Array, high: Array) -> Array:
        if self.geometric:
            return np.sqrt(np.maximum(low, high / self.spread) * high)
        return (low + high) / 2
