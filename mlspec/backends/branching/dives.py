"""Where violations hide: small parts of the problem around a good point.

All integers are fixed but for a few, and what is left is a small MILP. Easy proofs do without: the
first nodes come before the larger parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.branching.pieces import Pieces
from mlspec.core.network import Array

TIES = 80
"""Pieces near a tie at a known point that may change their winner."""
INTEGRAL = 1e-3
"""A relaxed integer this near to an integer counts as one."""


@dataclass(frozen=True, eq=False)
class Dive:
    """A part to search."""

    fixed: NDArray[np.bool_]
    """``(integers,)``: which are fixed."""
    values: Array
    """``(integers,)``: to what."""
    start: Array | None = None
    """``(n,)``: a point of the part, whatever its cost."""


def dives(pieces: Pieces, relaxed: Array, hint: Array | None) -> Iterator[tuple[int, Dive]]:
    """Yield parts to search, and after how many nodes.

    ``relaxed`` is the optimum of the root, ``hint`` a point of the program, both ``(n,)``.
    """
    integers = relaxed[pieces.columns]
    if hint is None:
        _, known = pieces.replayed(relaxed)
    else:
        known = hint[pieces.columns].round()
        # Where a point may change what it decided by a hair.
        yield 0, Dive(~pieces.nearest_ties(hint, TIES), known, hint)
    # Where both agree (Danna, Rothberg, Le Pape 2005), and where the relaxation is integral.
    yield 3, Dive(np.abs(integers - known) < 0.5, known, hint)
    yield 12, Dive(np.abs(integers - integers.round()) < INTEGRAL, integers.round())
