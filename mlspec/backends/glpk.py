"""GLPK through swiglpk, loaded anew for each run.

swiglpk cannot pass a Python function to GLPK's branch and cut, and holds the interpreter's lock
while GLPK works. The two solvers are therefore called through ctypes, in the library that swiglpk
brings, with a callback that keeps the bound, stops at the first feasible point and obeys a cancel.

GLPK ends the whole process when a parameter is out of range: each is checked before. It also does
where two threads use it, or one frees what another made: runs take turns, and each makes its
problem and frees all of it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from mlspec.backends.engine import PATIENCE, Options, RunEnd, SolverInterface
from mlspec.backends.glpk_library import (
    Callback,
    TreeControl,
    TreeWatch,
    ended,
    library,
    module,
)
from mlspec.backends.glpk_options import OPTIONS, checked
from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.milp.model import Termination

_TURN = threading.Lock()
"""Held by the one run of the process that may use GLPK."""


class GlpkEngine:
    """One program for GLPK."""

    slice_seconds: ClassVar[float] = 0.2
    """A simplex without integers has no callback: it runs for so long at a time."""
    most_milliseconds: ClassVar[int] = 2**31 - 1
    """What GLPK takes for no time limit."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        self._program = replace(
            program,
            cost=program.cost.copy(),
            lower=program.lower.copy(),
            upper=program.upper.copy(),
            rhs=program.rhs.copy(),
        )
        self._cancelled = threading.Event()
        self._glpk = module()
        self._library = library(self._glpk)
        self._first = first
        self._options = dict(options)
        for key, value in options.items():
            checked(key, value)

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        for row, value in rhs.items():
            self._program.rhs[row] = value

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        self._program.lower[list(columns)] = lower
        self._program.upper[list(columns)] = upper

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._program.cost[:] = cost

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._cancelled.set()

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``."""
        self._cancelled.clear()
        while not _TURN.acquire(timeout=PATIENCE.poll_seconds):
            if self._cancelled.is_set() or deadline.passed:
                return RunEnd(Termination.LIMIT, None, None, "time limit; GLPK was busy elsewhere")
        try:
            self._glpk.glp_term_out(self._glpk.GLP_OFF)
            problem = self._loaded()
            outcome = self._relaxed(problem, deadline)
            if outcome.termination is Termination.OPTIMAL and self._program.integer.any():
                outcome = self._searched(problem, deadline, outcome.bound)
            return outcome
        finally:
            self._glpk.glp_free_env()
            _TURN.release()

    def _loaded(self) -> Any:
        glpk, program = self._glpk, self._program
        problem = glpk.glp_create_prob()
        glpk.glp_add_cols(problem, program.columns)
        for column, integer in enumerate(program.integer.tolist(), start=1):
            lower, upper = float(program.lower[column - 1]), float(program.upper[column - 1])
            glpk.glp_set_col_bnds(problem, column, self._ends(lower, upper), lower, upper)
            glpk.glp_set_obj_coef(problem, column, float(program.cost[column - 1]))
            glpk.glp_set_col_kind(problem, column, glpk.GLP_IV if integer else glpk.GLP_CV)
        glpk.glp_add_rows(problem, program.rows)
        for row, (kind, rhs) in enumerate(zip(program.kind, program.rhs.tolist(), strict=True), 1):
            lower, upper = (rhs if kind <= 0 else -np.inf), (rhs if kind >= 0 else np.inf)
            glpk.glp_set_row_bnds(problem, row, self._ends(lower, upper), lower, upper)
        entries = program.matrix.tocoo()
        # GLPK's arrays start at 1.
        rows, columns = (np.insert(part + 1, 0, 0).astype(np.int32) for part in entries.coords)
        values = np.insert(entries.data, 0, 0.0)
        self._library.glp_load_matrix(
            ctypes.c_void_p(int(problem)),
            len(entries.data),
            rows.ctypes.data_as(ctypes.c_void_p),
            columns.ctypes.data_as(ctypes.c_void_p),
            values.ctypes.data_as(ctypes.c_void_p),
        )
        glpk.glp_scale_prob(problem, glpk.GLP_SF_AUTO)
        return problem

    def _ends(self, lower: float, upper: float) -> int:
        glpk = self._glpk
        if lower == upper:
            return int(glpk.GLP_FX)
        below, above = np.isfinite(lower), np.isfinite(upper)
        if below and above:
            return int(glpk.GLP_DB)
        return int(glpk.GLP_LO if below else glpk.GLP_UP if above else glpk.GLP_FR)

    def _relaxed(self, problem: Any, deadline: Deadline) -> RunEnd:
        """Solve without integrality.

        GLPK's primal simplex was seen to end a little outside of its tolerance and to call a
        feasible program infeasible. The dual one comes first, therefore, and both must agree.
        """
        glpk = self._glpk
        glpk.glp_adv_basis(problem, 0)
        outcome = self._simplex(problem, deadline, glpk.GLP_DUALP)
        if outcome.termination is not Termination.INFEASIBLE:
            return outcome
        glpk.glp_std_basis(problem)
        again = self._simplex(problem, deadline, glpk.GLP_PRIMAL)
        if again.termination is Termination.OPTIMAL:
            return RunEnd(Termination.NUMERICAL, None, None, "the two simplex methods disagree")
        return again

    def _simplex(self, problem: Any, deadline: Deadline, method: int) -> RunEnd:
        """Solve without integrality by one method, in slices."""
        glpk = self._glpk
        control = glpk.glp_smcp()
        glpk.glp_init_smcp(control)
        self._apply("smcp", control)
        control.msg_lev, control.meth = glpk.GLP_MSG_OFF, method
        while True:
            left = deadline.left
            if left <= 0.0 or self._cancelled.is_set():
                return RunEnd(Termination.LIMIT, None, None, "time limit")
            control.tm_lim = max(1, int(1000 * min(left, self.slice_seconds)))
            code = self._library.glp_simplex(
                ctypes.c_void_p(int(problem)), ctypes.c_void_p(int(control.this))
            )
            if code != glpk.GLP_ETMLIM:
                break
        termination, message = ended(glpk, code, glpk.glp_get_status(problem))
        if termination is not Termination.OPTIMAL:
            return RunEnd(termination, None, None, message)
        values = self._values(problem, glpk.glp_get_col_prim)
        return RunEnd(termination, values, float(glpk.glp_get_obj_val(problem)), message)

    def _searched(self, problem: Any, deadline: Deadline, bound: float | None) -> RunEnd:
        """Solve by branch and cut from the solved relaxation on."""
        glpk = self._glpk
        control = glpk.glp_iocp()
        glpk.glp_init_iocp(control)
        self._apply("iocp", control)
        control.msg_lev = glpk.GLP_MSG_OFF
        control.tm_lim = min(int(1000 * PATIENCE.seconds(deadline)), self.most_milliseconds)
        watch = TreeWatch(self._glpk, self._library, self._first, self._cancelled.is_set, bound)
        callback = Callback(watch)
        TreeControl.from_address(int(control.this)).cb_func = callback
        code = self._library.glp_intopt(
            ctypes.c_void_p(int(problem)), ctypes.c_void_p(int(control.this))
        )
        status = glpk.glp_mip_status(problem)
        has_point = status in {glpk.GLP_OPT, glpk.GLP_FEAS}
        values = self._values(problem, glpk.glp_mip_col_val) if has_point else None
        termination, message = ended(glpk, code, status)
        bound = watch.bound
        best = float(glpk.glp_mip_obj_val(problem))
        if status == glpk.GLP_OPT:
            bound = best - control.tol_obj * (1.0 + abs(best))
        elif has_point and bound is not None:
            bound = min(bound, best)
        proves = termination in {Termination.OPTIMAL, Termination.LIMIT}
        return RunEnd(termination, values, bound if proves else None, message)

    def _values(self, problem: Any, value: Callable[[Any, int], float]) -> Array:
        return np.array([value(problem, 1 + column) for column in range(self._program.columns)])

    def _apply(self, part: str, control: Any) -> None:
        for key, value in self._options.items():
            if OPTIONS[key].part == part:
                setattr(control, key, OPTIONS[key].kind(value))


def version() -> str:
    """Return the version that is installed."""
    return str(module().glp_version())


GLPK = SolverInterface("GLPK", version, GlpkEngine)
