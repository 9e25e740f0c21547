"""HiGHS, embedded: the program is handed over as arrays, then changed in place."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import highspy
import numpy as np

from mlspec.backends.engine import PATIENCE, Options, RunEnd, SolverInterface
from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.errors import OptionError, SolverError
from mlspec.milp.model import Termination

TERMINATIONS: Mapping[str, Termination] = {
    "kOptimal": Termination.OPTIMAL,
    "kInfeasible": Termination.INFEASIBLE,
    "kUnbounded": Termination.UNBOUNDED,
    "kUnboundedOrInfeasible": Termination.UNBOUNDED,
    "kTimeLimit": Termination.LIMIT,
    "kInterrupt": Termination.LIMIT,
    "kHighsInterrupt": Termination.LIMIT,
    "kIterationLimit": Termination.LIMIT,
    "kSolutionLimit": Termination.LIMIT,
    "kMemoryLimit": Termination.LIMIT,
    "kObjectiveBound": Termination.LIMIT,
    "kObjectiveTarget": Termination.LIMIT,
    "kUnknown": Termination.NUMERICAL,
    "kSolveError": Termination.NUMERICAL,
}
"""By the names in HiGHS's ``HighsModelStatus``; every other one is ``FAILED``."""


@dataclass(frozen=True)
class HighsOperations:
    """What HiGHS's steps count as, where work is counted."""

    per_entry: float = 16.0
    """Operations of a simplex iteration, for each entry of the matrix."""
    per_row: float = 160.0
    """The same for each row."""
    of_poll: float = 4e6
    """Operations of a step of the MILP solver, between two of its polls for an interrupt."""

    def of_iteration(self, program: LinearProgram, more_rows: int = 0) -> float:
        """Return the operations of one simplex iteration; ``more_rows`` are cuts."""
        return self.per_entry * program.matrix.nnz + self.per_row * (program.rows + more_rows)


OPERATIONS: Final = HighsOperations()


class Interrupt:
    """When a run has to end: once it is cancelled, or after so many polls."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self.polls = 0
        self.most = math.inf

    def due(self) -> bool:
        """Count a poll, and say whether the run has to end."""
        self.polls += 1
        return self._cancelled.is_set() or self.polls > self.most


class HighsEngine:
    """One program inside HiGHS."""

    no_limit: ClassVar[int] = 2**31 - 1
    """What HiGHS takes for no limit of a count."""
    strictest: ClassVar[Options] = {"dual_feasibility_tolerance": 1e-10}
    """The least HiGHS allows. It stops at smaller reduced costs: many of them, on variables of wide
    range, could add up to a violation."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        self._discrete = bool(program.integer.any())
        self._cancelled = threading.Event()
        first_only: Options = {"mip_max_improving_sols": 1} if first else {}
        self._polls = Interrupt(self._cancelled)
        self._program = program
        self._highs = opened(program, {**options, **first_only}, self._cancelled, self._polls)

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        for row, value in rhs.items():
            self._highs.changeRowBounds(row, -highspy.kHighsInf, value)

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        chosen = np.asarray(columns, dtype=np.int32)
        self._highs.changeColsBounds(len(chosen), chosen, lower, upper)

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``."""
        return self._from(None, deadline)

    def _from(self, start: Array | None, deadline: Deadline) -> RunEnd:
        self._cancelled.clear()
        self._highs.clearSolver()
        if start is not None:
            given = highspy.HighsSolution()
            given.col_value = start.tolist()
            self._highs.setSolution(given)
        # HiGHS's clock runs on from one solve to the next; only over MILPs is the limit of one.
        relaxing = self._highs.getOptionValue("solve_relaxation")[1]
        whole = self._discrete and not relaxing
        spent = 0.0 if whole else self._highs.getRunTime()
        set_option(self._highs, "time_limit", spent + PATIENCE.wall_seconds(deadline))
        self._run_counted(whole, deadline)
        return self._outcome()

    def _run_counted(self, whole: bool, deadline: Deadline) -> None:
        """Run, and spend the work that it counts as: of a MILP (``whole``) its polls, of a linear
        program its simplex iterations."""
        iterate, left = OPERATIONS.of_iteration(self._program), deadline.operations_left
        self._polls.polls = 0
        self._polls.most = left / OPERATIONS.of_poll + 1.0 if whole else math.inf
        most = self.no_limit if whole else int(min(left / iterate + 1.0, self.no_limit))
        set_option(self._highs, "simplex_iteration_limit", most)
        self._highs.run()
        iterations = self._highs.getInfo().simplex_iteration_count
        polled = OPERATIONS.of_poll * self._polls.polls
        deadline.spend(polled if whole else iterate * (1 + iterations))

    def seek(self, target: float, start: Array | None, deadline: Deadline) -> Array | None:
        """Return the best point ``(n,)`` found until ``deadline``, or the first whose objective is
        at most ``target``; ``start`` is a point to begin with."""
        options = {"objective_target": target, "mip_max_improving_sols": self.no_limit}
        before = {key: self._highs.getOptionValue(key)[1] for key in options}
        for key, value in options.items():
            set_option(self._highs, key, value)
        try:
            return self._from(start, deadline).values
        finally:
            for key, value in before.items():
                set_option(self._highs, key, value)

    def relaxed(self, deadline: Deadline) -> Array | None:
        """Return the optimum ``(n,)`` without integrality, if it is found in time."""
        set_option(self._highs, "solve_relaxation", True)
        try:
            outcome = self._from(None, deadline)
        finally:
            set_option(self._highs, "solve_relaxation", False)
        return outcome.values if outcome.termination is Termination.OPTIMAL else None

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._cancelled.set()

    def _outcome(self) -> RunEnd:
        status = self._highs.getModelStatus()
        termination = TERMINATIONS.get(status.name, Termination.FAILED)
        message = str(self._highs.modelStatusToString(status))
        info = self._highs.getInfo()
        has_point = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        values = np.array(self._highs.getSolution().col_value) if has_point else None
        return RunEnd(termination, values, self._bound(termination, info), message)

    def _bound(self, termination: Termination, info: Any) -> float | None:
        if self._discrete:
            return float(info.mip_dual_bound)
        optimal = termination is Termination.OPTIMAL
        return float(info.objective_function_value) if optimal else None


def opened(
    program: LinearProgram,
    options: Options,
    cancelled: threading.Event,
    polls: Interrupt | None = None,
) -> Any:
    """Return a HiGHS that holds ``program`` and ends soon once ``cancelled`` is set, or a MILP has
    polled as often as ``polls`` allows."""
    due = Interrupt(cancelled).due if polls is None else polls.due
    highs = highspy.Highs()
    highs.silent()
    for key, value in {**HighsEngine.strictest, **options}.items():
        set_option(highs, key, value)
    if highs.passModel(as_highs(program)) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refused the model; this is a defect, please report it")

    def on_poll(event: Any) -> None:
        # Said each time: HiGHS would remember an interrupt in later runs.
        event.interrupt(cancelled.is_set())

    def on_step(event: Any) -> None:
        event.interrupt(due())

    highs.cbSimplexInterrupt += on_poll
    highs.cbIpmInterrupt += on_poll
    highs.cbMipInterrupt += on_step
    return highs


def set_option(highs: Any, key: str, value: object) -> None:
    """Set an option by HiGHS's own name; raises OptionError."""
    known, _ = highs.getOptionType(key)
    if known != highspy.HighsStatus.kOk:
        raise OptionError(key, f"HiGHS has no option {key!r}")
    if highs.setOptionValue(key, value) != highspy.HighsStatus.kOk:
        raise OptionError(key, f"HiGHS refuses {value!r} for its option {key!r}")


def as_highs(program: LinearProgram) -> Any:
    """Return ``program`` in HiGHS's own form."""
    passed = highspy.HighsLp()
    passed.num_col_, passed.num_row_ = program.columns, program.rows
    passed.col_cost_ = program.cost
    passed.col_lower_, passed.col_upper_ = program.lower, program.upper
    passed.row_lower_ = np.where(program.kind <= 0, program.rhs, -np.inf)
    passed.row_upper_ = np.where(program.kind >= 0, program.rhs, np.inf)
    passed.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    passed.a_matrix_.start_ = program.matrix.indptr
    passed.a_matrix_.index_ = program.matrix.indices
    passed.a_matrix_.value_ = program.matrix.data
    integer, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    passed.integrality_ = [integer if each else real for each in program.integer.tolist()]
    return passed


HIGHS = SolverInterface("HiGHS", lambda: str(highspy.Highs().version()), HighsEngine)
