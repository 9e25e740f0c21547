"""Smaller witnesses: a violating image is moved back towards the centre while it still violates.

The less a witness moves, the more neighborhoods contain it, and the more its cut rules out.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.protocols import Path

TRIED = 16
"""Radii tried at once."""
ROUNDS = 2
"""How often the interval between two of them is divided again."""


def reduced(problem: Problem, witness: Array, path: Path, deadline: Deadline = NEVER) -> Array:
    """Return a violating image ``(C, H, W)``: ``witness``, moved into the smallest box it can.

    ``path`` gives the boxes' radii, small ones first, to one part in ``TRIED ** ROUNDS``; the image
    is ``witness`` itself where none of them leaves a violation. Once ``deadline`` has passed, it is
    the smallest found by then.
    """
    low, high = 0.0, 1.0
    found = witness
    for _ in range(ROUNDS):
        if deadline.passed:
            break
        shares = np.linspace(low, high, TRIED, endpoint=False)
        images = np.stack([problem.neighborhood(eps).box.clip(witness) for eps in path(shares)])
        violating = np.flatnonzero(problem.margin(images) <= 0.0)
        # A product over a batch may round differently: the witness counts as it is replayed alone.
        if violating.size and problem.margin(images[violating[:1]])[0] <= 0.0:
            found, high = images[violating[0]], shares[violating[0]]
        low = high - (shares[1] - shares[0])
        if low < 0.0:
            break
    return found
