"""HiGHS through Pyomo's standard form: the model is handed over as arrays, then changed in
place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import highspy
import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from mlspec.core.network import Array
from mlspec.errors import SolverError
from mlspec.milp.model import MilpModel, Session, SolveReport, Termination

TERMINATIONS: Mapping[Any, Termination] = {
    highspy.HighsModelStatus.kOptimal: Termination.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: Termination.INFEASIBLE,
    highspy.HighsModelStatus.kTimeLimit: Termination.LIMIT,
    highspy.HighsModelStatus.kInterrupt: Termination.LIMIT,
    highspy.HighsModelStatus.kIterationLimit: Termination.LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Termination.LIMIT,
}
"""Everything else is ``FAILED``."""
STRICTEST: Mapping[str, object] = {"dual_feasibility_tolerance": 1e-10}
"""The least HiGHS allows. It stops at smaller reduced costs: many of them, on variables of wide
range, could add up to a violation."""
LEAST_SECONDS = 0.01
POLL_SECONDS = 0.05


class HighsBackend:
    """The embedded default solver (MIT licence)."""

    trusted_infeasible = True

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self.name = name
        self._options = dict(options)

    def open(self, model: MilpModel) -> Session:
        """Load ``model``; the session answers for one subset of its margins at a time."""
        return HighsSession(model, self._options)


class HighsSession:
    """One model inside HiGHS; margin rows are switched by their bounds."""

    def __init__(self, model: MilpModel, options: Mapping[str, object]) -> None:
        self._model = model
        form = LinearStandardFormCompiler().write(model.pyomo, mixed_form=True)
        self._columns = {id(variable): column for column, variable in enumerate(form.columns)}
        whole = [column for column, variable in enumerate(form.columns) if variable.is_integer()]
        self._binary = np.array(whole, dtype=np.int32)
        margins = {id(constraint): row for row, constraint in model.margins.items()}
        self._rows = {
            margins[id(entry.constraint)]: (number, float(form.rhs[number]))
            for number, entry in enumerate(form.rows)
            if id(entry.constraint) in margins
        }
        self._highs = highspy.Highs()
        self._highs.silent()
        for key, value in STRICTEST.items():
            self._set(key, value)
        for key, value in options.items():
            self._set(key, value)
        self._longest = self._highs.getOptionValue("time_limit")[1]
        if self._highs.passModel(_linear_program(form)) == highspy.HighsStatus.kError:
            raise SolverError("HiGHS refused the model; this is a defect, please report it")
        self._highs.HandleUserInterrupt = True

    def solve(
        self,
        subset: tuple[int, ...],
        seconds: float,
        guide: int | None = None,
        beyond: float = 0.0,
    ) -> SolveReport:
        """Solve with the margins of ``subset`` active, ``beyond`` their limits, within ``seconds``.

        Interruptible: the solver runs in a thread of its own and is cancelled on KeyboardInterrupt.
        """
        for row, (number, rhs) in self._rows.items():
            upper = rhs - beyond if row in subset else highspy.kHighsInf
            self._highs.changeRowBounds(number, -highspy.kHighsInf, upper)
        if self._model.decision:
            self._aim(guide)
        return self._solve(seconds)

    def near(
        self, image: Array, subset: tuple[int, ...], seconds: float, guide: int | None = None
    ) -> SolveReport:
        """Solve with the binaries that ``image`` has."""
        at_image = self._at(image, seconds)
        if at_image.termination is not Termination.OPTIMAL:
            return at_image
        values = np.round(np.array(self._highs.getSolution().col_value)[self._binary])
        self._highs.changeColsBounds(len(values), self._binary, values, values)
        report = self.solve(subset, seconds, guide)
        free = np.zeros(len(values)), np.ones(len(values))
        self._highs.changeColsBounds(len(values), self._binary, *free)
        return report

    def admits(self, image: Array, seconds: float) -> bool:
        """Say whether the model contains ``image`` ``(C, H, W)``, whatever its margins."""
        return self._at(image, seconds).termination is Termination.OPTIMAL

    def _at(self, image: Array, seconds: float) -> SolveReport:
        """Solve with the inputs fixed to ``image``, whatever its margins."""
        values = image.ravel()[list(self._model.pixels)].tolist()
        for variable, value in zip(self._model.inputs, values, strict=True):
            self._change(variable, value, value)
        report = self.solve(() if self._model.decision else tuple(self._rows), seconds)
        for variable in self._model.inputs:
            self._change(variable, variable.lb, variable.ub)
        return report

    def _aim(self, guide: int | None) -> None:
        """Minimise the margin of row ``guide``, and stop at the first feasible point."""
        cost = np.zeros(self._highs.getNumCol())
        if guide is not None:
            _, columns, values = self._highs.getRowEntries(self._rows[guide][0])
            cost[columns] = values
        columns = np.arange(len(cost), dtype=np.int32)
        self._highs.changeColsCost(len(cost), columns, cost)
        self._set("mip_max_improving_sols", 1)

    def _change(self, variable: Any, lower: float, upper: float) -> None:
        column = self._columns.get(id(variable))
        if column is not None:
            self._highs.changeColBounds(column, lower, upper)

    def _solve(self, seconds: float) -> SolveReport:
        self._highs.clearSolver()
        started = time.monotonic()
        limit = max(min(seconds, self._longest), LEAST_SECONDS)
        # Only over linear programs does HiGHS's clock run on from one solve to the next.
        spent = 0.0 if self._model.binaries else self._highs.getRunTime()
        self._set("time_limit", spent + limit)
        self._run()
        return self._report(time.monotonic() - started)

    def _run(self) -> None:
        self._highs.startSolve()
        try:
            while not self._highs.wait(POLL_SECONDS)[0]:
                pass
        except KeyboardInterrupt:
            self._highs.cancelSolve()
            while not self._highs.wait(POLL_SECONDS)[0]:
                pass
            raise

    def _report(self, seconds: float) -> SolveReport:
        status = self._highs.getModelStatus()
        message = str(self._highs.modelStatusToString(status))
        info = self._highs.getInfo()
        has_point = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        image = self._image() if has_point else None
        termination = TERMINATIONS.get(status, Termination.FAILED)
        if termination is Termination.LIMIT and image is not None:
            termination = Termination.FEASIBLE
        if termination is Termination.FEASIBLE and self._model.decision:
            termination = Termination.OPTIMAL
        bound = None
        if not self._model.decision and termination in {
            Termination.OPTIMAL,
            Termination.FEASIBLE,
            Termination.LIMIT,
        }:
            bound = info.mip_dual_bound if self._model.binaries else info.objective_function_value
            bound = float(bound) if np.isfinite(bound) else None
            if termination is not Termination.OPTIMAL and not self._model.binaries:
                bound = None
        return SolveReport(termination, image, bound, seconds, message)

    def _image(self) -> Any:
        values = self._highs.getSolution().col_value
        return self._model.image(
            values[self._columns[id(variable)]] if id(variable) in self._columns else variable.lb
            for variable in self._model.inputs
        )

    def _set(self, key: str, value: object) -> None:
        known, _ = self._highs.getOptionType(key)
        if known != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS has no option {key!r}")
        if self._highs.setOptionValue(key, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS refuses {value!r} for its option {key!r}")


def _linear_program(form: Any) -> Any:
    matrix = form.A.tocsc()
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(form.columns), len(form.rows)
    program.col_cost_ = np.asarray(form.c.todense(), dtype=float).ravel()
    lower = [-np.inf if v.lb is None else v.lb for v in form.columns]
    upper = [np.inf if v.ub is None else v.ub for v in form.columns]
    program.col_lower_ = np.array(lower, dtype=float)
    program.col_upper_ = np.array(upper, dtype=float)
    # In mixed form a row's bound type is -1 for >=, 0 for = and 1 for <=.
    kind = np.array([entry.bound_type for entry in form.rows])
    program.row_lower_ = np.where(kind <= 0, form.rhs, -np.inf)
    program.row_upper_ = np.where(kind >= 0, form.rhs, np.inf)
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = matrix.indptr
    program.a_matrix_.index_ = matrix.indices
    program.a_matrix_.value_ = matrix.data
    integer, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    program.integrality_ = [integer if v.is_integer() else real for v in form.columns]
    return program
