"""Relaxations of the nodes of a tree, with cuts, within one deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from mlspec.backends.highs import NO_LIMIT
from mlspec.backends.pieces import Pieces
from mlspec.branching.hull import Hull, deepest
from mlspec.branching.relaxation import (
    STATUS,
    Basis,
    NumericalTroubleError,
    Relaxation,
    Relaxed,
)
from mlspec.core.network import Array

ROOT_ROUNDS, NODE_ROUNDS = 40, 3
"""Rounds of cuts at most."""
ROOT_CUTS, NODE_CUTS = 500, 80
"""Cuts of one round at most."""
TAIL, TAIL_GAIN = 4, 0.2
"""The root is done when so many rounds together close less than this share of what is left."""
NODE_GAIN = 0.05
"""The same for one round at a node."""
MOST_CUTS = 1.5
"""Loose cuts are dropped when there are so many times the root's."""
Sides = tuple[float, float]
"""A bound where an integer is 0, and one where it is 1."""
STOPPED = {STATUS.kTimeLimit, STATUS.kInterrupt, STATUS.kIterationLimit}
"""Ends that are nobody's fault."""


@dataclass(order=True)
class Node:
    """A part of the problem that is left to prove."""

    bound: float
    number: int
    fixed: Mapping[int, float] = field(compare=False)
    """Integers by their place, and their values."""
    basis: Basis | None = field(compare=False)


@dataclass(frozen=True, eq=False)
class Solved:
    """What is known of a node that is not proved."""

    bound: float
    last: Relaxed
    """Its last relaxation; the bound may be that of an earlier one, which had other cuts."""
    values: Array
    """``(n,)``: where that has its optimum."""
    prices: Array
    """``(n,)``: what it would bring there if a variable were less high."""
    basis: Basis


class NodeSolver:
    """Bounds the cost in a node from below."""

    def __init__(
        self,
        relaxation: Relaxation,
        pieces: Pieces,
        hulls: Sequence[Hull],
        limit: float,
        deadline: float,
        cancelled: threading.Event,
    ) -> None:
        self._relaxation = relaxation
        self._sides: tuple[Relaxation, ...] = ()
        self._pieces = pieces
        self._hulls = hulls
        self._limit = limit
        self._deadline = deadline
        self._cancelled = cancelled
        self._root_cuts = 0

    def spent(self) -> bool:
        """Whether there is no more time."""
        return self._cancelled.is_set() or time.monotonic() >= self._deadline

    def root(self) -> Relaxed:
        """Return the relaxation of the whole problem, cut until cuts bring little."""
        self.fix({})
        relaxed = self.relaxed()
        history = [relaxed.bound]
        for done in range(ROOT_ROUNDS):
            if relaxed.values is None or relaxed.bound > self._limit or self.spent():
                break
            cuts = deepest(self._hulls, relaxed.values, ROOT_CUTS)
            left = self._limit - relaxed.bound
            if not cuts or (done > TAIL and relaxed.bound - history[-1 - TAIL] < TAIL_GAIN * left):
                break
            if done % 3 == 2:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self.relaxed()
            history.append(relaxed.bound)
        self._root_cuts = self._relaxation.cuts
        return replace(relaxed, bound=max(history))

    def solved(self, node: Node) -> Solved | float | None:
        """Return what cuts of its own say of ``node``: only a bound, if that proves it; None if
        time ran out."""
        self.fix(node.fixed)
        if node.basis is not None:
            self._relaxation.start_from(node.basis)
        relaxed = self.relaxed()
        bound = max(node.bound, relaxed.bound)
        for _ in range(NODE_ROUNDS):
            if relaxed.values is None or bound > self._limit or self.spent():
                break
            cuts = deepest(self._hulls, relaxed.values, NODE_CUTS)
            if not cuts:
                break
            if self._relaxation.cuts > MOST_CUTS * self._root_cuts:
                self._relaxation.drop_loose()
            self._relaxation.add(cuts)
            relaxed = self.relaxed()
            gained = relaxed.bound - bound
            bound = max(bound, relaxed.bound)
            if gained < NODE_GAIN * (self._limit - bound):
                break
        if bound > self._limit:
            return bound
        if relaxed.values is None:
            return None
        prices = self._relaxation.prices(relaxed)
        return Solved(bound, relaxed, relaxed.values, prices, self._relaxation.basis)

    def sides(self, fixed: Mapping[int, float], place: int, basis: Basis, iterations: int) -> Sides:
        """Return what a few iterations say of both sides of an integer in a node, at the same time.

        ``basis`` is that of the last run with all cuts.
        """
        if not self._sides:
            self._sides = self._relaxation.beside(), self._relaxation.beside()

        def bound(relaxation: Relaxation, value: float) -> float:
            relaxation.follow(self._relaxation)
            self._fix(relaxation, {**fixed, place: value})
            relaxation.start_from(basis)
            return self._run(relaxation, iterations).bound

        with ThreadPoolExecutor(2) as both:
            zero, one = both.map(bound, self._sides, (0.0, 1.0))
        return zero, one

    def fix(self, fixed: Mapping[int, float]) -> None:
        """Fix these integers, and no others."""
        self._fix(self._relaxation, fixed)

    def relaxed(self) -> Relaxed:
        """Run as things are; raises NumericalTroubleError."""
        return self._run(self._relaxation, NO_LIMIT)

    def _fix(self, relaxation: Relaxation, fixed: Mapping[int, float]) -> None:
        lower, upper = (ends.copy() for ends in self._pieces.ends)
        places = list(fixed)
        lower[places] = upper[places] = list(fixed.values())
        relaxation.fix(self._pieces.columns, lower, upper)

    def _run(self, relaxation: Relaxation, iterations: int) -> Relaxed:
        for _ in range(2):
            relaxed = relaxation.solve(self._deadline - time.monotonic(), iterations)
            if relaxed.values is not None or relaxed.bound > self._limit or relaxed.end in STOPPED:
                return relaxed
            # A bad basis may be all that is wrong.
            relaxation.forget()
        raise NumericalTroubleError(f"HiGHS ended a linear program with {relaxed.end}")
