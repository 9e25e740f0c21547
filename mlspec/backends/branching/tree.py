"""Best-first branch and cut over the winners of ReLUs and max-pool windows.

A node is proved when the dual bound of its relaxation exceeds the limit, and a tree when all its
leaves are. A violation is looked for where relaxations point: in the linear region of their input.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mlspec.backends.branching.hull import deepest, hulls
from mlspec.backends.branching.pseudocost import Pseudocosts, score
from mlspec.backends.branching.relaxation import STATUS, Basis, Relaxation, Relaxed
from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array

ROOT_ROUNDS, NODE_ROUNDS = 40, 3
"""Rounds of cuts at most."""
ROOT_CUTS, NODE_CUTS = 200, 80
"""Cuts of one round at most."""
MOST_CUTS = 1.5
"""Loose cuts are dropped when there are so many times the root's."""
TAIL, TAIL_GAIN = 4, 0.02
"""The root is done when so many rounds together close less than this share of what is left."""
NODE_GAIN = 0.01
"""The same for one round at a node."""
TRIED, TRIED_LATER, EXPECTED = 6, 3, 2
"""Integers whose two sides are tried: new ones in the first nodes, later, and the best known."""
EARLY = 10
"""Nodes that count as the first."""
TRIAL_ITERATIONS = 100
"""Simplex iterations of one trial."""
STOPPED = {STATUS.kTimeLimit, STATUS.kInterrupt, STATUS.kIterationLimit}
"""Ends that are nobody's fault."""
INTEGRAL = 1e-6
"""So near to an integer a value is one."""


class NumericalTroubleError(Exception):
    """HiGHS ended a linear program in a way that neither bounds nor solves it."""


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    fixed: dict[int, float] = field(compare=False)
    """Integers by their place, and their values."""
    basis: Basis | None = field(compare=False)


class Tree:
    """Decides whether a program has a point whose cost is at most ``limit``."""

    def __init__(
        self,
        program: LinearProgram,
        relaxation: Relaxation,
        limit: float,
        cancelled: threading.Event,
    ) -> None:
        self._relaxation = relaxation
        self._limit = limit
        self._cancelled = cancelled
        self._cost = program.cost
        self._hulls = hulls(program)
        self._columns = np.flatnonzero(program.integer)
        self._ends = program.lower[self._columns], program.upper[self._columns]
        self._places = {column: place for place, column in enumerate(self._columns.tolist())}
        self._mirrored = [
            self._places[int(piece.wins[1])]
            for piece in program.pieces
            if piece.rest is None and len(piece.wins) == 2
        ]
        self._pseudocosts = Pseudocosts(len(self._columns))
        self._root_cuts = 0
        self._deadline = 0.0
        self.nodes = 0
        self.bound = -np.inf
        """No point has less cost."""

    def run(self, seconds: float) -> Array | None:
        """Return a point, or None: the question is answered if ``bound`` exceeds the limit."""
        self._deadline = time.monotonic() + seconds
        try:
            return self._search()
        finally:
            self._fix({})

    @property
    def proved(self) -> bool:
        """Whether there is no point."""
        return self.bound > self._limit

    def _search(self) -> Array | None:
        self._fix({})
        root = self._root()
        if root is None:
            return None
        self.bound = root.bound
        if self.proved:
            return None
        best = np.inf
        open_nodes = [_Node(root.bound, 0, {}, None)]
        made = 0
        while open_nodes:
            self.bound = open_nodes[0].bound
            if self._spent():
                return None
            node = heapq.heappop(open_nodes)
            self.nodes += 1
            relaxed = self._solved(node)
            if relaxed is None:
                return None
            if relaxed.bound > self._limit:
                continue
            assert relaxed.values is not None
            basis = self._relaxation.basis
            near, winners = self._near(relaxed.values)
            if near < best:
                best = near
                point = self._in_region(winners)
                if point is not None:
                    return point
            place, bounds = self._branching(node, relaxed.bound, relaxed.values, basis)
            if place is None:
                return relaxed.values
            for value, bound in zip((0.0, 1.0), bounds, strict=True):
                if bound <= self._limit:
                    made += 1
                    child = {**node.fixed, place: value}
                    heapq.heappush(open_nodes, _Node(max(bound, relaxed.bound), made, child, basis))
        self.bound = np.inf
        return None

    def _root(self) -> Relaxed | None:
        """Return the root's relaxation with cuts; None if there was no time for the first."""
        relaxed = self._relaxed()
        history = [relaxed.bound]
        for done in range(ROOT_ROUNDS):
            if relaxed.values is None or relaxed.bound > self._limit or self._spent():
                break
            cuts = deepest(self._hulls, relaxed.values, ROOT_CUTS)
            left = self._limit - relaxed.bound
            if not cuts or (done > TAIL and relaxed.bound - history[-1 - TAIL] < TAIL_GAIN * left):
                break
            if done % 3 == 2:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self._relaxed()
            history.append(relaxed.bound)
        self._root_cuts = self._relaxation.cuts
        bound = max(history)
        return None if bound == -np.inf else replace(relaxed, bound=bound)

    def _solved(self, node: _Node) -> Relaxed | None:
        """Return the relaxation of ``node`` with cuts of its own; None if time ran out."""
        self._fix(node.fixed)
        if node.basis is not None:
            self._relaxation.start_from(node.basis)
        relaxed = self._relaxed()
        bound = max(node.bound, relaxed.bound)
        for _ in range(NODE_ROUNDS):
            if relaxed.values is None or bound > self._limit or self._spent():
                break
            cuts = deepest(self._hulls, relaxed.values, NODE_CUTS)
            if not cuts:
                break
            if self._relaxation.cuts > MOST_CUTS * self._root_cuts:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self._relaxed()
            gained = relaxed.bound - bound
            bound = max(bound, relaxed.bound)
            if gained < NODE_GAIN * (self._limit - bound):
                break
        if relaxed.values is None and bound <= self._limit:
            return None
        return replace(relaxed, bound=bound)

    def _branching(
        self, node: _Node, bound: float, values: Array, basis: Basis
    ) -> tuple[int | None, tuple[float, float]]:
        """Return the integer to branch on and the bounds of both sides; None where all is fixed."""
        best: tuple[float, int | None, tuple[float, float]] = (-1.0, None, (bound, bound))
        for place in self._worth_trying(node, values):
            value = float(np.clip(values[self._columns[place]], INTEGRAL, 1.0 - INTEGRAL))
            sides = self._tried(node, place, bound, basis)
            bounds = sides[0].bound, sides[1].bound
            if min(bounds) > self._limit:
                return place, bounds
            guesses = np.minimum([side.guess for side in sides], self._limit)
            gains = np.maximum(guesses - bound, 0.0)
            for number, distance in enumerate((value, 1.0 - value)):
                self._pseudocosts.note(place, number, gains[number], distance)
            # A side that is closed at once is worth more than two that are a little better.
            worth = score(gains) + (max(bounds) > self._limit) * (self._limit - bound) ** 2
            best = max(best, (worth, place, bounds), key=lambda each: each[0])
            if self._spent():
                break
        return best[1], best[2]

    def _worth_trying(self, node: _Node, values: Array) -> Iterator[int]:
        """Yield integers whose sides to try, the loosest pieces first."""
        integers = values[self._columns]
        loose = np.zeros(len(integers))
        for hull in self._hulls:
            places = [self._places[column] for column in hull.piece.wins.tolist()]
            open_part = np.minimum(integers[places], 1.0 - integers[places])
            loose[places] = np.maximum(loose[places], hull.looseness(values) * open_part)
        loose[self._mirrored] = -1.0
        loose[list(node.fixed)] = -1.0
        order = [place for place in np.argsort(-loose, kind="stable").tolist() if loose[place] >= 0]
        broken = [place for place in order if INTEGRAL < integers[place] < 1.0 - INTEGRAL]
        order = broken or order[:1]
        known = [place for place in order if self._pseudocosts.known(place)]
        known.sort(key=lambda place: -self._pseudocosts.expected(place, float(integers[place])))
        fresh = [place for place in order if not self._pseudocosts.known(place)]
        yield from known[:EXPECTED]
        yield from fresh[: TRIED if self.nodes <= EARLY else TRIED_LATER]

    def _tried(self, node: _Node, place: int, bound: float, basis: Basis) -> list[Relaxed]:
        """Return what a few iterations say of each side of an integer."""
        sides = []
        for value in (0.0, 1.0):
            self._fix({**node.fixed, place: value})
            self._relaxation.start_from(basis)
            side = self._relaxed(TRIAL_ITERATIONS)
            sides.append(replace(side, bound=max(bound, side.bound)))
        return sides

    def _near(self, values: Array) -> tuple[float, dict[int, float]]:
        """Return about what the input of a relaxed point really costs, and who wins there."""
        point = values.copy()
        winners: dict[int, float] = {}
        for hull in self._hulls:
            candidates = hull.values(point)
            point[hull.piece.output] = candidates.max()
            winner = int(candidates.argmax())
            for number, column in enumerate(hull.piece.wins.tolist()):
                winners[self._places[column]] = float(number == winner)
        return float(self._cost @ point), winners

    def _in_region(self, winners: dict[int, float]) -> Array | None:
        """Return the best point where these candidates win, if it is within the limit."""
        self._fix(winners)
        relaxed = self._relaxed()
        if relaxed.values is None or self._cost @ relaxed.values > self._limit:
            return None
        return relaxed.values

    def _relaxed(self, iterations: int = 2**31 - 1) -> Relaxed:
        for _ in range(2):
            relaxed = self._relaxation.solve(self._deadline - time.monotonic(), iterations)
            if relaxed.values is not None or relaxed.bound == np.inf or relaxed.end in STOPPED:
                return relaxed
            # A bad basis may be all that is wrong.
            self._relaxation.forget()
        raise NumericalTroubleError(f"HiGHS ended a linear program with {relaxed.end}")

    def _fix(self, fixed: dict[int, float]) -> None:
        lower, upper = (ends.copy() for ends in self._ends)
        places = list(fixed)
        lower[places] = upper[places] = list(fixed.values())
        self._relaxation.fix(self._columns, lower, upper)

    def _spent(self) -> bool:
        return self._cancelled.is_set() or time.monotonic() >= self._deadline
