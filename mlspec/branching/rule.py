"""Which integer to branch on: reliability branching (Achterberg, Koch, Martin 2005) where the
relaxation is loose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlspec.backends.pieces import Pieces
from mlspec.branching.nodes import Node, NodeSolver, Sides, Solved
from mlspec.branching.pseudocost import Pseudocosts
from mlspec.core.network import Array


@dataclass(frozen=True)
class ReliabilityBranching:
    """Tries both sides of a few integers by some simplex iterations, and learns from it."""

    tried_first: int = 6
    """At each of the first nodes, both sides of this many integers are tried that never were."""
    first_nodes: int = 10
    """Nodes that count as the first."""
    tried_later: int = 3
    """The same at each later node."""
    tried_again: int = 2
    """At each node, both sides of this many integers of the best pseudocosts are tried."""
    idle: int = 2
    """The choice ends after this many trials in a row without an improvement."""
    iterations: int = 250
    """Simplex iterations of one trial, at most."""
    integral: float = 1e-6
    """A value within this of an integer counts as that integer."""
    least_gain: float = 1e-6
    """A smaller gain of the bound counts as this one: products of gains shall not vanish."""

    def score(self, gains: Array) -> float:
        """Return what two gains of the bound, ``(2,)``, are worth together (Achterberg 2007)."""
        return float(np.prod(np.maximum(gains, self.least_gain)))


class BranchingRule:
    """Chooses by reliability branching, and remembers what trials brought."""

    def __init__(
        self, method: ReliabilityBranching, solver: NodeSolver, pieces: Pieces, limit: float
    ) -> None:
        self._method = method
        self._solver = solver
        self._pieces = pieces
        self._limit = limit
        self._pseudocosts = Pseudocosts(len(pieces.columns))
        self._chosen = 0

    def choose(self, node: Node, solved: Solved) -> tuple[int | None, Sides]:
        """Return the integer to branch on, and bounds of both sides; None where no integer, with a
        piece or without, is open or fractional any more."""
        self._chosen += 1
        method = self._method
        bound, idle = solved.bound, 0
        best: tuple[float, int | None, Sides] = (-1.0, None, (bound, bound))
        for place in self._worth_trying(node, solved):
            value = solved.values[self._pieces.columns[place]]
            value = float(np.clip(value, method.integral, 1.0 - method.integral))
            found = self._solver.sides(node.fixed, place, solved.basis, method.iterations)
            bounds = max(bound, found[0]), max(bound, found[1])
            if min(bounds) > self._limit:
                return place, bounds
            gains = np.maximum(np.minimum(found, self._limit) - solved.last.bound, 0.0)
            for number, distance in enumerate((value, 1.0 - value)):
                self._pseudocosts.note(place, number, gains[number], distance)
            # A side that is closed at once is worth more than two that are a little better.
            left = self._limit - solved.last.bound
            worth = method.score(gains) + (max(bounds) > self._limit) * left**2
            idle = 0 if worth > best[0] else idle + 1
            best = max(best, (worth, place, bounds), key=lambda each: each[0])
            if idle == method.idle or self._solver.spent():
                break
        return best[1], best[2]

    def _worth_trying(self, node: Node, solved: Solved) -> Iterator[int]:
        """Yield integers whose sides to try: some of the best pseudocosts, then some that were
        never tried, those of the loosest pieces first."""
        method = self._method
        integers = solved.values[self._pieces.columns]
        order = self._order(node, solved, integers)
        known = [place for place in order if self._pseudocosts.known(place)]
        gains = {
            place: self._pseudocosts.expected(place, float(integers[place])) for place in known
        }
        known.sort(key=lambda place: -method.score(gains[place]))
        fresh = [place for place in order if not self._pseudocosts.known(place)]
        yield from known[: method.tried_again]
        early = self._chosen <= method.first_nodes
        yield from fresh[: method.tried_first if early else method.tried_later]

    def _order(self, node: Node, solved: Solved, integers: Array) -> list[int]:
        """Return the integers to choose from, those of the loosest pieces first; integers without
        a piece come last.

        These are the fractional ones; where there are none, one that is not fixed.
        """
        method = self._method
        loose = self._pieces.looseness(solved.values, solved.prices)
        unfixed = np.ones(len(integers), dtype=bool)
        unfixed[list(node.fixed)] = False
        leading = unfixed & (loose >= 0.0)
        broken = (method.integral < integers) & (integers < 1.0 - method.integral)
        order = np.argsort(-loose, kind="stable")
        # Of two integers that mirror each other one is enough, if rows bind the other to it.
        for chosen in (leading & broken, unfixed & broken):
            if chosen.any():
                return [place for place in order.tolist() if chosen[place]]
        return [place for place in order.tolist() if leading[place]][:1]
