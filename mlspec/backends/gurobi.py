"""Gurobi: one persistent model, changed in place."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import numpy as np

from mlspec.backends.engine import PATIENCE, Options, RunEnd, SolverInterface
from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.errors import LicenceError, MissingSolverError, OptionError, SolverError
from mlspec.milp.model import Termination

TERMINATIONS: Mapping[str, Termination] = {
    "OPTIMAL": Termination.OPTIMAL,
    "INFEASIBLE": Termination.INFEASIBLE,
    "INF_OR_UNBD": Termination.UNBOUNDED,
    "UNBOUNDED": Termination.UNBOUNDED,
    "ITERATION_LIMIT": Termination.LIMIT,
    "NODE_LIMIT": Termination.LIMIT,
    "TIME_LIMIT": Termination.LIMIT,
    "SOLUTION_LIMIT": Termination.LIMIT,
    "INTERRUPTED": Termination.LIMIT,
    "WORK_LIMIT": Termination.LIMIT,
    "MEM_LIMIT": Termination.LIMIT,
    "USER_OBJ_LIMIT": Termination.LIMIT,
    "CUTOFF": Termination.LIMIT,
    "NUMERIC": Termination.NUMERICAL,
    "SUBOPTIMAL": Termination.NUMERICAL,
}
"""By the names in Gurobi's ``GRB.Status``; every other one is ``FAILED``."""
SENSES = {-1: ">", 0: "=", 1: "<"}


class Refusal(IntEnum):
    """Gurobi's numbers for errors that a licence is the reason of."""

    NO_LICENCE = 10009
    TOO_LARGE = 10010


class GurobiEngine:
    """One program inside Gurobi."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        gurobi = _gurobi()
        with _errors():
            self._environment = gurobi.Env(empty=True)
            self._environment.setParam("OutputFlag", 0)
            self._environment.start()
            self._model = gurobi.Model(env=self._environment)
        self._cancelled = threading.Event()
        for key, value in options.items():
            self._set(key, value)
        if first:
            self._set("SolutionLimit", 1)
        codes = gurobi.GRB.Status
        self._names = {getattr(codes, name): name for name in dir(codes) if name.isupper()}
        self._discrete = bool(program.integer.any())
        self._variables = self._model.addMVar(
            program.columns,
            lb=program.lower,
            ub=program.upper,
            obj=program.cost,
            vtype=np.where(program.integer, "I", "C"),
        )
        senses = np.array([SENSES[kind] for kind in program.kind.tolist()], dtype="U1")
        self._rows = self._model.addMConstr(program.matrix, self._variables, senses, program.rhs)
        self._model.update()

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        if rhs:
            self._rows[list(rhs)].RHS = np.array(list(rhs.values()))

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        if columns:
            chosen = self._variables[list(columns)]
            chosen.LB, chosen.UB = lower, upper

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._variables.Obj = cost

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``."""
        self._cancelled.clear()
        with _errors():
            self._model.Params.TimeLimit = PATIENCE.seconds(deadline)
            self._model.reset()
            self._model.optimize()
        if self._model.Status == _gurobi().GRB.INTERRUPTED and not self._cancelled.is_set():
            # While it works, Gurobi takes Ctrl-C for itself.
            raise KeyboardInterrupt
        name = self._names.get(self._model.Status, str(self._model.Status))
        termination = TERMINATIONS.get(name, Termination.FAILED)
        values = np.array(self._variables.X) if self._model.SolCount else None
        return RunEnd(termination, values, self._bound(termination), name.lower())

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._cancelled.set()
        self._model.terminate()

    def _bound(self, termination: Termination) -> float | None:
        if self._discrete:
            return float(self._model.ObjBound)
        return float(self._model.ObjVal) if termination is Termination.OPTIMAL else None

    def _set(self, key: str, value: bool | int | float | str) -> None:
        known = self._model.getParamInfo(key)
        if known is None:
            raise OptionError(key, f"Gurobi has no parameter {key!r}")
        # Gurobi itself cuts a fraction off without a word.
        whole = known[1] is not int or isinstance(value, int)
        try:
            if not whole:
                raise TypeError("a whole number is needed")
            self._model.setParam(key, value)
        except (TypeError, _gurobi().GurobiError) as error:
            message = f"Gurobi refuses {value!r} for its parameter {key!r}: {error}"
            raise OptionError(key, message) from None


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _gurobi().GurobiError as error:
        if error.errno in {*Refusal}:
            raise LicenceError(f"Gurobi's licence does not allow this: {error}") from None
        raise SolverError(f"Gurobi failed: {error}") from None


def _gurobi() -> Any:
    try:
        import gurobipy
    except ImportError:
        raise MissingSolverError("Gurobi is not installed: pip install 'mlspec[gurobi]'") from None
    return gurobipy


def version() -> str:
    """Return the version that is installed."""
    return ".".join(map(str, _gurobi().gurobi.version()))


GUROBI = SolverInterface("Gurobi", version, GurobiEngine)
