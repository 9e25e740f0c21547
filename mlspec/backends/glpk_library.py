"""GLPK's library, as swiglpk brings it, and what swiglpk itself cannot do."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from mlspec.errors import MissingSolverError
from mlspec.milp.model import Termination

Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

STATUSES: Mapping[str, Termination] = {
    "GLP_OPT": Termination.OPTIMAL,
    "GLP_NOFEAS": Termination.INFEASIBLE,
    "GLP_UNBND": Termination.UNBOUNDED,
    "GLP_UNDEF": Termination.NUMERICAL,
    "GLP_FEAS": Termination.NUMERICAL,
    "GLP_INFEAS": Termination.NUMERICAL,
}
"""What a solution's status means where the call itself went well."""
CODES: Mapping[str, Termination] = {
    "GLP_EMIPGAP": Termination.OPTIMAL,
    "GLP_ETMLIM": Termination.LIMIT,
    "GLP_EITLIM": Termination.LIMIT,
    "GLP_ESTOP": Termination.LIMIT,
    "GLP_EFAIL": Termination.NUMERICAL,
    "GLP_ESING": Termination.NUMERICAL,
    "GLP_ECOND": Termination.NUMERICAL,
    "GLP_EINSTAB": Termination.NUMERICAL,
    "GLP_ENOCVG": Termination.NUMERICAL,
    "GLP_EROOT": Termination.NUMERICAL,
}
"""What a call's own return code means; every other one is ``FAILED``."""


class TreeControl(ctypes.Structure):
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


class TreeWatch:
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
        """Take note of what GLPK does now, at the tree of this address."""
        reason = self._library.glp_ios_reason(ctypes.c_void_p(tree))
        if reason == self._glpk.GLP_ISELECT:
            # All that is left to explore is among the open nodes now.
            best = self._library.glp_ios_best_node(ctypes.c_void_p(tree))
            if best:
                self.bound = float(self._library.glp_ios_node_bound(ctypes.c_void_p(tree), best))
        if self._cancelled() or (self._first and reason == self._glpk.GLP_IBINGO):
            self._library.glp_ios_terminate(ctypes.c_void_p(tree))


def module() -> Any:
    """Return swiglpk; raises MissingSolverError."""
    try:
        import swiglpk
    except ImportError:
        raise MissingSolverError("GLPK is not installed: pip install 'mlspec[glpk]'") from None
    return swiglpk


def library(glpk: Any) -> Any:
    """Return the library that swiglpk brings, for calls that let other threads go on."""
    loaded = ctypes.CDLL(glpk._swiglpk.__file__)
    loaded.glp_ios_node_bound.restype = ctypes.c_double
    loaded.glp_load_matrix.restype = None
    loaded.glp_ios_terminate.restype = None
    return loaded


def ended(glpk: Any, code: int, status: int) -> tuple[Termination, str]:
    """Return what the return code of a call and the status of its solution mean, and the name of
    the one that tells."""
    if code:
        codes = {getattr(glpk, name): name for name in dir(glpk) if name.startswith("GLP_E")}
        name = codes.get(code, f"code {code}")
        return CODES.get(name, Termination.FAILED), name
    name = next((each for each in STATUSES if getattr(glpk, each) == status), f"status {status}")
    return STATUSES.get(name, Termination.FAILED), name
