"""Large neighborhood search beside the tree: sub-MIPs around good points, searched by HiGHS.

A sub-MIP fixes most integers of the program, so that what is left is a small MILP. Which are fixed
follows local branching (Fischetti and Lodi 2003), here around the pieces nearest to a tie, RINS
(Danna, Rothberg and Le Pape 2005) and RENS (Berthold 2014). Easy proofs do without: the larger
sub-MIPs come after some nodes of the tree. A sub-MIP is searched in a thread of its own while the
tree goes on, and its result is collected at a fixed node: which point is the answer does not
depend on which of the two was faster.
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
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array


@dataclass(frozen=True)
class LargeNeighborhoods:
    """Which sub-MIPs are searched, and when."""

    ties: int = 80
    """Pieces nearest to a tie at a known point that local branching leaves free."""
    agreed: float = 0.5
    """RINS fixes a relaxed integer that is nearer than this to that of the known point."""
    integral: float = 1e-3
    """RENS fixes a relaxed integer that is this near to an integer."""
    nodes: tuple[int, ...] = (0, 3, 12, 30)
    """A sub-MIP is searched from one of these nodes of the tree to the next."""
    share: float = 0.1
    """A search has this share of the whole time, at most ..."""
    ratio: float = 0.5
    """... and this share of the time that was spent when it began."""
    poll_seconds: float = 0.01
    """How often a search that has to end is told so."""

    def around(self, pieces: Pieces, relaxed: Array, hint: Array | None) -> Iterator[SubMip]:
        """Yield the sub-MIPs to search, the smallest first.

        ``relaxed`` is the optimum of the root, ``hint`` a point of the program, both ``(n,)``.
        """
        integers = relaxed[pieces.columns]
        if hint is None:
            _, known = pieces.replayed(relaxed)
        else:
            known = hint[pieces.columns].round()
            # Local branching: the pieces of a point with the smallest leads are free.
            yield SubMip(~pieces.nearest_ties(hint, self.ties), known, hint)
        # RINS: fixed where the point and the relaxation agree.
        yield SubMip(np.abs(integers - known) < self.agreed, known, hint)
        # RENS: fixed where the relaxation is integral.
        yield SubMip(np.abs(integers - integers.round()) < self.integral, integers.round())


@dataclass(frozen=True, eq=False)
class SubMip:
    """A program with some of its integers fixed."""

    fixed: NDArray[np.bool_]
    """``(integers,)``: which are fixed."""
    values: Array
    """``(integers,)``: to what."""
    start: Array | None = None
    """``(n,)``: a point of the sub-MIP, whatever its cost."""


@dataclass(frozen=True)
class SubMipSolver:
    """How a sub-MIP is searched."""

    search: Callable[[SubMip, Deadline], Array | None]
    """Returns a point ``(n,)`` within the limit, if one is found in time."""
    cancel: Callable[[], None]
    """Makes the search that runs in another thread end soon."""


class SubMipSearch:
    """Searches one sub-MIP after the other in a thread of its own; a context manager."""

    def __init__(
        self,
        method: LargeNeighborhoods,
        solver: SubMipSolver,
        waiting: Iterator[SubMip],
        began: float,
        deadline: Deadline,
    ) -> None:
        """``began`` is when the tree began, in seconds of the deadline's clock."""
        self._method = method
        self._solver = solver
        self._waiting = waiting
        self._nodes = iter(method.nodes)
        self._due = next(self._nodes, None)
        self._began, self._deadline = began, deadline
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[Array | None] | None = None
        self._limit = deadline
        """That of the search that runs."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def result(self, nodes: int) -> Array | None:
        """Return the point of the search that is due after so many nodes, if it found one; else
        begin the next search."""
        if self._due is None or nodes < self._due:
            return None
        self._due = next(self._nodes, None)
        point = None
        if self._running is not None:
            point = self._running.result()
            self._deadline.clock.join(self._limit.clock)
        self._running = None
        submip = next(self._waiting, None)
        if point is None and submip is not None and self._due is not None:
            self._limit = self._next_limit().fork()
            self._running = self._pool.submit(self._solver.search, submip, self._limit)
        return point

    def _next_limit(self) -> Deadline:
        spent = self._deadline.clock.now() - self._began
        whole = spent + self._deadline.left
        return self._deadline.within(min(self._method.share * whole, self._method.ratio * spent))

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        while self._running is not None and not self._running.done():
            self._solver.cancel()
            time.sleep(self._method.poll_seconds)
        self._pool.shutdown()
