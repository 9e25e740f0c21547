"""Best-first branch and cut over the winners of ReLUs and max-pool windows.

A node is proved when the dual bound of its relaxation exceeds the limit, and a tree when all its
leaves are. Points are looked for where relaxations lie: in the linear region of their input, and in
small parts of the problem around them (``dives``).
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

import numpy as np

from mlspec.backends.branching.dives import Dive, dives
from mlspec.backends.branching.nodes import Node, NodeSolver
from mlspec.backends.branching.pieces import Pieces
from mlspec.backends.branching.relaxation import Relaxation
from mlspec.backends.branching.rule import BranchingRule
from mlspec.backends.program import Indices, LinearProgram
from mlspec.core.network import Array

DIVE_SHARE, DIVE_RATIO = 0.1, 0.2
"""A dive has this share of the whole time at most, and this share of the time that was spent."""

NEVER = np.inf, None
Part = Callable[[Indices, Array, Array | None, float], Array | None]
"""Returns a point within the limit whose integers, at these variables, have these values, if one is
found within so many seconds; it may start from a point."""


class Tree:
    """Decides whether a program has a point whose cost is at most ``limit``."""

    def __init__(
        self,
        program: LinearProgram,
        relaxation: Relaxation,
        limit: float,
        seconds: float,
        cancelled: threading.Event,
    ) -> None:
        self._cost = program.cost
        self._limit = limit
        self._seconds = seconds
        self._began = time.monotonic()
        self._pieces = Pieces(program)
        deadline = self._began + seconds
        self._solver = NodeSolver(relaxation, self._pieces, limit, deadline, cancelled)
        self._rule = BranchingRule(self._solver, self._pieces, limit)
        self._best = np.inf
        """The least cost of a point in whose linear region the best one is known."""
        self.nodes = 0
        self.bound = -np.inf
        """No point has less cost."""

    @property
    def proved(self) -> bool:
        """Whether there is no point."""
        return self.bound > self._limit

    def run(self, hint: Array | None, part: Part) -> Array | None:
        """Return a point, or None: the question is answered if ``bound`` exceeds the limit.

        ``hint`` is a point ``(n,)`` whatever its cost.
        """
        if hint is not None:
            # The linear region around it was searched when it was found.
            self._best = float(self._cost @ hint)
        root = self._solver.root()
        self.bound = root.bound
        if self.proved or root.values is None:
            return None
        parts = dives(self._pieces, root.values, hint)
        at, dive = next(parts, NEVER)
        nodes = [Node(root.bound, 0, {}, None)]
        made = 0
        while nodes:
            self.bound = nodes[0].bound
            if self._solver.spent():
                return None
            if dive is not None and self.nodes >= at:
                point = self._dive(dive, part)
                if point is not None:
                    return point
                at, dive = next(parts, NEVER)
            node = heapq.heappop(nodes)
            self.nodes += 1
            solved = self._solver.solved(node)
            if solved is None:
                return None
            if isinstance(solved, float):
                continue
            point = self._near(solved.values)
            if point is not None:
                return point
            place, sides = self._rule.choose(node, solved)
            if place is None:
                return solved.values
            for value, bound in zip((0.0, 1.0), sides, strict=True):
                if bound <= self._limit:
                    made += 1
                    child = {**node.fixed, place: value}
                    heapq.heappush(nodes, Node(bound, made, child, solved.basis))
        self.bound = np.inf
        return None

    def _near(self, values: Array) -> Array | None:
        """Return the best point in the linear region of a relaxed point's input, if that is within
        the limit; only where the input is better than those before."""
        point, winners = self._pieces.replayed(values)
        cost = float(self._cost @ point)
        if cost >= self._best:
            return None
        self._best = cost
        self._solver.fix(dict(enumerate(winners.tolist())))
        best = self._solver.relaxed().values
        return best if best is not None and self._cost @ best <= self._limit else None

    def _dive(self, dive: Dive, part: Part) -> Array | None:
        columns = self._pieces.columns[dive.fixed]
        spent = time.monotonic() - self._began
        seconds = min(DIVE_SHARE * self._seconds, DIVE_RATIO * spent)
        return part(columns, dive.values[dive.fixed], dive.start, seconds)
