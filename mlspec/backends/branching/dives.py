"""Where violations hide: small parts of the problem around a good point.

All integers are fixed but for a few, and what is left is a small MILP. Easy proofs do without: the
first nodes come before the larger parts. A part is searched while the tree goes on, and what was
found is heard at a fixed node: which point is the answer does not depend on who was faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.pieces import Pieces
from mlspec.core.network import Array

TIES = 80
"""Pieces near a tie at a known point that may change their winner."""
NODES = 0, 3, 12, 30
"""A part is searched from one of these nodes to the next."""
SHARE, RATIO = 0.1, 0.5
"""A search has this share of the whole time at most, and this share of the time that was spent."""
POLL_SECONDS = 0.01
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


@dataclass(frozen=True)
class Parts:
    """How a part is searched."""

    search: Callable[[Dive, float], Array | None]
    """Returns a point ``(n,)`` within the limit, if one is found within so many seconds."""
    cancel: Callable[[], None]
    """Makes the search that runs in another thread end soon."""


class Diver:
    """Searches one part after the other, beside what else is done in its context."""

    def __init__(
        self, parts: Parts, waiting: Iterator[Dive], began: float, deadline: float
    ) -> None:
        self._parts = parts
        self._waiting = waiting
        self._nodes = iter(NODES)
        self._due = next(self._nodes, None)
        self._began, self._deadline = began, deadline
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[Array | None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def heard(self, nodes: int) -> Array | None:
        """Return the point of the search that is due after so many nodes, if it found one; else
        begin the next."""
        if self._due is None or nodes < self._due:
            return None
        self._due = next(self._nodes, None)
        point = None if self._running is None else self._running.result()
        self._running = None
        dive = next(self._waiting, None)
        if point is None and dive is not None and self._due is not None:
            self._running = self._pool.submit(self._parts.search, dive, self._seconds())
        return point

    def _seconds(self) -> float:
        now = time.monotonic()
        most = SHARE * (self._deadline - self._began)
        return min(most, RATIO * (now - self._began), self._deadline - now)

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        while self._running is not None and not self._running.done():
            self._parts.cancel()
            time.sleep(POLL_SECONDS)
        self._pool.shutdown()


def dives(pieces: Pieces, relaxed: Array, hint: Array | None) -> Iterator[Dive]:
    """Yield parts to search, the smallest first.

    ``relaxed`` is the optimum of the root, ``hint`` a point of the program, both ``(n,)``.
    """
    integers = relaxed[pieces.columns]
    if hint is None:
        _, known = pieces.replayed(relaxed)
    else:
        known = hint[pieces.columns].round()
        # Where a point may change what it decided by a hair.
        yield Dive(~pieces.nearest_ties(hint, TIES), known, hint)
    # Where both agree (Danna, Rothberg, Le Pape 2005), and where the relaxation is integral.
    yield Dive(np.abs(integers - known) < 0.5, known, hint)
    yield Dive(np.abs(integers - integers.round()) < INTEGRAL, integers.round())
