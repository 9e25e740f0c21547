"""SCIP through PySCIPOpt: one problem, freed from its transformation before each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mlspec.backends.engine import PATIENCE, Options, RunEnd, SolverInterface
from mlspec.backends.program import LinearProgram
from mlspec.core.deadline import Deadline
from mlspec.core.network import Array
from mlspec.errors import MissingSolverError, OptionError
from mlspec.milp.model import Termination

TERMINATIONS: Mapping[str, Termination] = {
    "optimal": Termination.OPTIMAL,
    "gaplimit": Termination.OPTIMAL,
    "infeasible": Termination.INFEASIBLE,
    "unbounded": Termination.UNBOUNDED,
    "inforunbd": Termination.UNBOUNDED,
    "timelimit": Termination.LIMIT,
    "sollimit": Termination.LIMIT,
    "bestsollimit": Termination.LIMIT,
    "userinterrupt": Termination.LIMIT,
    "nodelimit": Termination.LIMIT,
    "totalnodelimit": Termination.LIMIT,
    "stallnodelimit": Termination.LIMIT,
    "memlimit": Termination.LIMIT,
    "restartlimit": Termination.LIMIT,
    "primallimit": Termination.LIMIT,
    "duallimit": Termination.LIMIT,
}
"""By the words of PySCIPOpt's ``getStatus``; every other one is ``FAILED``."""


class ScipEngine:
    """One program inside SCIP."""

    settings: ClassVar[Options] = {"misc/catchctrlc": False, "timing/clocktype": 2}
    """Python gets the interrupts, and seconds are those of a wall clock."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        scip = _scip()
        self._sum = scip.quicksum
        self._scip = scip.Model()
        self._scip.hideOutput()
        for key, value in {**self.settings, **options}.items():
            self._set(key, value)
        if first:
            self._set("limits/solutions", 1)
        self._infinity = float(self._scip.infinity())
        self._variables = [
            self._scip.addVar(lb=lower, ub=upper, vtype="I" if integer else "C")
            for lower, upper, integer in zip(
                self._finite(program.lower),
                self._finite(program.upper),
                program.integer.tolist(),
                strict=True,
            )
        ]
        self._rows = [self._row(program, row) for row in range(program.rows)]
        self.change_cost(program.cost)

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        self._scip.freeTransform()
        for row, value in rhs.items():
            self._scip.chgRhs(self._rows[row], min(value, self._infinity))

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        self._scip.freeTransform()
        ends = zip(columns, self._finite(lower), self._finite(upper), strict=True)
        for column, low, high in ends:
            self._scip.chgVarLb(self._variables[column], low)
            self._scip.chgVarUb(self._variables[column], high)

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._scip.freeTransform()
        chosen = np.flatnonzero(cost).tolist()
        terms = (float(cost[column]) * self._variables[column] for column in chosen)
        self._scip.setObjective(self._sum(terms), "minimize")

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``."""
        self._scip.freeTransform()
        self._scip.setParam("limits/time", PATIENCE.seconds(deadline))
        self._scip.optimizeNogil()
        status = str(self._scip.getStatus())
        termination = TERMINATIONS.get(status, Termination.FAILED)
        values = None
        if self._scip.getNSols() and termination is not Termination.INFEASIBLE:
            best = self._scip.getBestSol()
            values = np.array([self._scip.getSolVal(best, each) for each in self._variables])
        bound = float(self._scip.getDualbound())
        return RunEnd(termination, values, bound if abs(bound) < self._infinity else None, status)

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._scip.interruptSolve()

    def _row(self, program: LinearProgram, row: int) -> Any:
        columns, values = program.row(row)
        terms = zip(columns.tolist(), values.tolist(), strict=True)
        left = self._sum(value * self._variables[column] for column, value in terms)
        right, kind = float(program.rhs[row]), program.kind[row]
        if kind == 0:
            return self._scip.addCons(left == right)
        return self._scip.addCons(left <= right if kind > 0 else left >= right)

    def _finite(self, values: Array) -> list[float]:
        clipped: list[float] = np.clip(values, -self._infinity, self._infinity).tolist()
        return clipped

    def _set(self, key: str, value: bool | int | float | str) -> None:
        try:
            self._scip.getParam(key)
        except KeyError:
            message = f"SCIP has no parameter {key!r}; names are like limits/gap"
            raise OptionError(key, message) from None
        try:
            self._scip.setParam(key, value)
        except (TypeError, ValueError) as error:
            message = f"SCIP refuses {value!r} for its parameter {key!r}: {error}"
            raise OptionError(key, message) from None


def _scip() -> Any:
    try:
        import pyscipopt
    except ImportError:
        raise MissingSolverError("SCIP is not installed: pip install 'mlspec[scip]'") from None
    return pyscipopt


def version() -> str:
    """Return the version of SCIP that is installed, without its interface's."""
    model = _scip().Model()
    parts = model.getMajorVersion(), model.getMinorVersion(), model.getTechVersion()
    return ".".join(map(str, parts))


SCIP = SolverInterface("SCIP", version, ScipEngine)
