"""Relaxations of the nodes of a tree, with cuts, within one deadline."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from mlspec.backends.pieces import Pieces
from mlspec.backends.program import LinearProgram
from mlspec.branching.hull import HullCuts, hulls_of
from mlspec.branching.relaxation import (
    STATUS,
    Basis,
    NumericalTroubleError,
    Relaxation,
    Relaxed,
)
from mlspec.branching.warm_start import WarmStart, warm_start_of
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array

Sides = tuple[float, float]
"""A bound where an integer is 0, and one where it is 1."""
STOPPED = {STATUS.kTimeLimit, STATUS.kInterrupt, STATUS.kIterationLimit}
"""Ends of a run that was cut short."""


@dataclass(frozen=True)
class CuttingPlanes:
    """How the relaxations of nodes are tightened by cuts."""

    hull: HullCuts = field(default_factory=HullCuts)
    """Which cuts."""
    root_rounds: int = 40
    """Rounds of cuts at the root, at most."""
    root_cuts: int = 500
    """Cuts of one round at the root, at most."""
    tail_rounds: int = 4
    """The root is done when this many rounds together close less than ``tail_gain``."""
    tail_gain: float = 0.2
    """Share of what is left to the limit that the last ``tail_rounds`` must close together."""
    drop_every: int = 3
    """Rounds at the root after which cuts that do not bind are dropped."""
    node_rounds: int = 3
    """Rounds of cuts at any other node, at most."""
    node_cuts: int = 80
    """Cuts of one round at any other node, at most."""
    node_gain: float = 0.05
    """A node is done when a round closes less than this share of what is left to the limit."""
    most: float = 1.5
    """Cuts that do not bind are dropped once there are more cuts than this multiple of the
    root's."""
    loose: float = 1e-3
    """A cut counts as not binding where it is farther than this from tight, in rows of order one.
    The error of a known point of the program is far smaller: a cut that it violates by more is
    wrong."""

    @property
    def with_warm_start(self) -> CuttingPlanes:
        """The numbers for a relaxation with a warm start, which has most of its cuts already."""
        return replace(self, tail_rounds=1, tail_gain=self.tail_gain / self.tail_rounds)


@dataclass(order=True)
class Node:
    """An open node of the tree; nodes are ordered by their bounds."""

    bound: float
    """No point of the node has less cost."""
    number: int
    """Its place in the order in which nodes were made."""
    fixed: Mapping[int, float] = field(compare=False)
    """Integers by their place, and their values."""
    basis: Basis | None = field(compare=False)
    """The basis of its parent's last run."""


@dataclass(frozen=True, eq=False)
class Solved:
    """What is known of a node that is not proved."""

    bound: float
    last: Relaxed
    """Its last relaxation; the bound may be that of an earlier one, which had other cuts."""
    values: Array
    """``(n,)``: the optimum of that."""
    prices: Array
    """``(n,)``: the weight of each variable in the rows that bind there (``Relaxation.prices``)."""
    basis: Basis
    """The basis of that."""


class NodeSolver:
    """Bounds the cost in a node from below."""

    def __init__(
        self,
        planes: CuttingPlanes,
        relaxation: Relaxation,
        program: LinearProgram,
        pieces: Pieces,
        limit: float,
        deadline: Deadline,
    ) -> None:
        self._planes = planes
        self._relaxation = relaxation
        self._sides: tuple[Relaxation, ...] = ()
        self._pieces = pieces
        self._hulls = hulls_of(program)
        self._limit = limit
        self._deadline = deadline
        self._root_cuts = 0
        self._program = program
        self.warm_start = WarmStart()
        """What a tree on another box can start from."""

    def spent(self) -> bool:
        """Whether the deadline has passed, or the search was cancelled."""
        return self._relaxation.cancelled.is_set() or self._deadline.passed

    def root(self) -> Relaxed:
        """Return the relaxation of the whole problem, cut until rounds of cuts gain little."""
        planes = self._planes
        self.fix({})
        relaxed = self.relaxed()
        history = [relaxed.bound]
        for done in range(planes.root_rounds):
            if relaxed.values is None or relaxed.bound > self._limit or self.spent():
                break
            cuts = planes.hull.deepest(self._hulls, relaxed.values, planes.root_cuts)
            left = self._limit - relaxed.bound
            if not cuts:
                break
            if done > planes.tail_rounds:
                gained = relaxed.bound - history[-1 - planes.tail_rounds]
                if gained < planes.tail_gain * left:
                    break
            if done % planes.drop_every == planes.drop_every - 1:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self.relaxed()
            history.append(relaxed.bound)
        self._root_cuts = self._relaxation.cuts
        held = self._relaxation.basis.held
        self.warm_start = warm_start_of(self._program, self._relaxation.binding(), held)
        return replace(relaxed, bound=max(history))

    def solved(self, node: Node) -> Solved | float | None:
        """Return the relaxation of ``node`` after rounds of cuts: only its bound if that exceeds
        the limit, None if time ran out."""
        planes = self._planes
        self.fix(node.fixed)
        if node.basis is not None:
            self._relaxation.start_from(node.basis)
        relaxed = self.relaxed()
        bound = max(node.bound, relaxed.bound)
        for _ in range(planes.node_rounds):
            if relaxed.values is None or bound > self._limit or self.spent():
                break
            cuts = planes.hull.deepest(self._hulls, relaxed.values, planes.node_cuts)
            if not cuts:
                break
            if self._relaxation.cuts > planes.most * self._root_cuts:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self.relaxed()
            gained = relaxed.bound - bound
            bound = max(bound, relaxed.bound)
            if gained < planes.node_gain * (self._limit - bound):
                break
        if bound > self._limit:
            return bound
        if relaxed.values is None:
            return None
        prices = self._relaxation.prices(relaxed)
        return Solved(bound, relaxed, relaxed.values, prices, self._relaxation.basis)

    def sides(self, fixed: Mapping[int, float], place: int, basis: Basis, iterations: int) -> Sides:
        """Return bounds of both sides of an integer in a node, by a few simplex iterations each.

        The sides run at the same time. ``basis`` is that of the last run with all cuts.
        """
        if not self._sides:
            self._sides = self._relaxation.companion(), self._relaxation.companion()

        def bound(relaxation: Relaxation, value: float, deadline: Deadline) -> float:
            relaxation.take_cuts_of(self._relaxation)
            self._fix(relaxation, {**fixed, place: value})
            relaxation.start_from(basis)
            return self._run(relaxation, iterations, deadline).bound

        ends = self._deadline.fork(), self._deadline.fork()
        with ThreadPoolExecutor(2) as both:
            zero, one = both.map(bound, self._sides, (0.0, 1.0), ends)
        self._deadline.clock.join(*(end.clock for end in ends))
        return zero, one

    def fix(self, fixed: Mapping[int, float]) -> None:
        """Fix these integers, and no others."""
        self._fix(self._relaxation, fixed)

    def relaxed(self) -> Relaxed:
        """Solve the relaxation with what is fixed now; raises NumericalTroubleError."""
        return self._run(self._relaxation, None, self._deadline)

    def _fix(self, relaxation: Relaxation, fixed: Mapping[int, float]) -> None:
        lower, upper = (ends.copy() for ends in self._pieces.ends)
        places = list(fixed)
        lower[places] = upper[places] = list(fixed.values())
        relaxation.fix(self._pieces.columns, lower, upper)

    def _run(self, relaxation: Relaxation, iterations: int | None, deadline: Deadline) -> Relaxed:
        for _ in range(2):
            relaxed = relaxation.solve(deadline, iterations)
            if relaxed.values is not None or relaxed.bound > self._limit or relaxed.end in STOPPED:
                return relaxed
            # A bad basis may be all that is wrong.
            relaxation.clear_basis()
        raise NumericalTroubleError(f"HiGHS ended a linear program with {relaxed.end}")
