"""CPLEX: one persistent model, changed in place."""

from __future__ import annotations

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
    "optimal": Termination.OPTIMAL,
    "MIP_optimal": Termination.OPTIMAL,
    "optimal_tolerance": Termination.OPTIMAL,
    "infeasible": Termination.INFEASIBLE,
    "MIP_infeasible": Termination.INFEASIBLE,
    "unbounded": Termination.UNBOUNDED,
    "MIP_unbounded": Termination.UNBOUNDED,
    "infeasible_or_unbounded": Termination.UNBOUNDED,
    "MIP_infeasible_or_unbounded": Termination.UNBOUNDED,
    "solution_limit": Termination.LIMIT,
    "abort_time_limit": Termination.LIMIT,
    "abort_dettime_limit": Termination.LIMIT,
    "abort_iteration_limit": Termination.LIMIT,
    "abort_user": Termination.LIMIT,
    "node_limit_feasible": Termination.LIMIT,
    "node_limit_infeasible": Termination.LIMIT,
    "MIP_time_limit_feasible": Termination.LIMIT,
    "MIP_time_limit_infeasible": Termination.LIMIT,
    "MIP_dettime_limit_feasible": Termination.LIMIT,
    "MIP_dettime_limit_infeasible": Termination.LIMIT,
    "MIP_abort_feasible": Termination.LIMIT,
    "MIP_abort_infeasible": Termination.LIMIT,
    "num_best": Termination.NUMERICAL,
    "optimal_infeasible": Termination.NUMERICAL,
    "MIP_optimal_infeasible": Termination.NUMERICAL,
}
"""By the names in ``Cplex.solution.status``; every other one is ``FAILED``."""
ABORTED = ("abort_user", "MIP_abort_feasible", "MIP_abort_infeasible")
SENSES = {-1: "G", 0: "E", 1: "L"}


class Refusal(IntEnum):
    """CPLEX's numbers for errors that a licence is the reason of."""

    TOO_LARGE = 1016
    NO_LICENCE = 32024


class CplexEngine:
    """One program inside CPLEX."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        cplex = _cplex()
        self._infinity = float(cplex.infinity)
        with _errors():
            self._cplex = cplex.Cplex()
        for silence in ("log", "results", "warning", "error"):
            getattr(self._cplex, f"set_{silence}_stream")(None)
        self._aborter = self._cplex.use_aborter(cplex.Aborter())
        self._set("advance", 0)
        for key, value in options.items():
            self._set(key, value)
        if first:
            self._set("mip.limits.solutions", 1)
        self._discrete = bool(program.integer.any())
        kinds = "".join("I" if each else "C" for each in program.integer.tolist())
        self._cplex.variables.add(
            obj=program.cost.tolist(),
            lb=self._finite(program.lower),
            ub=self._finite(program.upper),
            **({"types": kinds} if self._discrete else {}),
        )
        rows = [[part.tolist() for part in program.row(row)] for row in range(program.rows)]
        senses = "".join(SENSES[kind] for kind in program.kind.tolist())
        self._cplex.linear_constraints.add(
            lin_expr=rows, senses=senses, rhs=self._finite(program.rhs)
        )

    def change_rows(self, rhs: Mapping[int, float]) -> None:
        """Set right-hand sides of rows of the kind <=."""
        values = self._finite(np.array(list(rhs.values())))
        self._cplex.linear_constraints.set_rhs(list(zip(rhs, values, strict=True)))

    def change_columns(self, columns: Sequence[int], lower: Array, upper: Array) -> None:
        """Set the bounds of some variables."""
        variables = self._cplex.variables
        variables.set_lower_bounds(list(zip(columns, self._finite(lower), strict=True)))
        variables.set_upper_bounds(list(zip(columns, self._finite(upper), strict=True)))

    def change_cost(self, cost: Array) -> None:
        """Set the whole objective."""
        self._cplex.objective.set_linear(list(enumerate(cost.tolist())))

    def run(self, deadline: Deadline) -> RunEnd:
        """Minimise from scratch until ``deadline``."""
        self._aborter.clear()
        with _errors():
            self._cplex.parameters.timelimit.set(PATIENCE.seconds(deadline))
            self._cplex.solve()
        solution = self._cplex.solution
        name = solution.status[solution.get_status()]
        if name in ABORTED and not self._aborter.is_aborted():
            # While it works, CPLEX takes Ctrl-C for itself.
            raise KeyboardInterrupt
        termination = TERMINATIONS.get(name, Termination.FAILED)
        # A simplex that is cut off has a point too, which need not be feasible.
        has_point = solution.is_primal_feasible()
        values = np.array(solution.get_values()) if has_point else None
        return RunEnd(termination, values, self._bound(termination), solution.get_status_string())

    def cancel(self) -> None:
        """Make ``run`` end soon."""
        self._aborter.abort()

    def _bound(self, termination: Termination) -> float | None:
        if termination not in {Termination.OPTIMAL, Termination.LIMIT}:
            return None
        if self._discrete:
            return float(self._cplex.solution.MIP.get_best_objective())
        optimal = termination is Termination.OPTIMAL
        return float(self._cplex.solution.get_objective_value()) if optimal else None

    def _finite(self, values: Array) -> list[float]:
        clipped: list[float] = np.clip(values, -self._infinity, self._infinity).tolist()
        return clipped

    def _set(self, key: str, value: bool | int | float | str) -> None:
        parameter: Any = self._cplex.parameters
        for part in key.split("."):
            parameter = getattr(parameter, part, None)
        if not hasattr(parameter, "set"):
            raise OptionError(
                key, f"CPLEX has no parameter {key!r}; names are like mip.tolerances.mipgap"
            )
        try:
            parameter.set(value)
        except (TypeError, ValueError, _cplex().exceptions.CplexError) as error:
            message = f"CPLEX refuses {value!r} for its parameter {key!r}: {error.args[0]}"
            raise OptionError(key, message) from None


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _cplex().exceptions.CplexSolverError as error:
        if error.args[-1] in {*Refusal}:
            message = f"CPLEX's licence does not allow this: {error.args[0]}"
            raise LicenceError(message) from None
        raise SolverError(f"CPLEX failed: {error.args[0]}") from None


def _cplex() -> Any:
    try:
        import cplex
    except ImportError:
        raise MissingSolverError("CPLEX is not installed: pip install 'mlspec[cplex]'") from None
    return cplex


def version() -> str:
    """Return the version that is installed."""
    return str(_cplex().__version__)


CPLEX = SolverInterface("CPLEX", version, CplexEngine)
