"""The engine of branch and cut: decisions that minimise the margin of one row."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.engine import Engine, Options, RunEnd, SolverInterface
from mlspec.backends.highs import HIGHS, HighsEngine
from mlspec.backends.program import LinearProgram
from mlspec.branching.relaxation import NumericalTroubleError, Relaxation
from mlspec.branching.submips import SubMip, SubMipSolver
from mlspec.branching.tree import BranchAndCut, Tree
from mlspec.branching.warm_start import (
    MarginRows,
    WarmStart,
    WarmStarts,
    begin,
    branchings_by,
    named,
)
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import Termination

BRANCH_AND_CUT: Final = BranchAndCut()


class BranchingEngine:
    """Decides whether a program has a point, where the objective is the left side of a margin row.

    The row then counts as the limit of the objective. Without such a row HiGHS's own MILP solver
    decides, and so it does after numerical trouble in a linear program.
    """

    def __init__(
        self, program: LinearProgram, options: Options, method: BranchAndCut = BRANCH_AND_CUT
    ) -> None:
        self._method = method
        self._whole = HighsEngine(program, options, True)
        self._program = program
        self._options = options
        self._limits: dict[int, float] = {}
        self._lower, self._upper = program.lower.copy(), program.upper.copy()
        self._cost = program.cost
        self._cancelled = threading.Event()
        self._relaxation: Relaxation | None = None
        self._remembered: list[Array] = []
        """The last points that local searches found: the sub-MIPs of the tree start from them."""
        self._warm_starts: dict[MarginRows, WarmStart] = {}
        """By the rows of a decision, made here or by an engine before."""

    def warm_starts(self) -> WarmStarts:
        """Return what an engine for another box can start from, its own starts included."""
        return WarmStarts(dict(self._warm_starts))

    def start_from(self, warm_start: object) -> None:
        """Start from what an engine for another box of the same network returned."""
        if isinstance(warm_start, WarmStarts):
            self._warm_starts = dict(warm_start.by_rows)

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        self._limits |= rhs
        self._whole.change_rows(rhs)

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        self._lower[list(columns)], self._upper[list(columns)] = lower, upper
        self._whole.change_columns(columns, lower, upper)

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._cost = cost
        self._whole.change_cost(cost)

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._cancelled.set()
        self._whole.cancel()

    def run(self, deadline: Deadline) -> RunEnd:
        """Decide until ``deadline``."""
        self._cancelled.clear()
        row = self._objective_row()
        if row is None:
            return self._whole.run(deadline)
        if not self._is_whole():
            return self._near(row, deadline)
        try:
            return self._branched(row, deadline)
        except NumericalTroubleError:
            return self._whole.run(deadline)

    def _branched(self, row: int, deadline: Deadline) -> RunEnd:
        rows = self._margin_rows(row)
        warm_start = self._warm_starts.get(rows, WarmStart())
        relaxation = self._begun(warm_start)
        # The row is lifted and its limit is that of the objective: so nodes have bounds.
        relaxation.set_limits({**self._limits, row: np.inf})
        relaxation.set_cost(self._cost)
        relaxation.known = self._remembered
        program = replace(self._program, cost=self._cost)
        limit = self._limits[row]
        method = self._method
        if warm_start.cuts:
            method = replace(method, cuts=method.cuts.with_warm_start)
        known = branchings_by(warm_start, program)
        tree = Tree(method, program, relaxation, limit, deadline, known)
        hint = min(self._remembered, key=lambda point: float(self._cost @ point), default=None)
        submips = SubMipSolver(partial(self._searched, row), self._whole.cancel)
        point = tree.run(hint, submips)
        root = tree.warm_start if tree.warm_start.cuts else warm_start
        latest = dict(list(tree.branchings.items())[-method.branchings :])
        self._warm_starts[rows] = replace(root, branchings=named(program, latest))
        done = f"branch and cut, {tree.nodes} nodes, {relaxation.cuts} cuts"
        if point is not None:
            return RunEnd(Termination.OPTIMAL, point, None, done)
        if tree.proved:
            return RunEnd(Termination.INFEASIBLE, None, None, done, certified=True)
        left = self._limits[row] - tree.bound
        done = f"{done}, {left:.3g} left to prove"
        return RunEnd(Termination.LIMIT, None, tree.bound, done, certified=True)

    def _begun(self, warm_start: WarmStart) -> Relaxation:
        """Return the relaxation; a new one begins with the cuts and the basis of ``warm_start``."""
        if self._relaxation is None:
            cuts = self._method.cuts
            self._relaxation = Relaxation(self._program, self._options, self._cancelled, cuts.loose)
            begin(self._relaxation, warm_start, self._program, cuts.hull.smallest_coefficient)
        return self._relaxation

    def _margin_rows(self, row: int) -> MarginRows:
        """Return the names of the objective and of the margin rows that are active."""
        names = self._program.row_names
        if not names:
            return ()
        active = sorted(names[each] for each, limit in self._limits.items() if np.isfinite(limit))
        return names[row], *active

    def _near(self, row: int, deadline: Deadline) -> RunEnd:
        """Search for a point where the session has fixed variables; an end without a point proves
        nothing."""
        inside = [point for point in self._remembered if self._holds(point)]
        start = min(inside, key=lambda point: float(self._cost @ point), default=None)
        if start is None:
            found = self._sought(row, -np.inf, None, deadline)
        else:
            found = self._improved(row, start, deadline)
        if found is not None:
            self._remembered = [*self._remembered, found][-self._method.remembered :]
            if self._cost @ found <= self._limits[row]:
                return RunEnd(Termination.OPTIMAL, found, None, "a point near a given one")
        return RunEnd(Termination.LIMIT, None, None, "no point near the given one")

    def _improved(self, row: int, start: Array, deadline: Deadline) -> Array | None:
        """Search for a better point than ``start`` that shares its integers where the relaxation
        agrees with them (RINS: Danna, Rothberg, Le Pape 2005)."""
        with self._without(row):
            relaxed = self._whole.relaxed(deadline)
        if relaxed is None:
            return None
        columns = np.flatnonzero(self._program.integer)
        values = start[columns].round()
        agreed = np.abs(relaxed[columns] - values) <= self._method.agreed
        with self._fixed(columns[agreed], values[agreed]):
            return self._sought(row, -np.inf, start, deadline)

    def _searched(self, row: int, submip: SubMip, deadline: Deadline) -> Array | None:
        """Let HiGHS search for a point within the limit in a sub-MIP of the program."""
        columns = np.flatnonzero(self._program.integer)[submip.fixed]
        with self._fixed(columns, submip.values[submip.fixed]):
            found = self._sought(row, self._limits[row], submip.start, deadline)
        return found if found is not None and self._cost @ found <= self._limits[row] else None

    def _sought(
        self, row: int, target: float, start: Array | None, deadline: Deadline
    ) -> Array | None:
        """Return the best point that HiGHS finds, or the first whose cost is at most ``target``."""
        # HiGHS finds good points by improving others, which the limit as a row would forbid.
        with self._without(row):
            return self._whole.seek(target, start, deadline)

    @contextmanager
    def _without(self, row: int) -> Iterator[None]:
        """Lift the limit of ``row``."""
        self._whole.change_rows({row: np.inf})
        try:
            yield
        finally:
            self._whole.change_rows({row: self._limits[row]})

    @contextmanager
    def _fixed(self, columns: NDArray[np.intp], values: Array) -> Iterator[None]:
        """Hold ``columns`` at ``values``."""
        self._whole.change_columns(columns.tolist(), values, values)
        try:
            yield
        finally:
            ends = self._lower[columns], self._upper[columns]
            self._whole.change_columns(columns.tolist(), *ends)

    def _objective_row(self) -> int | None:
        """Return the active margin row whose left side is the objective."""
        places = np.flatnonzero(self._cost)
        for row, limit in self._limits.items():
            columns, values = self._program.row(row)
            same = len(columns) == len(places) and np.array_equal(self._cost[columns], values)
            if same and len(places) and np.isfinite(limit):
                return row
        return None

    def _holds(self, point: Array) -> bool:
        """Whether the integers of ``point`` ``(n,)`` lie within the present bounds."""
        integers = point[self._program.integer].round()
        lower, upper = (ends[self._program.integer] for ends in (self._lower, self._upper))
        return bool(np.all((lower <= integers) & (integers <= upper)))

    def _is_whole(self) -> bool:
        """Whether all variables have the bounds of the program, for which cuts are valid."""
        lower, upper = self._program.lower, self._program.upper
        return np.array_equal(self._lower, lower) and np.array_equal(self._upper, upper)


def branching(method: BranchAndCut) -> SolverInterface:
    """Return branch and cut on linear programs of HiGHS, with the numbers of ``method``."""
    return replace(HIGHS, load=partial(_load, method), certifies=True)


def _load(method: BranchAndCut, program: LinearProgram, options: Options, first: bool) -> Engine:
    # The tree branches between 0 and 1: any other integer is for HiGHS itself.
    ends = program.lower[program.integer], program.upper[program.integer]
    binary = bool(np.all(ends[0] == 0.0) and np.all(ends[1] == 1.0))
    if first and binary:
        return BranchingEngine(program, options, method)
    return HighsEngine(program, options, first)


BRANCHING: Final = branching(BRANCH_AND_CUT)
"""The same with the numbers that the method has by itself."""
