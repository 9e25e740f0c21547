"""Which integer to branch on: reliability branching (Achterberg, Koch, Martin 2005) where the
relaxation is loose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlspec.backends.pieces import Pieces
from mlspec.branching.nodes import Node, NodeSolver, Sides, Solved
from mlspec.branching.pseudocost import Pseudocosts, score

TRIED, TRIED_LATER, EXPECTED = 6, 3, 2
"""Integers whose two sides are tried: new ones in the first nodes, later, and the best known."""
EARLY = 10
"""Nodes that count as the first."""
IDLE = 2
"""Trials in a row that may bring nothing better."""
TRIAL_ITERATIONS = 250
"""Simplex iterations of one trial."""
INTEGRAL = 1e-6
"""So near to an integer a value is one."""


class BranchingRule:
    """Chooses, and learns from what it tries."""

    def __init__(self, solver: NodeSolver, pieces: Pieces, limit: float) -> None:
        self._solver = solver
        self._pieces = pieces
        self._limit = limit
        self._pseudocosts = Pseudocosts(len(pieces.columns))
        self._chosen = 0

    def choose(self, node: Node, solved: Solved) -> tuple[int | None, Sides]:
        """Return the integer to branch on, and bounds of both sides; None where all are fixed."""
        self._chosen += 1
        bound, idle = solved.bound, 0
        best: tuple[float, int | None, Sides] = (-1.0, None, (bound, bound))
        for place in self._worth_trying(node, solved):
            value = solved.values[self._pieces.columns[place]]
            value = float(np.clip(value, INTEGRAL, 1.0 - INTEGRAL))
            found = self._solver.sides(node.fixed, place, solved.basis, TRIAL_ITERATIONS)
            bounds = max(bound, found[0]), max(bound, found[1])
            if min(bounds) > self._limit:
                return place, bounds
            gains = np.maximum(np.minimum(found, self._limit) - solved.last.bound, 0.0)
            for number, distance in enumerate((value, 1.0 - value)):
                self._pseudocosts.note(place, number, gains[number], distance)
            # A side that is closed at once is worth more than two that are a little better.
            left = self._limit - solved.last.bound
            worth = score(gains) + (max(bounds) > self._limit) * left**2
            idle = 0 if worth > best[0] else idle + 1
            best = max(best, (worth, place, bounds), key=lambda each: each[0])
            if idle == IDLE or self._solver.spent():
                break
        return best[1], best[2]

    def _worth_trying(self, node: Node, solved: Solved) -> Iterator[int]:
        """Yield integers whose sides to try, the loosest pieces first."""
        integers = solved.values[self._pieces.columns]
        loose = self._pieces.looseness(solved.values, solved.prices)
        loose[list(node.fixed)] = -1.0
        order = [place for place in np.argsort(-loose, kind="stable").tolist() if loose[place] >= 0]
        broken = [place for place in order if INTEGRAL < integers[place] < 1.0 - INTEGRAL]
        order = broken or order[:1]
        known = [place for place in order if self._pseudocosts.known(place)]
        known.sort(key=lambda place: -self._pseudocosts.expected(place, float(integers[place])))
        fresh = [place for place in order if not self._pseudocosts.known(place)]
        yield from known[:EXPECTED]
        yield from fresh[: TRIED if self._chosen <= EARLY else TRIED_LATER]
