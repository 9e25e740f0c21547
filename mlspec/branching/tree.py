"""Best-first branch and cut over the winners of ReLUs and max-pool windows.

A node is closed when the dual bound of its relaxation exceeds the limit; where all leaves are
closed, it is proved that there is no point within the limit. Points are sought in the linear region
of the input of each relaxed point, and in sub-MIPs (``submips``).
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlspec.backends.pieces import Pieces
from mlspec.backends.program import LinearProgram
from mlspec.branching.leaf import Leaf
from mlspec.branching.learnt import Branchings, Learnt
from mlspec.branching.nodes import CuttingPlanes, Node, NodeSolver, Sides, Solved
from mlspec.branching.relaxation import Relaxation
from mlspec.branching.rule import BranchingRule, ReliabilityBranching
from mlspec.branching.submips import LargeNeighborhoods, SubMipSearch, SubMipSolver
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
        regions: Relaxation,
        limit: float,
        deadline: Deadline,
        cancelled: threading.Event,
        branchings: Branchings,
    ) -> None:
        """``branchings`` are those of a tree for another box. ``regions`` is a relaxation without
        cuts, for linear regions: with all integers fixed cuts say nothing more."""
        self._method = method
        self._regions = regions
        self._cost = program.cost
        self._limit = limit
        self._began = deadline.clock.now()
        self._deadline = deadline
        self._pieces = Pieces(program)
        self._solver = NodeSolver(
            method.cuts, relaxation, program, self._pieces, limit, deadline, cancelled
        )
        self._rule = BranchingRule(method.branching, self._solver, self._pieces, limit)
        self._open: list[Node] = []
        self._best = np.inf
        """The least cost of a replayed input whose linear region was searched."""
        self.branchings = dict(branchings)
        """The integers that were branched on, in this tree or another one."""
        self.nodes = 0
        self.bound = -np.inf
        """A proved lower bound of the cost; infinite if all leaves are closed."""

    @property
    def proved(self) -> bool:
        """Whether it is proved that no point is within the limit."""
        return self.bound > self._limit

    @property
    def leaves(self) -> Sequence[Leaf]:
        """The nodes that were proved, and those that are open; together they hold all points. Empty
        where not even the root has a bound."""
        left = [node.leaf for node in self._open]
        return [*self._solver.leaves, *(leaf for leaf in left if leaf is not None)]

    @property
    def learnt(self) -> Learnt:
        """What the root knows that is of use to other programs."""
        return self._solver.learnt

    def extend(self, lost: Sequence[Leaf], bounds: Array) -> Array | None:
        """Return a point of the nodes of leaves that were ``lost``, or None as ``run`` does.

        ``bounds`` are theirs, none above the limit.
        """
        self._open = [
            Node(bound, number, leaf.fixed, leaf.basis, leaf)
            for number, (leaf, bound) in enumerate(zip(lost, bounds.tolist(), strict=True))
        ]
        heapq.heapify(self._open)
        return self._grown(None)

    def run(self, hint: Array | None, solver: SubMipSolver) -> Array | None:
        """Return a point within the limit; None if there is none (``proved``) or time ran out.

        ``hint`` is a point ``(n,)`` of the program, whatever its cost, to search around.
        """
        if hint is not None:
            # The linear region around it was searched when it was found.
            self._best = float(self._cost @ hint)
        root, leaf = self._solver.root()
        self.bound = root.bound
        self._open = [Node(root.bound, 0, {}, None, leaf)]
        if self.proved or root.values is None:
            return None
        submips = self._method.submips
        waiting = submips.around(self._pieces, root.values, hint)
        with SubMipSearch(submips, solver, waiting, self._began, self._deadline) as search:
            return self._grown(search)

    def _grown(self, search: SubMipSearch | None) -> Array | None:
        """Branch from the nodes that are open."""
        nodes, made = self._open, len(self._open)
        while nodes:
            self.bound = nodes[0].bound
            if self._solver.spent():
                return None
            point = None if search is None else search.result(self.nodes)
            if point is not None:
                return point
            node = nodes[0]
            self.nodes += 1
            solved = self._solver.solved(node)
            if solved is None:
                return None
            if isinstance(solved, float):
                heapq.heappop(nodes)
                continue
            point = self._near(solved.values)
            if point is not None:
                return point
            place, sides = self._branching(node, solved)
            if place is None:
                return solved.values
            self.branchings[frozenset(node.fixed.items())] = place
            heapq.heappop(nodes)
            for value, bound in zip((0.0, 1.0), sides, strict=True):
                leaf = self._solver.side(place, value, solved)
                if bound > self._limit:
                    self._solver.leaves.append(leaf)
                else:
                    made += 1
                    heapq.heappush(nodes, Node(bound, made, leaf.fixed, solved.basis, leaf))
        self.bound = np.inf
        return None

    def _branching(self, node: Node, solved: Solved) -> tuple[int | None, Sides]:
        """Return the integer to branch on, and bounds of both sides: one that served well in the
        same node of another tree needs no trial."""
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
        self._regions.fix(self._pieces.columns, winners, winners)
        best = self._regions.solve(self._deadline).values
        return best if best is not None and self._cost @ best <= self._limit else None
