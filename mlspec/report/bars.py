"""Epsilons as a row of characters, one per layer, on a logarithmic scale."""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array

LEVELS = "▁▂▃▄▅▆▇█"
NOTHING = "·"


def scale(eps: Array) -> tuple[float, float]:
    """Return the powers of ten ``(low, high)`` between which the ``eps`` lie; zeros do not
    count."""
    positive = eps[eps > 0.0]
    if not positive.size:
        return 0.001, 1.0
    low = float(np.floor(np.log10(positive.min())))
    high = float(np.ceil(np.log10(positive.max())))
    return 10.0**low, 10.0 ** max(high, low + 1.0)


def bar_row(eps: Array, width: int) -> str:
    """Return one character per layer of ``eps`` ``(K,)``, by height; a dot stands for zero.

    With more layers than ``width``, a character stands for the smallest of several neighbours.
    """
    per = -(-len(eps) // max(1, width))
    lowest = np.array([eps[start : start + per].min() for start in range(0, len(eps), per)])
    low, high = scale(eps)
    share = np.log10(np.maximum(lowest, low) / low) / np.log10(high / low)
    level = np.minimum((share * len(LEVELS)).astype(int), len(LEVELS) - 1)
    return "".join(
        LEVELS[step] if value > 0.0 else NOTHING for step, value in zip(level, lowest, strict=True)
    )
