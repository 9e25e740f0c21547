"""Best-first branch and cut over the winners of ReLUs and max-pool windows.

A node is closed when the dual bound of its relaxation exceeds the limit; where all leaves are
closed, it is proved that there is no point within the limit. Points are sought in the linear region
of the input of each relaxed point, and in sub-MIPs (``submips``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from mlspec.backends.pieces import Pieces
from mlspec.backends.program import LinearProgram
from mlspec.branching.nodes import CuttingPlanes, Node, NodeSolver, Sides, Solved
from mlspec.branching.relaxation import Relaxation
from mlspec.branching.rule import BranchingRule, ReliabilityBranching
from mlspec.branching.submips import LargeNeighborhoods, SubMipSearch, SubMipSolver
from mlspec.branching.warm_start import Branchings, WarmStart
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array


@dataclass(frozen=True)
class BranchAndCut:
    """The parts of the method, and what a decision remembers from local searches."""

    cuts: CuttingPlanes = field(default_factory=CuttingPlanes)
    """How nodes are bounded."""
    branching: ReliabilityBranching = field(default_factory=ReliabilityBranching)
    """How an integer to branch on is chosen."""
    submips: LargeNeighborhoods = field(default_factory=LargeNeighborhoods)
    """Where points are looked for beside the tree."""
    remembered: int = 8
    """Points near given images that are remembered: violations may be near them too."""
    branchings: int = 2000
    """Branchings that are remembered for the next tree, the latest; few trees have as many
    nodes."""
    agreed: float = 0.3
    """Near an image only those integers stay free whose relaxed value is farther than this from
    that of the best point there (RINS)."""


class Tree:
    """Decides whether a program of binaries has a point whose cost is at most ``limit``."""

    def __init__(
        self,
        method: BranchAndCut,
        program: LinearProgram,
        relaxation: Relaxation,
        limit: float,
        deadline: Deadline,
        branchings: Branchings,
    ) -> None:
        """``branchings`` are those of a tree on another box, as far as there was one."""
        self._method = method
        self._cost = program.cost
        self._limit = limit
        self._began = deadline.clock.now()
        self._deadline = deadline
        self._pieces = Pieces(program)
        self._solver = NodeSolver(method.cuts, relaxation, program, self._pieces, limit, deadline)
        self._rule = BranchingRule(method.branching, self._solver, self._pieces, limit)
        self._best = np.inf
        """The least cost of a replayed input whose linear region was searched."""
        self.branchings = dict(branchings)
        """The integers that were branched on, in this tree or that one."""
        self.nodes = 0
        self.bound = -np.inf
        """A proved lower bound of the cost; infinite if all leaves are closed."""

    @property
    def proved(self) -> bool:
        """Whether it is proved that no point is within the limit."""
        return self.bound > self._limit

    @property
    def warm_start(self) -> WarmStart:
        """What a tree on another box can start from."""
        return self._solver.warm_start

    def run(self, hint: Array | None, solver: SubMipSolver) -> Array | None:
        """Return a point within the limit; None if there is none (``proved``) or time ran out.

        ``hint`` is a point ``(n,)`` of the program, whatever its cost, to search around.
        """
        if hint is not None:
            # The linear region around it was searched when it was found.
            self._best = float(self._cost @ hint)
        root = self._solver.root()
        self.bound = root.bound
        if self.proved or root.values is None:
            return None
        submips = self._method.submips
        waiting = submips.around(self._pieces, root.values, hint)
        with SubMipSearch(submips, solver, waiting, self._began, self._deadline) as search:
            return self._grown(root.bound, search)

    def _grown(self, root: float, search: SubMipSearch) -> Array | None:
        """Explore the tree from its root, whose bound is given."""
        nodes = [Node(root, 0, {}, None)]
        made = 0
        while nodes:
            self.bound = nodes[0].bound
            if self._solver.spent():
                return None
            point = search.result(self.nodes)
            if point is not None:
                return point
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
            place, sides = self._branching(node, solved)
            if place is None:
                return solved.values
            key = frozenset(node.fixed.items())
            self.branchings.pop(key, None)  # the latest ones are last
            self.branchings[key] = place
            for value, bound in zip((0.0, 1.0), sides, strict=True):
                if bound <= self._limit:
                    made += 1
                    child = {**node.fixed, place: value}
                    heapq.heappush(nodes, Node(bound, made, child, solved.basis))
        self.bound = np.inf
        return None

    def _branching(self, node: Node, solved: Solved) -> tuple[int | None, Sides]:
        """Return the integer to branch on, and bounds of both sides: one that another tree branched
        on in the same node needs no trial."""
        known = self.branchings.get(frozenset(node.fixed.items()))
        if known is None:
            return self._rule.choose(node, solved)
        return known, (solved.bound, solved.bound)

    def _near(self, values: Array) -> Array | None:
        """Return the best point of the linear region of a relaxed point's input, if it is within
        the limit. Only the regions of inputs that are better than those before are searched."""
        point, winners = self._pieces.replayed(values)
        cost = float(self._cost @ point)
        if cost >= self._best:
            return None
        self._best = cost
        self._solver.fix(dict(enumerate(winners.tolist())))
        best = self._solver.relaxed().values
        return best if best is not None and self._cost @ best <= self._limit else None
