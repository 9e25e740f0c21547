"""One model inside any solver: rows switched by their ends, deadlines kept, interrupts obeyed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mlspec.backends.checks import checked, failure
from mlspec.backends.engine import PATIENCE, Engine, Patience, RunEnd, WarmStartedEngine
from mlspec.backends.pieces import Pieces
from mlspec.backends.program import Layout, LinearProgram
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.network import Array
from mlspec.errors import MlspecError
from mlspec.interrupts import undisturbed
from mlspec.milp.model import MilpModel, SolveReport, Termination
from mlspec.tolerances import MILP_MARGIN


class ProgramSession:
    """Answers for one subset of a model's margins at a time, on one solver."""

    limit_rounding: ClassVar[float] = 2.0**-48
    """Relative rounding error of a row's limit, a sum of four floats, with room."""

    def __init__(
        self,
        model: MilpModel,
        program: LinearProgram,
        layout: Layout,
        engine: Engine,
        patience: Patience = PATIENCE,
        *,
        certifies: bool = False,
    ) -> None:
        """``certifies`` says whether the engine may call its answers certified."""
        self._model = model
        self._program = program
        self._layout = layout
        self._engine = engine
        self._patience = patience
        self._certifies = certifies
        self._abandoned = ""
        self._cancelled = threading.Event()

    @property
    def binaries(self) -> int:
        """Number of binaries of the model."""
        return self._model.binaries

    def solve(
        self,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        """Solve with the margins of ``subset`` active, ``beyond`` their limits.

        Interruptible: the solver runs in a thread of its own and is cancelled on KeyboardInterrupt.
        A solver that raises, does not end or returns what cannot be true has FAILED.
        """
        began = time.monotonic()
        outcome = self._outcome(subset, deadline, guide, beyond)
        report = self._report(outcome, time.monotonic() - began)
        if not (self._model.decision and outcome.certified):
            return report
        return replace(report, dual_bound=self._proved(outcome, subset, guide, beyond))

    def near(
        self,
        image: Array,
        subset: tuple[int, ...],
        deadline: Deadline = NEVER,
        guide: int | None = None,
        ties: int = 0,
    ) -> SolveReport:
        """Solve with the integers that ``image`` ``(C, H, W)`` has, but those of the pieces nearest
        to a tie there, ``ties`` in number."""
        began = time.monotonic()
        outcome = self._at(image, deadline)
        if outcome.values is not None:
            columns = np.flatnonzero(self._program.integer)
            if ties:
                columns = columns[~Pieces(self._program).nearest_ties(outcome.values, ties)]
            with self._fixed(columns, np.round(outcome.values[columns])):
                outcome = self._outcome(subset, deadline, guide, 0.0)
        return self._report(outcome, time.monotonic() - began)

    def admits(self, image: Array, deadline: Deadline = NEVER) -> bool:
        """Say whether the model contains ``image`` ``(C, H, W)``, whatever its margins."""
        return self._report(self._at(image, deadline), 0.0).termination is Termination.OPTIMAL

    def warm_starts(self) -> object:
        """Return what a session on another box can start from."""
        if isinstance(self._engine, WarmStartedEngine) and not self._abandoned:
            return self._engine.warm_starts()
        return None

    def start_from(self, warm_start: object) -> None:
        """Start from what a session on another box of the same network returned."""
        if isinstance(self._engine, WarmStartedEngine):
            self._engine.start_from(warm_start)

    def cancel(self) -> None:
        """Make the solve that runs in another thread end soon, and all later ones at once."""
        self._cancelled.set()

    def revive(self) -> None:
        """Take ``cancel`` back."""
        self._cancelled.clear()

    def _at(self, image: Array, deadline: Deadline) -> RunEnd:
        """Solve with the inputs fixed to ``image``, whatever its margins."""
        values = self._model.values(image)
        there = [number for number, column in enumerate(self._layout.inputs) if column is not None]
        columns = np.array([self._layout.inputs[number] for number in there], dtype=np.intp)
        subset = () if self._model.decision else tuple(self._layout.margins)
        with self._fixed(columns, values[there]):
            return self._outcome(subset, deadline, None, 0.0)

    @contextmanager
    def _fixed(self, columns: NDArray[np.intp], values: Array) -> Iterator[None]:
        """Hold ``columns`` at ``values``, and let them go again whatever happens."""
        ends = self._program.lower[columns], self._program.upper[columns]
        self._change_columns(columns, values, values)
        try:
            yield
        finally:
            self._change_columns(columns, *ends)

    def _change_columns(self, columns: NDArray[np.intp], lower: Array, upper: Array) -> None:
        """Set the bounds of ``columns``; an engine that cannot is asked nothing more."""
        if self._abandoned:
            return
        try:
            self._engine.change_columns(columns.tolist(), lower, upper)
        except MlspecError:
            raise
        except Exception as error:  # which bounds hold is not known any more
            self._abandoned = failure(error).message

    def _outcome(
        self, subset: tuple[int, ...], deadline: Deadline, guide: int | None, beyond: float
    ) -> RunEnd:
        if self._abandoned:
            return RunEnd(Termination.FAILED, None, None, self._abandoned)
        try:
            self._engine.change_rows(self._limits(subset, beyond))
            if self._model.decision:
                self._engine.change_cost(self._aim(guide))
            outcome = self._run(deadline)
            if outcome.termination is Termination.UNBOUNDED:
                outcome = self._told_apart(outcome, deadline)
        except MlspecError:
            raise
        except (Exception, SystemExit) as error:  # whatever a solver raises is no answer
            return failure(error)
        return outcome

    def _limits(self, subset: tuple[int, ...], beyond: float) -> Mapping[int, float]:
        return {
            number: self._limit(row, number, beyond) if row in subset else np.inf
            for row, number in self._layout.margins.items()
        }

    def _limit(self, row: int, number: int, beyond: float) -> float:
        return float(self._program.rhs[number]) - beyond * self._scale(row)

    def _aim(self, guide: int | None) -> Array:
        """Return the objective that is the margin of row ``guide``."""
        cost = np.zeros(self._program.columns)
        if guide is not None:
            columns, values = self._program.row(self._layout.margins[guide])
            cost[columns] = values
        return cost

    def _run(self, deadline: Deadline) -> RunEnd:
        patience = self._patience
        limit = deadline.within(patience.seconds(deadline))
        last = Deadline(limit.at + patience.grace_seconds, limit.clock)
        ends: list[RunEnd | BaseException] = []
        # Not Thread.join: interrupted, it may take a thread that still runs for one that ended.
        ended = threading.Event()

        def run() -> None:
            try:
                ends.append(self._engine.run(limit))
            except BaseException as error:  # it is raised again in the thread that waits
                ends.append(error)
            ended.set()

        threading.Thread(target=run, daemon=True).start()
        try:
            until = None
            while not ended.wait(patience.poll_seconds):
                if self._cancelled.is_set() or last.passed:
                    until = until or Deadline.after(patience.abandon_seconds)
                    if until.passed:
                        return self._left_alone()
                    self._engine.cancel()
        except KeyboardInterrupt:
            # Nothing may be changed in a solver that still runs, so a second Ctrl-C has to wait.
            with undisturbed(afterwards=False):
                self._engine.cancel()
                until = Deadline.after(patience.abandon_seconds)
                while not (ended.wait(patience.poll_seconds) or until.passed):
                    self._engine.cancel()
                if not ended.is_set():
                    self._left_alone()
            raise
        (end,) = ends
        if isinstance(end, BaseException):
            raise end
        return checked(end, self._program, certifies=self._certifies)

    def _left_alone(self) -> RunEnd:
        """Leave alone an engine that still runs: nothing may be changed in it."""
        self._abandoned = "it did not end when it was cancelled, and is asked nothing more"
        return RunEnd(Termination.FAILED, None, None, self._abandoned)

    def _told_apart(self, outcome: RunEnd, deadline: Deadline) -> RunEnd:
        """Tell an infeasible program from an unbounded one: is there any point at all?"""
        self._engine.change_cost(np.zeros(self._program.columns))
        feasible = self._run(deadline)
        if not self._abandoned:
            self._engine.change_cost(self._program.cost)
        return outcome if feasible.termination is Termination.OPTIMAL else feasible

    def _report(self, outcome: RunEnd, seconds: float) -> SolveReport:
        termination, image = outcome.termination, self._image(outcome.values)
        if termination is Termination.LIMIT and image is not None:
            decided = self._model.decision
            termination = Termination.OPTIMAL if decided else Termination.FEASIBLE
        bound = self._bound(outcome)
        return SolveReport(termination, image, bound, seconds, outcome.message, outcome.certified)

    def _proved(
        self, outcome: RunEnd, subset: tuple[int, ...], guide: int | None, beyond: float
    ) -> float | None:
        """Return what a certified decision proves of the largest margin of ``subset``.

        Where no image has all margins at the limit or below, that is the limit; else, of the row
        ``guide`` that was minimised under the limits of the others, its bound if that is less.
        """
        limit = MILP_MARGIN - beyond
        proved = limit
        if outcome.termination is not Termination.INFEASIBLE:
            if guide is None or outcome.bound is None or not np.isfinite(outcome.bound):
                return None
            number = self._layout.margins[guide]
            lowest = (outcome.bound - self._program.rhs[number]) / self._scale(guide)
            proved = min(limit, float(lowest) + MILP_MARGIN)
        limits = {row: self._program.rhs[self._layout.margins[row]] for row in subset}
        ends = [abs(limit) / self._scale(row) for row, limit in limits.items()]
        return float(proved - self.limit_rounding * (max(ends) + abs(beyond) + abs(proved)))

    def _scale(self, row: int) -> float:
        return self._model.scales.get(row, 1.0)

    def _bound(self, outcome: RunEnd) -> float | None:
        """Return the bound of the objective that the solver claims, if there is one."""
        if self._model.decision:
            return None
        ends = Termination.OPTIMAL, Termination.FEASIBLE, Termination.LIMIT
        bound = outcome.bound if outcome.termination in ends else None
        return bound if bound is not None and np.isfinite(bound) else None

    def _image(self, values: Array | None) -> Array | None:
        if values is None:
            return None
        return self._model.image(
            variable.lb if column is None else float(values[column])
            for variable, column in zip(self._model.inputs, self._layout.inputs, strict=True)
        )
