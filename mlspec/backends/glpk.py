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
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mlspec.backends.engine import Options, Outcome, SolverInterface
from mlspec.backends.glpk_options import OPTIONS, checked
from mlspec.backends.held import HeldProgram
from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array
from mlspec.errors import MissingSolverError
from mlspec.milp.model import Termination

_TURN = threading.Lock()
"""Held by the one run of the process that may use GLPK."""
POLL_SECONDS = 0.05
SLICE_SECONDS = 0.2
"""A simplex without integers has no callback: it runs for so long at a time."""
Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class _Control(ctypes.Structure):
    """The start of GLPK 5's ``glp_iocp``, for the one field that swiglpk cannot set."""

    _fields_ = (
        ("msg_lev", ctypes.c_int),
        ("br_tech", ctypes.c_int),
        ("bt_tech", ctypes.c_int),
        ("tol_int", ctypes.c_double),
        ("tol_obj", ctypes.c_double),
        ("tm_lim", ctypes.c_int),
        ("out_frq", ctypes.c_int),
        ("out_dly", ctypes.c_int),
        ("cb_func", Callback),
    )


class GlpkEngine(HeldProgram):
    """One program for GLPK."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        super().__init__(program)
        self._glpk = _glpk()
        self._library = _library(self._glpk)
        self._first = first
        self._options = dict(options)
        for key, value in options.items():
            checked(key, value)

    def run(self, seconds: float) -> Outcome:
        """Minimise from scratch within ``seconds``."""
        self._cancelled.clear()
        deadline = time.monotonic() + seconds
        while not _TURN.acquire(timeout=POLL_SECONDS):
            if self._cancelled.is_set() or time.monotonic() > deadline:
                return Outcome(Termination.LIMIT, None, None, "time limit; GLPK was busy elsewhere")
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

    def _relaxed(self, problem: Any, deadline: float) -> Outcome:
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
            return Outcome(Termination.NUMERICAL, None, None, "the two simplex methods disagree")
        return again

    def _simplex(self, problem: Any, deadline: float, method: int) -> Outcome:
        """Solve without integrality by one method, in slices."""
        glpk = self._glpk
        control = glpk.glp_smcp()
        glpk.glp_init_smcp(control)
        self._apply("smcp", control)
        control.msg_lev, control.meth = glpk.GLP_MSG_OFF, method
        while True:
            left = deadline - time.monotonic()
            if left <= 0.0 or self._cancelled.is_set():
                return Outcome(Termination.LIMIT, None, None, "time limit")
            control.tm_lim = max(1, int(1000 * min(left, SLICE_SECONDS)))
            code = self._library.glp_simplex(
                ctypes.c_void_p(int(problem)), ctypes.c_void_p(int(control.this))
            )
            if code != glpk.GLP_ETMLIM:
                break
        status = glpk.glp_get_status(problem)
        if code == 0 and status == glpk.GLP_OPT:
            values = self._values(problem, glpk.glp_get_col_prim)
            return Outcome(
                Termination.OPTIMAL, values, float(glpk.glp_get_obj_val(problem)), "optimal"
            )
        if code == 0 and status == glpk.GLP_NOFEAS:
            return Outcome(Termination.INFEASIBLE, None, None, "no primal feasible solution")
        if code == 0 and status == glpk.GLP_UNBND:
            return Outcome(Termination.UNBOUNDED, None, None, "unbounded")
        return Outcome(Termination.NUMERICAL, None, None, f"simplex ended with {code}, {status}")

    def _searched(self, problem: Any, deadline: float, bound: float | None) -> Outcome:
        """Solve by branch and cut from the solved relaxation on."""
        glpk = self._glpk
        control = glpk.glp_iocp()
        glpk.glp_init_iocp(control)
        self._apply("iocp", control)
        control.msg_lev = glpk.GLP_MSG_OFF
        control.tm_lim = max(1, int(1000 * (deadline - time.monotonic())))
        watch = _Watch(self._glpk, self._library, self._first, self._cancelled.is_set, bound)
        callback = Callback(watch)
        _Control.from_address(int(control.this)).cb_func = callback
        code = self._library.glp_intopt(
            ctypes.c_void_p(int(problem)), ctypes.c_void_p(int(control.this))
        )
        status = glpk.glp_mip_status(problem)
        has_point = status in {glpk.GLP_OPT, glpk.GLP_FEAS}
        values = self._values(problem, glpk.glp_mip_col_val) if has_point else None
        bound = watch.bound
        if has_point and bound is not None:
            bound = min(bound, float(glpk.glp_mip_obj_val(problem)))
        if status == glpk.GLP_OPT:
            best = float(glpk.glp_mip_obj_val(problem))
            bound = best - control.tol_obj * (1.0 + abs(best))
            return Outcome(Termination.OPTIMAL, values, bound, "integer optimal")
        if code == glpk.GLP_EMIPGAP:
            return Outcome(Termination.OPTIMAL, values, bound, "optimal within the gap")
        if code == 0 and status == glpk.GLP_NOFEAS:
            return Outcome(Termination.INFEASIBLE, None, None, "no integer feasible solution")
        if code in {glpk.GLP_ETMLIM, glpk.GLP_ESTOP}:
            message = "time limit" if code == glpk.GLP_ETMLIM else "stopped"
            return Outcome(Termination.LIMIT, values, bound, message)
        return Outcome(Termination.NUMERICAL, values, None, f"ended with {code}, {status}")

    def _values(self, problem: Any, value: Callable[[Any, int], float]) -> Array:
        return np.array([value(problem, 1 + column) for column in range(self._program.columns)])

    def _apply(self, part: str, control: Any) -> None:
        for key, value in self._options.items():
            if OPTIONS[key].part == part:
                setattr(control, key, OPTIONS[key].kind(value))


class _Watch:
    """What GLPK calls at every node: notes the bound of the open nodes, and says when to stop."""

    def __init__(
        self,
        glpk: Any,
        library: Any,
        first: bool,
        cancelled: Callable[[], bool],
        bound: float | None,
    ) -> None:
        self._glpk = glpk
        self._library = library
        self._first = first
        self._cancelled = cancelled
        self.bound = bound

    def __call__(self, tree: int, _: object) -> None:
        reason = self._library.glp_ios_reason(ctypes.c_void_p(tree))
        if reason == self._glpk.GLP_ISELECT:
            # All that is left to explore is among the open nodes now.
            best = self._library.glp_ios_best_node(ctypes.c_void_p(tree))
            if best:
                self.bound = float(self._library.glp_ios_node_bound(ctypes.c_void_p(tree), best))
        if self._cancelled() or (self._first and reason == self._glpk.GLP_IBINGO):
            self._library.glp_ios_terminate(ctypes.c_void_p(tree))


def _glpk() -> Any:
    try:
        import swiglpk
    except ImportError:
        raise MissingSolverError("GLPK is not installed: pip install 'mlspec[glpk]'") from None
    return swiglpk


def _library(glpk: Any) -> Any:
    """Return the library that swiglpk brings, for calls that let other threads go on."""
    library = ctypes.CDLL(glpk._swiglpk.__file__)
    library.glp_ios_node_bound.restype = ctypes.c_double
    library.glp_load_matrix.restype = None
    library.glp_ios_terminate.restype = None
    return library


def version() -> str:
    """Return the version that is installed."""
    return str(_glpk().glp_version())


GLPK = SolverInterface("GLPK", version, GlpkEngine)
